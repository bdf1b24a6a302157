package replica

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// Which peer writes as an actor is told by the actor's first write, its origin:
// an entry of kind Origin whose key is the actor and whose value is a nonce and
// the peer's id. The actor is the beginning of their hash. So an entry that comes
// from anybody, in a session as well, proves whose the actor is, and nobody can
// claim another's: that would take as many hashes as there are actors, 2^64.

// nonceSize is the size of an actorNonce in bytes.
const nonceSize = 16

// actorNonce makes the actors of one peer differ.
type actorNonce [nonceSize]byte

// actorOf is the actor that a nonce gives a peer.
func actorOf(peer string, nonce actorNonce) crdt.Actor {
	sum := sha256.Sum256(append(append([]byte("minikv/actor/1\n"), nonce[:]...), peer...))
	return crdt.Actor(binary.BigEndian.Uint64(sum[:]))
}

// originValue is the value of an origin.
func originValue(peer string, nonce actorNonce) []byte { return append(nonce[:], peer...) }

// OriginPeer returns the peer id that the value of an origin names, "" if that is
// none.
func OriginPeer(value []byte) string {
	if len(value) <= nonceSize {
		return ""
	}
	return string(value[nonceSize:])
}

// Origin returns the first write of an actor of the peer, as that makes it, for a
// nonce.
func Origin(peer string, nonce [nonceSize]byte, stamp hlc.Timestamp) lwwmap.Entry {
	actor := actorOf(peer, nonce)
	return lwwmap.Entry{
		Kind: lwwmap.Origin, Key: originKey(actor), Value: originValue(peer, nonce), Dot: crdt.Dot{Actor: actor, Seq: 1}, Stamp: stamp,
	}
}

func originKey(a crdt.Actor) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(a)))
}

// isOrigin says whether an entry is the first write of its actor, as mintActor
// makes it.
func isOrigin(e *lwwmap.Entry) bool {
	return e.Key == originKey(e.Dot.Actor) && e.Dot.Seq == 1 && len(e.Value) > nonceSize &&
		!e.Deleted && e.Expires == 0 && e.Fence.IsZero() && e.Base == 0 &&
		actorOf(string(e.Value[nonceSize:]), actorNonce(e.Value)) == e.Dot.Actor
}

// Writer returns the peer id that writes as the actor, empty if not heard yet.
func (r *Replica) Writer(a crdt.Actor) string {
	if a == r.actor {
		return r.cfg.Peer
	}
	rec := r.m.Get(lwwmap.Origin, originKey(a))
	if rec.IsZero() {
		return ""
	}
	return OriginPeer(rec.Value())
}

// ensureActor mints an actor at the first write, whose seq 1 tells everyone
// which peer it is.
func (r *Replica) ensureActor(at Instant) error {
	if r.actor != 0 {
		return nil
	}
	return r.mintActor(at, 0)
}

// mintActor mints an actor above the given one, as long as there are any.
func (r *Replica) mintActor(at Instant, above crdt.Actor) error {
	stamp, err := r.cfg.Clock.Now(at.Wall)
	if err != nil {
		return err
	}
	actor, nonce := r.freshActor(above)
	for r.m.Context().Max(actor) > 0 { // a copy of this machine, made before its first write, drew the same
		actor, nonce = r.freshActor(actor)
	}
	r.actor = actor
	if r.minted != nil {
		r.minted[actor] = true
	}
	r.out = outbox{actor: actor}
	_, _, err = r.commit(at, Origin(r.cfg.Peer, nonce, stamp))
	return err
}

const (
	// maxDraws is how often an actor is drawn to find one above another: enough for
	// all but the last hundred thousandth of them, and a tenth of a second at most.
	maxDraws = 1 << 19
	// lowDraws is among how many at least the lowest one above another is taken, a
	// millisecond's worth. So one takes a part in so many of what lies above: a liar
	// who has a replica take another one each second gets to the end in half a day.
	lowDraws = 1 << 12
)

// freshActor draws an actor above the given one, which no other has.
func (r *Replica) freshActor(above crdt.Actor) (lowest crdt.Actor, of actorNonce) {
	draws := maxDraws
	if above > math.MaxUint64-math.MaxUint64/(maxDraws/4) {
		above = 0
	}
	for try := 0; ; try++ {
		if try == draws {
			above = 0
		}
		nonce := r.freshNonce(above, try)
		if actor := actorOf(r.cfg.Peer, nonce); actor > above && (lowest == 0 || actor < lowest) {
			lowest, of = actor, nonce
		}
		if lowest != 0 && (above == 0 || try >= lowDraws) {
			return lowest, of
		}
	}
}
