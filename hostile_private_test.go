package minikv_test

import (
	"bytes"
	"crypto/ed25519"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/p2p"
	"github.com/minikv/minikv/replica"
	"github.com/minikv/minikv/seal"
	"github.com/minikv/minikv/ticket"
)

// rawMember holds a ticket, and keeps to none of the rules.
type rawMember struct {
	*p2p.Host
	t           *testing.T
	victim      *minikv.Registry
	ticket      *ticket.Ticket
	keys        *seal.Keys
	certificate []byte
	topic       *p2p.Topic
	heard       chan p2p.Message
	rep         *replica.Replica
	nonces      byte
}

func newRawMember(t *testing.T, victim *minikv.Registry, text string) *rawMember {
	t.Helper()
	m := &rawMember{Host: rawPeer(t, victim.Node()), t: t, victim: victim, heard: make(chan p2p.Message, 100)}
	var err error
	m.ticket, err = ticket.Decode(text)
	require.NoError(t, err)
	m.keys, err = seal.NewKeys(m.ticket.Name, m.ticket.Secret, m.ticket.Owner)
	require.NoError(t, err)
	m.certificate = m.certify(seal.Rights(min(m.ticket.Rights, 2)))
	m.topic, err = m.JoinTopic(m.keys.Topic(), func(x p2p.Message) p2p.Verdict {
		select {
		case m.heard <- x:
		default:
		}
		return p2p.Accept
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(m.topic.Peers()) == 1 && victim.Metrics().PeersConnected > 0 }, patience, time.Millisecond)
	m.rep = replica.New(replica.Config{
		Peer: m.ID(), Clock: hlc.NewClock(hlc.Config{}), Rand: rand.New(rand.NewPCG(1, 2)), DigestKey: minikv.DigestKeyOf(m.ticket.Name),
	}, nil, m.now())
	return m
}

// hear waits for the next message of gossip.
func (m *rawMember) hear() p2p.Message {
	m.t.Helper()
	select {
	case x := <-m.heard:
		return x
	case <-time.After(patience):
		require.Fail(m.t, "nothing heard")
		return p2p.Message{}
	}
}

func (m *rawMember) now() replica.Instant { return replica.Instant{Wall: time.Now()} }

// certify makes a certificate that claims these rights, with the signature that the ticket has.
func (m *rawMember) certify(rights seal.Rights) []byte {
	holder := ed25519.NewKeyFromSeed(m.ticket.Seed[:])
	g := seal.Grant{Rights: rights, Expires: m.ticket.Expires, Holder: holder.Public().(ed25519.PublicKey), Signature: m.ticket.Signature}
	return m.keys.Certify(&g, holder, m.ID())
}

// delta is a write of the member's own.
func (m *rawMember) delta(key string) []byte {
	_, _, err := m.rep.Write(m.now(), replica.Write{Key: key, Value: []byte("forged")})
	require.NoError(m.t, err)
	b, err := replica.EncodeDelta(nil, m.rep.Outbox())
	require.NoError(m.t, err)
	return b
}

// sealed seals a delta under any certificate and name.
func (m *rawMember) sealed(certificate, delta []byte, author string) []byte {
	m.nonces++
	return m.keys.SealDelta(append(seal.BeginDelta(nil, [seal.NonceSize]byte{m.nonces}, certificate), delta...), author)
}

// publish requires that the node refuses the message.
func (m *rawMember) publishRefused(data []byte) {
	m.t.Helper()
	before, root := m.victim.Metrics().Refused, m.victim.Root()
	require.NoError(m.t, m.topic.Publish(ctx, data))
	require.Eventually(m.t, func() bool { return m.victim.Metrics().Refused > before }, patience, time.Millisecond)
	require.Equal(m.t, root, m.victim.Root())
	require.Empty(m.t, value(m.t, m.victim, "forged"))
}

// The same code with a write ticket gets in: what follows is refused for the ticket, not for a mistake of the test.
func TestARawWriterGetsIn(t *testing.T) {
	a := founder(t, minikv.Config{})
	m := newRawMember(t, a, ticketOf(t, a, writeTicket))
	require.NoError(t, m.topic.Publish(ctx, m.sealed(m.certificate, m.delta("gossip"), m.ID())))
	eventually(t, a, "gossip", "forged")
	s := m.meet(a.Node())
	require.NoError(t, s.write(&replica.Contexts{Last: true, Spans: m.rep.Map().Context().Spans()}))
	require.NoError(t, s.write(&replica.Entries{Last: true, Entries: []lwwmap.Entry{m.entry("session")}}))
	eventually(t, a, "session", "forged")
}

func TestRawReadersCannotWriteByGossip(t *testing.T) {
	a := founder(t, minikv.Config{})
	put(t, a, "k", "v")
	w := joined(t, a, writeTicket)
	for name, refused := range map[string]func(m *rawMember) []byte{
		"with the read certificate": func(m *rawMember) []byte { return m.sealed(m.certificate, m.delta("forged"), m.ID()) },
		"with more rights in it":    func(m *rawMember) []byte { return m.sealed(m.certify(seal.Write), m.delta("forged"), m.ID()) },
		"with a writer's certificate": func(m *rawMember) []byte {
			put(t, w, "heard", "1") // whose certificate any member can read
			x := m.hear()
			certificate, _, err := m.keys.OpenDelta(x.Data, x.From)
			require.NoError(t, err)
			return m.sealed(certificate, m.delta("forged"), m.ID())
		},
		"with none": func(m *rawMember) []byte {
			return m.sealed(make([]byte, seal.CertificateSize), m.delta("forged"), m.ID())
		},
		"in a writer's name": func(m *rawMember) []byte { return m.sealed(m.certificate, m.delta("forged"), string(w.Node().ID())) },
		"not sealed":         func(m *rawMember) []byte { return m.delta("forged") },
		"cut off": func(m *rawMember) []byte {
			b := m.sealed(m.certificate, m.delta("forged"), m.ID())
			return b[:len(b)-1]
		},
		"of the wrong version": func(m *rawMember) []byte { return append([]byte{9}, m.delta("forged")...) },
		"a writer's message, sent again as one's own": func(m *rawMember) []byte {
			put(t, w, "again", "1")
			return m.hear().Data
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newRawMember(t, a, ticketOf(t, a, readTicket))
			connectRaw(t, m, w)
			data := refused(m)
			requireEqual(t, a, w)
			m.publishRefused(data)
		})
	}
	put(t, a, "still", "here")
	eventually(t, w, "still", "here")
}

// connectRaw links the raw member to another node and proves its membership there, so that it hears what that one writes.
func connectRaw(t *testing.T, m *rawMember, r *minikv.Registry) {
	t.Helper()
	_, err := m.Connect(within(t), r.Node().Addrs()[0])
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(m.topic.Peers()) == 2 && r.Metrics().PeersConnected == 2 }, patience, time.Millisecond)
	s := m.meet(r.Node())
	defer s.stream.Reset()
	require.NoError(t, s.write(&replica.Contexts{Last: true}))
	require.NoError(t, s.write(&replica.Entries{Last: true}))
	for {
		if _, ok := s.read().(*replica.Status); ok {
			return // it has judged what was said after the handshake
		}
	}
}

// session is a raw one after its handshake.
type session struct {
	m       *rawMember
	stream  *p2p.Stream
	channel *seal.Channel
}

// open begins a session with a node and returns its first answer.
func (m *rawMember) open(n *minikv.Node) (*p2p.Stream, *seal.Dialling, []byte) {
	m.t.Helper()
	now := hlc.FromTime(time.Now())
	hello := frame(m.t, &replica.Hello{Version: replica.Version, Clock: now, Wall: now})
	s := openStream(m.t, m.Host, n)
	m.nonces++
	d, open := m.keys.Dial(seal.Nonce{m.nonces}, m.ID(), string(n.ID()), seal.First{Certificate: m.certificate, Hello: hello})
	require.NoError(m.t, s.WriteFrame(open))
	answer, err := s.ReadFrame(1 << 20)
	require.NoError(m.t, err)
	return s, d, answer
}

func (m *rawMember) meet(n *minikv.Node) *session {
	m.t.Helper()
	s, d, answer := m.open(n)
	_, channel, err := d.Answered(answer)
	require.NoError(m.t, err)
	return &session{m, s, channel}
}

func (s *session) write(f replica.Frame) error {
	return s.stream.WriteFrame(s.channel.Seal(frame(s.m.t, f)))
}

// finish reads on to how the node ends the session.
func (s *session) finish() *replica.Finish {
	s.m.t.Helper()
	for {
		if finish, ok := s.read().(*replica.Finish); ok {
			return finish
		}
	}
}

func (s *session) read() replica.Frame {
	s.m.t.Helper()
	data, err := s.stream.ReadFrame(1 << 20)
	require.NoError(s.m.t, err)
	data, err = s.channel.Open(data)
	require.NoError(s.m.t, err)
	f, err := replica.DecodeFrame(data)
	require.NoError(s.m.t, err)
	return f
}

func (m *rawMember) entry(key string) lwwmap.Entry {
	return lwwmap.Entry{Kind: lwwmap.Data, Key: key, Value: []byte("forged"), Dot: crdt.Dot{Actor: 99, Seq: 1}, Stamp: hlc.FromTime(time.Now())}
}

func TestRawReadersCannotWriteBySession(t *testing.T) {
	a := founder(t, minikv.Config{})
	put(t, a, "k", "v")
	ticket := ticketOf(t, a, readTicket)
	before, state := a.Root(), a.State()
	all := crdt.Ranges{{Lo: 1, Hi: 1<<64 - 1}}
	t.Run("entries", func(t *testing.T) {
		s := newRawMember(t, a, ticket).meet(a.Node())
		require.NoError(t, s.write(&replica.Contexts{Last: true}))
		require.NoError(t, s.write(&replica.Entries{Last: true, Entries: []lwwmap.Entry{s.m.entry("forged")}}))
		require.Contains(t, s.finish().Why, "may only read")
	})
	t.Run("a context that has seen everything", func(t *testing.T) {
		s := newRawMember(t, a, ticket).meet(a.Node())
		require.NoError(t, s.write(&replica.Contexts{Last: true, Spans: []crdt.Span{{Actor: 99, Ranges: all}}}))
		require.NoError(t, s.write(&replica.Entries{Last: true}))
		for _, root := range []lwwmap.Digest{{}, lwwmap.Digest(before)} {
			require.NoError(t, s.write(&replica.Status{Root: root, Got: 2}))
		}
		require.NoError(t, s.stream.CloseWrite())
	})
	t.Run("frames that are not sealed", func(t *testing.T) {
		s := newRawMember(t, a, ticket).meet(a.Node())
		require.NoError(t, s.stream.WriteFrame(frame(t, &replica.Contexts{Last: true})))
		require.Equal(t, replica.Failed, s.finish().State)
	})
	t.Run("more rights", func(t *testing.T) {
		m := newRawMember(t, a, ticket)
		m.certificate = m.certify(seal.Write)
		_, _, answer := m.open(m.victim.Node())
		f, err := replica.DecodeFrame(answer)
		require.NoError(t, err)
		require.Contains(t, f.(*replica.Finish).Why, "no certificate")
	})
	require.Equal(t, before, a.Root())
	require.Equal(t, state, a.State())
	put(t, a, "k", "still writable")
}

func TestOutsidersGetNoSession(t *testing.T) {
	a := founder(t, minikv.Config{})
	put(t, a, "k", "v")
	b := joined(t, a, writeTicket)
	h := rawPeer(t, a.Node())
	for name, first := range map[string][]byte{
		"a plain hello":           frame(t, &replica.Hello{Version: replica.Version, Clock: 1, Wall: 0}),
		"a hello by public name":  frame(t, helloFor("test")),
		"a forged open":           append([]byte{seal.OpenType, 1}, bytes.Repeat([]byte{7}, 300)...),
		"an open that is cut off": {seal.OpenType, 1},
		"an open of version 2":    append([]byte{seal.OpenType, 2}, bytes.Repeat([]byte{7}, 300)...),
	} {
		t.Run(name, func(t *testing.T) {
			s := openStream(t, h, a.Node())
			require.NoError(t, s.WriteFrame(first))
			require.Equal(t, replica.Failed, finishOf(t, s).State)
		})
	}
	t.Run("what a member said to the outsider, passed on", func(t *testing.T) {
		opened := make(chan []byte, 1)
		h.Serve(syncProtocol, func(s *p2p.Stream) {
			if data, err := s.ReadFrame(1 << 20); err == nil {
				select {
				case opened <- data:
				default:
				}
			}
		})
		m := newRawMember(t, a, ticketOf(t, a, readTicket)) // knows the topic's name, so that b dials the outsider
		topic, err := h.JoinTopic(m.keys.Topic(), func(p2p.Message) p2p.Verdict { return p2p.Accept })
		require.NoError(t, err)
		_, err = h.Connect(within(t), b.Node().Addrs()[0])
		require.NoError(t, err)
		var proof []byte
		select {
		case proof = <-opened:
		case <-time.After(patience):
			require.Fail(t, "nobody dialled the outsider")
		}
		require.EqualValues(t, seal.OpenType, proof[0])
		for _, victim := range []*minikv.Registry{a, b} { // relayed to another, and reflected
			s := openStream(t, h, victim.Node())
			require.NoError(t, s.WriteFrame(proof))
			finish := finishOf(t, s)
			require.Equal(t, replica.Failed, finish.State)
			require.Contains(t, finish.Why, "no member of the registry")
		}
		require.NoError(t, topic.Close())
	})
	require.Equal(t, "v", value(t, a, "k"))
}

// By the node's own clock, whatever the other's says.
func TestExpiredTicketsAreWorthNothing(t *testing.T) {
	var ahead atomic.Int64
	a := founder(t, minikv.Config{Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	m := newRawMember(t, a, ticketOf(t, a, minikv.TicketOptions{Rights: minikv.RightsWrite, TTL: time.Hour}))
	require.NoError(t, m.topic.Publish(ctx, m.sealed(m.certificate, m.delta("in time"), m.ID())))
	eventually(t, a, "in time", "forged")
	m.meet(a.Node())
	ahead.Store(int64(time.Hour + 30*time.Second)) // within the tolerance
	require.NoError(t, m.topic.Publish(ctx, m.sealed(m.certificate, m.delta("nearly"), m.ID())))
	eventually(t, a, "nearly", "forged")
	for _, d := range []time.Duration{time.Hour + 2*time.Minute, 48 * time.Hour} {
		ahead.Store(int64(d))
		m.publishRefused(m.sealed(m.certificate, m.delta("forged"), m.ID()))
		_, _, answer := m.open(m.victim.Node())
		f, err := replica.DecodeFrame(answer)
		require.NoError(t, err)
		require.Contains(t, f.(*replica.Finish).Why, "expired")
	}
}

// The longest hello, which asks for as many writes as it may, fits into the first frame of an exchange.
func TestTheLongestHelloFits(t *testing.T) {
	hello := &replica.Hello{Version: replica.Version, Registry: strings.Repeat("r", 16), Clock: math.MaxUint64, Keys: math.MaxUint64}
	for range 16 {
		hello.Wants = append(hello.Wants, crdt.Span{Actor: math.MaxUint64, Ranges: crdt.Ranges{{Lo: math.MaxUint64 - 1, Hi: math.MaxUint64}}})
	}
	data, err := replica.EncodeFrame(nil, hello)
	require.NoError(t, err)
	_, err = replica.DecodeFrame(data)
	require.NoError(t, err)
	hello.Wants = append(hello.Wants, hello.Wants[0])
	more, err := replica.EncodeFrame(nil, hello)
	require.NoError(t, err)
	_, err = replica.DecodeFrame(more)
	require.ErrorIs(t, err, replica.ErrProtocol)
	keys, err := seal.NewKeys("r", [seal.SecretSize]byte{1}, make([]byte, 32))
	require.NoError(t, err)
	_, open := keys.Dial(seal.Nonce{}, "self", "peer", seal.First{Certificate: make([]byte, seal.CertificateSize), Hello: data})
	require.LessOrEqual(t, len(open), minikv.FirstLimit)
}
