package minikv

import (
	"cmp"
	"errors"
	"time"

	"github.com/minikv/minikv/replica"
	"github.com/minikv/minikv/seal"
)

// peerRecord is what a registry keeps of a peer.
type peerRecord struct {
	heard  time.Duration // when it was last heard, on the monotonic clock
	synced time.Time     // last verified exchange
	seen   time.Time     // when skew was
	skew   time.Duration // of its clock against this one's
	state  Digest        // as told with it
	keys   uint64
}

// maxPeerRecords bounds what strangers can make a registry remember.
const maxPeerRecords = 4096

// peer returns the record of a peer that is heard now. Where there is no room for another, the least of the others is
// given up, so strangers, of which anyone can make any number, displace each other. The registry is locked.
func (r *Registry) peer(id PeerID, at replica.Instant) *peerRecord {
	p := r.peers[id]
	if p == nil {
		if len(r.peers) >= maxPeerRecords {
			delete(r.peers, r.leastPeer())
		}
		p = new(peerRecord)
		r.peers[id] = p
	}
	p.heard = at.Mono
	return p
}

// leastPeer is the peer whose record is worth least: one that is not connected before one that is, of which there are
// only so many; then one without a verified exchange before one with; then the one that was heard least recently. The
// registry is locked.
func (r *Registry) leastPeer() (least PeerID) {
	connected := map[PeerID]bool{}
	for _, id := range r.rep.Peers() {
		connected[PeerID(id)] = true
	}
	worth := func(id PeerID) (w int) {
		if connected[id] {
			w += 2
		}
		if !r.peers[id].synced.IsZero() {
			w++
		}
		return w
	}
	for id, p := range r.peers {
		if least == "" || cmp.Or(cmp.Compare(worth(id), worth(least)), cmp.Compare(p.heard, r.peers[least].heard)) < 0 {
			least = id
		}
	}
	return least
}

// Points that a peer gets for what is refused of it; at 100, half of which it is forgiven in 10 minutes, it is
// turned away for a while. None for what an honest peer may send: one whose clock is wrong, whose limits
// are others, or which is of another version.
const (
	pointsMessage   = 10 // for a message or frame
	pointsForged    = 10 // for all entries of one message
	pointsMalformed = 10
	pointsStranger  = 2   // for an exchange without membership: an honest peer may try some after a rotation
	pointsVersion   = 0.2 // for what a later version may have sent: it comes to nothing, but in a flood it costs
)

// countRefused counts a message or frame that could not be read.
func (r *Registry) countRefused(id PeerID, err error) {
	points := float64(pointsMessage)
	if errors.Is(err, replica.ErrVersion) || errors.Is(err, seal.ErrVersion) || errors.Is(err, errEnded) {
		points = pointsVersion
	}
	r.mu.Lock()
	r.counts.refused++
	r.mu.Unlock()
	r.node.host.Refuse(string(id), RefusedMessage, 1, points)
	r.node.turns.distrust(id)
}

// countRefusals counts entries that were refused of one message or exchange.
func (n *Node) countRefusals(id PeerID, why replica.Refusals) {
	if why.Total() == 0 {
		return
	}
	n.host.Refuse(string(id), RefusedSkew, why.Skew, 0)
	n.host.Refuse(string(id), RefusedBounds, why.Bounds, 0)
	n.host.Refuse(string(id), RefusedFull, why.Full, 0)
	n.host.Refuse(string(id), RefusedForged, why.Forged, pointsForged)
	n.host.Refuse(string(id), RefusedForged, why.Passed, 0)
	n.host.Refuse(string(id), RefusedMalformed, why.Malformed, pointsMalformed)
	if why.Forged > 0 || why.Malformed > 0 {
		n.turns.distrust(id)
	}
}

// noteHello notes how far a peer's wall clock is ahead of this node's, and what it holds.
func (r *Registry) noteHello(id PeerID, hello *replica.Hello, at replica.Instant) {
	r.mu.Lock()
	p := r.peer(id, at)
	p.seen, p.skew = at.Wall, hello.Wall.Time().Sub(at.Wall).Round(time.Millisecond)
	if Digest(hello.State) != (Digest{}) { // a fetch tells none
		p.state, p.keys = Digest(hello.State), hello.Keys
	}
	behind, known := r.peersBehind(), len(r.peers)
	warn := 2*behind > known && (r.warned == 0 || at.Mono-r.warned > warnEvery)
	if warn {
		r.warned = at.Mono
	}
	r.mu.Unlock()
	if warn {
		r.node.cfg.Logger.Warn("this node's clock is ahead of most of its peers; they will refuse what it writes if it runs further ahead: set it right",
			"registry", r.name, "behind", behind, "peers", known, "most", r.node.cfg.MaxClockSkew)
	}
}

// warnEvery is the least time between two warnings of one kind.
const warnEvery = 10 * time.Minute

// peersBehind counts the peers whose clock is so far behind this node's that what it writes is about to be
// refused. The registry is locked.
func (r *Registry) peersBehind() (n int) {
	for _, p := range r.peers {
		if p.skew < -r.node.cfg.MaxClockSkew/2 {
			n++
		}
	}
	return n
}

func (r *Registry) noteExchange(id PeerID, s SyncStats, verified bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.syncBytesIn += s.BytesIn
	r.counts.syncBytesOut += s.BytesOut
	r.counts.syncRounds += uint64(s.Rounds)
	r.syncTime.note(s.Took)
	if verified {
		r.node.host.Vouch(string(id))
		at := r.node.instant()
		p := r.peer(id, at)
		p.synced = at.Wall
		r.counts.lastSync = p.synced
		close(r.syncNews)
		r.syncNews = make(chan struct{})
	}
	r.scheduleTick(r.node.instant())
}
