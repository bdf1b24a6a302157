package minikv

import (
	"crypto/rand"
	"errors"
	"time"

	"github.com/minikv/minikv/p2p"
	"github.com/minikv/minikv/replica"
	"github.com/minikv/minikv/seal"
)

// Why a gossip message of a private registry is refused.
var (
	errNotWriter = errors.New("minikv: written by a peer that may only read")
	errEnded     = errors.New("minikv: written by a peer whose ticket has just expired")
	errLongEnded = errors.New("minikv: written by a peer whose ticket expired long ago")
)

// encode makes the gossip message of a delta, in buf if it has room.
func (j *joined) encode(buf []byte, d *replica.Delta) ([]byte, error) {
	if j.member == nil {
		return replica.EncodeDelta(buf[:0], d)
	}
	var nonce [seal.NonceSize]byte
	_, _ = rand.Read(nonce[:]) // never fails, see its documentation
	buf, err := replica.EncodeDelta(seal.BeginDelta(buf, nonce, j.member.certificate), d)
	if err != nil {
		return buf, err
	}
	return j.member.keys.SealDelta(buf, string(j.l.r.node.id)), nil
}

// decode reads the delta of a gossip message whose author was verified. In a private registry it comes from a member that
// may write by this node's clock.
func (j *joined) decode(m p2p.Message, now time.Time) (*replica.Delta, error) {
	if j.member == nil {
		return replica.DecodeDelta(m.Data)
	}
	certificate, delta, err := j.member.keys.OpenDelta(m.Data, m.From)
	if err != nil {
		return nil, err
	}
	author, err := j.member.verify(certificate, PeerID(m.From))
	if err != nil {
		return nil, err
	}
	skew := j.l.r.node.cfg.MaxClockSkew
	switch {
	case author.Rights < seal.Write:
		return nil, errNotWriter
	case author.Ended(now, 3*skew): // no neighbour can have taken it
		return nil, errLongEnded
	case author.Ended(now, skew):
		return nil, errEnded
	}
	return replica.DecodeDelta(delta)
}

// refuse counts a message that was not taken, against its author where it is proven to be his, else against the
// neighbour, who should have refused it, too.
func (j *joined) refuse(m p2p.Message, err error) p2p.Verdict {
	switch {
	case errors.Is(err, errNotWriter), errors.Is(err, errLongEnded):
		j.l.r.countRefused(PeerID(m.From), err)
		return p2p.Reject
	case errors.Is(err, errEnded):
		j.l.r.countRefused(PeerID(m.From), err)
		return p2p.Ignore // by the clock of the neighbour it was acceptable
	}
	j.l.r.countRefused(PeerID(m.Via), err)
	if errors.Is(err, replica.ErrVersion) || errors.Is(err, seal.ErrVersion) {
		return p2p.Ignore // its neighbours may understand it
	}
	return p2p.Reject
}
