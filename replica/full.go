package replica

import (
	"fmt"
	"math"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// A member may write as much as it likes, and every replica holds all of it: Config.MaxBytes bounds that. Who adds to a map
// may hold a few times what is left free, and no more: so one writer gets most of the room, two at a time get somewhat less
// than half each, and some is always left for who has little (dynamic thresholds: Choudhury and Hahne, IEEE/ACM Transactions
// on Networking 6(2), 1998, section III). What is refused stays out of the context, and sessions offer it again; as long as
// they do in vain, they verify nothing, so replicas without room are not equal to others.
const (
	// share is how many times of what is left free a writer may hold.
	share = 2
	// metaPart is the part of MaxBytes that comes on top for leases and origins, which have it to themselves: locks go on
	// where data has no room, and it stays known who writes.
	metaPart = 4
	// mostBytes bounds MaxBytes.
	mostBytes = math.MaxInt64 / 8
)

// errFull is refused to peers as it is: there may be very many of it.
var errFull = fmt.Errorf("%w: the writer of an entry holds as much as it may", ErrFull)

// formerly begins the name under which is counted what was written as this peer before this start, or in its name: anybody
// can do that in a session.
const formerly = "formerly "

// owner says on whose account an actor's writes go.
func (r *Replica) owner(a crdt.Actor) string {
	if r.minted[a] {
		return r.cfg.Peer
	}
	return r.account(r.Writer(a))
}

func (r *Replica) account(peer string) string {
	if peer == r.cfg.Peer {
		return formerly + peer
	}
	return peer
}

// checkRoom refuses an entry from a peer that takes more room than its writer has. One that is going to be ignored takes none.
func (r *Replica) checkRoom(e *lwwmap.Entry, despite bool) error {
	if r.cfg.MaxBytes == 0 {
		return nil
	}
	held := r.m.Get(e.Kind, e.Key)
	by := growth(e, held)
	if by == 0 || !held.IsZero() && e.Order().Compare(held.Order()) < 0 {
		return nil
	}
	if !despite && r.m.Context().Has(e.Dot) && (held.IsZero() || held.Dot() != e.Dot) {
		return nil
	}
	owner := r.owner(e.Dot.Actor)
	if e.Kind == lwwmap.Origin {
		owner = r.account(OriginPeer(e.Value))
	}
	if r.hasRoom(e.Kind, owner, by) {
		return nil
	}
	r.stats.Refused.Full++
	return errFull
}

// growth is by how much an entry makes the map heavier that takes the place of held, nothing where its value is no longer: so
// whoever deletes, or has something expire, always can.
func growth(e *lwwmap.Entry, held lwwmap.Record) int64 {
	if !held.IsZero() && len(e.Value) <= len(held.Value()) {
		return 0
	}
	return max(e.Weight()-held.Weight(), 0)
}

// hasRoom says whether somebody may add so much.
func (r *Replica) hasRoom(kind lwwmap.Kind, owner string, by int64) bool {
	limit, held := r.room(kind)
	free := limit - held - by
	return free >= 0 && r.m.Share(kind, owner)+by <= share*free
}

// room is how much entries of a kind may weigh, together with those that share the room, and how much they do.
func (r *Replica) room(kind lwwmap.Kind) (limit, held int64) {
	if kind == lwwmap.Data {
		return r.cfg.MaxBytes, r.m.DataWeight()
	}
	return r.cfg.MaxBytes / metaPart, r.m.Weight() - r.m.DataWeight()
}

// Growth is by how much a write may make the map heavier at most.
func (r *Replica) Growth(w *Write) int64 {
	e := lwwmap.Entry{Kind: lwwmap.Data, Key: w.Key, Value: w.Value, Expires: w.Expires, Fence: w.Fence, Deleted: w.Delete}
	if w.Delete {
		e.Value = nil
	}
	held := r.m.Get(lwwmap.Data, w.Key)
	r.placeData(&e, held) // it may take over a fence
	return growth(&e, held)
}

// CheckRoom returns the error that writes which make the map heavier by so much would meet, ErrFull: a single one, or those of
// a batch, which is checked as a whole.
func (r *Replica) CheckRoom(by int64) error { return r.checkOwnRoom(lwwmap.Data, by) }

func (r *Replica) checkOwnRoom(kind lwwmap.Kind, by int64) error {
	if r.cfg.MaxBytes == 0 || by == 0 || r.hasRoom(kind, r.cfg.Peer, by) {
		return nil
	}
	limit, held := r.room(kind)
	what := ""
	if kind != lwwmap.Data {
		what = " of locks"
	}
	return fmt.Errorf("%w: it holds %d of %d bytes%s, %d of them written here, and %d more were to be added, while a writer may have twice what is left; delete something, or allow more on all nodes",
		ErrFull, held, limit, what, r.m.Share(kind, r.cfg.Peer), by)
}
