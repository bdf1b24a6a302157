package hostile

import (
	"crypto/ed25519"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/minikv/minikv/seal"
	"github.com/minikv/minikv/ticket"
)

// member is what an attacker makes of a ticket.
type member struct {
	a           *attacker
	keys        *seal.Keys
	certificate []byte
}

// member reads one of the order's tickets.
func (a *attacker) member(sort string) (*member, error) {
	t, err := ticket.Decode(a.order.Tickets[sort])
	if err != nil {
		return nil, err
	}
	keys, err := seal.NewKeys(t.Name, t.Secret, t.Owner)
	if err != nil {
		return nil, err
	}
	holder := ed25519.NewKeyFromSeed(t.Seed[:])
	rights := seal.Rights(min(t.Rights, ticket.Write))
	g := &seal.Grant{Rights: rights, Expires: t.Expires, Holder: holder.Public().(ed25519.PublicKey), Signature: t.Signature}
	return &member{a, keys, keys.Certify(g, holder, a.id.String())}, nil
}

// seal seals a delta, or anything else in the place of one.
func (m *member) seal(delta []byte) []byte {
	b := seal.BeginDelta(nil, [seal.NonceSize]byte(m.a.noise(seal.NonceSize)), m.certificate)
	return m.keys.SealDelta(append(b, delta...), m.a.id.String())
}

// delta is a gossip message of entries under their first one's actor.
func (m *member) delta(entries ...lwwmap.Entry) []byte {
	return m.a.envelope(m.keys.Topic(), m.seal(plainDelta(entries...)))
}

// join opens a gossip stream, subscribes, and shows the member's certificate in a session: nodes gossip only to whom
// they know as a member.
func (m *member) join(n peer.AddrInfo) (*gossip, error) {
	g, err := m.a.gossip(n)
	if err != nil {
		return nil, err
	}
	if err := g.subscribe(m.keys.Topic()); err != nil {
		return nil, err
	}
	s, err := m.dial(n, nil)
	if err != nil {
		return nil, err
	}
	if err := s.say(claim()); err != nil {
		return nil, err
	}
	go s.drain()
	return g, nil
}

// session is a session with a node behind a handshake.
type session struct {
	*pipe
	m       *member
	channel *seal.Channel
	hello   *replica.Hello // the node's
	mine    *replica.Hello
}

var errAnswer = errors.New("hostile: the node does not answer the handshake")

// dial opens a session with a hello that edit may change.
func (m *member) dial(n peer.AddrInfo, edit func(*replica.Hello)) (*session, error) {
	p, err := m.a.open(n, syncProtocol, "handshake")
	if err != nil {
		return nil, err
	}
	s, err := m.open(p, n, edit)
	if err != nil {
		p.close()
	}
	return s, err
}

func (m *member) open(p *pipe, n peer.AddrInfo, edit func(*replica.Hello)) (*session, error) {
	now := hlc.FromTime(time.Now())
	mine := &replica.Hello{Version: replica.Version, Clock: now, Wall: now}
	if edit != nil {
		edit(mine)
	}
	hello, err := replica.EncodeFrame(nil, mine)
	if err != nil {
		return nil, err
	}
	d, open := m.keys.Dial(seal.Nonce(m.a.noise(seal.HandshakeNonce)), m.a.id.String(), n.ID.String(), seal.First{Certificate: m.certificate, Hello: hello})
	if err := p.send(open); err != nil {
		return nil, err
	}
	answer, err := p.recv()
	if err != nil {
		return nil, err
	}
	first, channel, err := d.Answered(answer)
	if err != nil {
		p.a.tally.noteRatio(p.kind, p.out, p.in)
		return nil, errAnswer
	}
	f, err := replica.DecodeFrame(first.Hello)
	if err != nil {
		return nil, err
	}
	theirs, ok := f.(*replica.Hello)
	if !ok {
		return nil, errAnswer
	}
	p.proved = true
	return &session{pipe: p, m: m, channel: channel, hello: theirs, mine: mine}, nil
}

// say sends frames.
func (s *session) say(frames ...replica.Frame) error {
	for _, f := range frames {
		b, err := replica.EncodeFrame(nil, f)
		if err != nil {
			return err
		}
		if err := s.sayBytes(b); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) sayBytes(b []byte) error { return s.send(s.channel.Seal(b)) }

// hear reads a frame.
func (s *session) hear() (replica.Frame, error) {
	b, err := s.recv()
	if err != nil {
		return nil, err
	}
	if b, err = s.channel.Open(b); err != nil {
		return nil, err
	}
	return replica.DecodeFrame(b)
}

// agree hears all that the node has to say, and confirms whatever root it comes to, until the session is over.
func (s *session) agree(sent uint64) (replica.State, error) {
	for got := uint64(0); ; {
		f, err := s.hear()
		if err != nil {
			return replica.Running, err
		}
		switch f := f.(type) {
		case *replica.Entries:
			got += uint64(len(f.Entries))
		case *replica.Finish:
			return f.State, nil
		case *replica.Status:
			if f.Got == sent && f.Sent == got {
				if err := s.say(&replica.Status{Root: f.Root, Round: f.Round, Sent: sent, Got: got}); err != nil {
					return replica.Running, err
				}
				return replica.Merged, nil
			}
		}
	}
}

// claim is a whole context.
func claim(spans ...crdt.Span) *replica.Contexts { return &replica.Contexts{Spans: spans, Last: true} }

// entry is one as a member may write it.
func entry(key, value string, dot crdt.Dot) lwwmap.Entry {
	return lwwmap.Entry{Kind: lwwmap.Data, Key: key, Value: []byte(value), Dot: dot, Stamp: hlc.FromTime(time.Now())}
}

// actor is a fresh actor of the attacker's, and the entry that says so.
func (a *attacker) actor() (crdt.Actor, lwwmap.Entry) {
	o := replica.Origin(a.id.String(), [16]byte(a.noise(16)), hlc.FromTime(time.Now()))
	return o.Dot.Actor, o
}

// plainDelta is a delta that is not sealed.
func plainDelta(entries ...lwwmap.Entry) []byte {
	d := &replica.Delta{Actor: entries[0].Dot.Actor, Entries: entries}
	for _, e := range entries {
		if e.Dot.Actor == d.Actor {
			d.Seqs = d.Seqs.Add(e.Dot.Seq, e.Dot.Seq)
		}
	}
	b, err := replica.EncodeDelta(nil, d)
	if err != nil {
		panic(err) // what attackers put in can be encoded
	}
	return b
}

// send sends entries in a session that claims nothing.
func (m *member) send(n peer.AddrInfo, entries ...lwwmap.Entry) error {
	s, err := m.dial(n, nil)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.say(claim(), &replica.Entries{Last: true, Entries: entries}); err != nil {
		return err
	}
	if state, err := s.agree(uint64(len(entries))); err == nil {
		m.a.tally.note("session " + state.String())
	}
	return nil
}
