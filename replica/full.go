package replica

import (
	"fmt"

	"github.com/minikv/minikv/lwwmap"
)

// A member may write as much as it likes, and every replica holds all of it: Config.MaxBytes bounds that. Who adds to a map
// may hold a few times what is left free, and no more: so one writer gets most of the room, two get somewhat less than half
// each, and some is always left for who has little (dynamic thresholds: Choudhury and Hahne, IEEE/ACM Transactions on Networking
// 6(2), 1998, section III). What is refused stays out of the context, and sessions offer it again; as long as they do in vain,
// they verify nothing, so replicas without room are not equal to others.
const (
	// share is how many times of what is left free a writer may hold.
	share = 2
	// metaRoom is the part of MaxBytes that comes on top for leases and origins: locks go on where data has no room, and
	// it stays known who writes.
	metaRoom = 8
)

// errFull is refused to peers as it is: there may be very many of it.
var errFull = fmt.Errorf("%w: the writer of an entry holds as much as it may", ErrFull)

// checkRoom refuses an entry from a peer that takes more room than its writer has. One that was seen is going to be ignored,
// but for what is sent despite that.
func (r *Replica) checkRoom(e *lwwmap.Entry, despite bool) error {
	if r.cfg.MaxBytes == 0 {
		return nil
	}
	held := r.m.Get(e.Kind, e.Key)
	growth := e.Weight() - held.Weight()
	if growth <= 0 || e.Deleted && !held.IsZero() || !despite && r.m.Context().Has(e.Dot) || !held.IsZero() && e.Order().Compare(held.Order()) <= 0 {
		return nil
	}
	limit, writer := r.cfg.MaxBytes, r.Writer(e.Dot.Actor)
	if e.Kind != lwwmap.Data {
		limit += limit / metaRoom
	}
	if e.Kind == lwwmap.Origin {
		writer = OriginPeer(e.Value)
	}
	if r.hasRoom(writer, growth, limit) {
		return nil
	}
	r.stats.Refused.Full++
	return errFull
}

// hasRoom says whether a writer may add so much.
func (r *Replica) hasRoom(writer string, growth, limit int64) bool {
	free := limit - r.m.Weight() - growth
	return free >= 0 && r.m.Share(writer)+growth <= share*free
}

// Growth is by how much a write may make the map heavier at most.
func (r *Replica) Growth(w *Write) int64 {
	if w.Delete {
		return 0
	}
	e := lwwmap.Entry{Key: w.Key, Value: w.Value, Expires: w.Expires, Fence: w.Fence}
	held := r.m.Get(lwwmap.Data, w.Key)
	if !held.IsZero() && e.Fence.IsZero() {
		e.Fence, e.Base = held.Fence() // they pass on
	}
	return max(e.Weight()-held.Weight(), 0)
}

// CheckRoom returns the error that writes which grow the map by so much would meet, ErrFull. They are either a single one,
// or a batch, which has to be checked as a whole.
func (r *Replica) CheckRoom(growth int64) error {
	if r.cfg.MaxBytes == 0 || growth == 0 {
		return nil
	}
	if r.actor == 0 {
		growth += maxOriginWeight
	}
	if r.hasRoom(r.cfg.Peer, growth, r.cfg.MaxBytes) {
		return nil
	}
	return fmt.Errorf("%w: it holds %d of %d bytes, %d of them written here, and %d more were to be added, while a writer may have twice what is left; delete something, or allow more on all nodes",
		ErrFull, r.m.Weight(), r.cfg.MaxBytes, r.m.Share(r.cfg.Peer), growth)
}

// maxOriginWeight is what the first write of an actor weighs at most.
const maxOriginWeight = 512
