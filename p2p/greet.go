package p2p

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/record"
)

// Peers that meet greet each other: one sends its topics, the other answers with the
// topics both are in and the addresses of members, and the first then sends the
// addresses it knows. That is how members come to know each other who have only a
// common neighbour, and how a peer behind a limited relay, over which gossipsub does not
// run, is known to be in a topic.
const (
	greetProtocol = "/minikv/greet/1"
	greetTimeout  = 10 * time.Second
	// greetEvery is the mean time between two further greetings with a random peer, and greetCalm
	// the same in keep-alives, where these are rare.
	greetEvery = 10 * time.Minute
	greetCalm  = 20
	// News is gathered for newsDelay, and spread every newsEvery at most: to all peers if
	// there are greetMost or fewer, else to greetSome.
	newsDelay, newsEvery = 500 * time.Millisecond, 5 * time.Second
	greetMost, greetSome = 16, 4
	// maxGreetings bounds the greetings under way that this host began.
	maxGreetings = 8
)

// greeter begins greetings.
type greeter struct {
	h    *Host
	busy chan struct{} // capacity maxGreetings
	mu   sync.Mutex
	with map[peer.ID]bool // under way: true if there is reason for another one
}

func newGreeter(h *Host) *greeter {
	return &greeter{h: h, busy: make(chan struct{}, maxGreetings), with: make(map[peer.ID]bool)}
}

// greet greets the peer soon, unless that is under way.
func (g *greeter) greet(p peer.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, under := g.with[p]; under {
		g.with[p] = true
		return
	}
	g.with[p] = false
	if !g.h.goRun(func() { g.run(p) }) {
		delete(g.with, p)
	}
}

func (g *greeter) run(p peer.ID) {
	for again := true; again; {
		select {
		case g.busy <- struct{}{}:
		case <-g.h.ctx.Done():
			return
		}
		if err := g.h.greet(p); err != nil {
			g.h.log.Debug("greeting failed", "peer", p, "err", err)
		}
		<-g.busy
		g.mu.Lock()
		if again = g.with[p] && g.h.ctx.Err() == nil; again {
			g.with[p] = false
		} else {
			delete(g.with, p)
		}
		g.mu.Unlock()
	}
}

// greets reports whether p understands greetings.
func (h *Host) greets(p peer.ID) bool {
	protos, err := h.host.Peerstore().SupportsProtocols(p, protocol.ID(greetProtocol))
	return err == nil && len(protos) > 0
}

// greet greets a connected peer.
func (h *Host) greet(p peer.ID) error {
	ctx, cancel := context.WithTimeout(h.ctx, greetTimeout)
	defer cancel()
	s, err := h.Open(ctx, p.String(), greetProtocol)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	s.SetDeadline(time.Now().Add(greetTimeout))
	if err := h.tellGreeting(s, h.topicNames(), nil); err != nil {
		return err
	}
	answer, err := h.hearGreeting(s)
	if err != nil {
		return err
	}
	h.takeGreeting(p, answer)
	h.joinedBy(p, answer.Topics, s.s.Conn())
	return h.tellGreeting(s, nil, h.recordsFor(p, answer.Topics))
}

// answerGreeting is the other side of greet.
func (h *Host) answerGreeting(s *Stream) {
	s.SetDeadline(time.Now().Add(greetTimeout))
	p := s.s.Conn().RemotePeer()
	asked, err := h.hearGreeting(s)
	if err != nil {
		return
	}
	var shared []string
	for _, name := range asked.Topics {
		if h.topic(name) != nil {
			shared = append(shared, name)
		}
	}
	h.joinedBy(p, shared, s.s.Conn())
	if h.tellGreeting(s, shared, h.recordsFor(p, asked.Topics)) != nil {
		return
	}
	if last, err := h.hearGreeting(s); err == nil {
		h.takeGreeting(p, last)
	}
}

func (h *Host) tellGreeting(s *Stream, topics []string, records [][]byte) error {
	data, err := (&greeting{Version: greetingVersion, Topics: topics, Records: records}).encode()
	if err != nil {
		return err
	}
	return s.WriteFrame(data)
}

func (h *Host) hearGreeting(s *Stream) (*greeting, error) {
	data, err := s.ReadFrame(maxGreeting)
	if err != nil {
		return nil, err
	}
	g, err := decodeGreeting(data)
	if err != nil {
		h.refuse(s.s.Conn().RemotePeer(), RefusedGreeting, 1, pointsEnvelope)
	}
	return g, err
}

// topicNames are the topics that are joined.
func (h *Host) topicNames() (out []string) {
	h.topics.Range(func(name, _ any) bool {
		out = append(out, name.(string))
		return len(out) < maxGreetingTopics
	})
	return out
}

// recordsFor are the signed records to tell p: this host's own and, of some of those who
// are in one of the topics, theirs. A host that dials named addresses only tells its own,
// and so does one to which each byte is dear.
func (h *Host) recordsFor(p peer.ID, topics []string) [][]byte {
	var out [][]byte
	if own := h.ownRecord(); own != nil {
		out = append(out, own)
	}
	if h.gate.strict || len(topics) == 0 {
		return out
	}
	most := maxGreetingRecords
	if h.isLimited(p) {
		most = 4
	}
	seen := map[peer.ID]bool{p: true, h.id: true}
	proved := h.isProved(p)
	for _, name := range topics {
		if !proved && h.topic(name) != nil {
			continue // who knows the name of a topic that is not joined here has not learnt it here
		}
		for _, q := range h.subscribers(name) {
			if seen[q] || len(out) >= most {
				continue
			}
			seen[q] = true
			if r := h.book.record(q); r != nil {
				out = append(out, r)
			}
		}
	}
	return out
}

// subscribers are the connected peers in a topic, in random order; it need not be joined
// here, so that a host can bring together those whom it relays for.
func (h *Host) subscribers(name string) []peer.ID {
	var out []peer.ID
	if t := h.topic(name); t != nil {
		out = t.members()
	} else {
		out = h.subs.in(name)
	}
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// ownRecord signs where this host can be reached.
func (h *Host) ownRecord() []byte {
	addrs := h.host.Addrs()
	rec := peer.PeerRecordFromAddrInfo(peer.AddrInfo{ID: h.id, Addrs: addrs[:min(len(addrs), maxBookAddrs)]})
	env, err := record.Seal(rec, h.cfg.Identity)
	if err != nil {
		return nil
	}
	data, err := env.Marshal()
	if err != nil {
		return nil
	}
	return data
}

// takeGreeting learns the addresses in a greeting, and meets the members named in it.
func (h *Host) takeGreeting(from peer.ID, g *greeting) {
	if h.gate.strict {
		return
	}
	for _, data := range g.Records {
		p, news, err := h.book.learn(data)
		switch {
		case err != nil:
			h.refuse(from, RefusedGreeting, 1, pointsEnvelope)
			return
		case p != "" && p != from:
			h.meet(p, news)
		}
	}
}

// joinedBy notes the topics that p shares, as it says. Where gossip runs, gossip itself
// says so, and takes it back.
func (h *Host) joinedBy(p peer.ID, topics []string, c network.Conn) {
	if !c.Stat().Limited {
		return
	}
	h.topics.Range(func(name, t any) bool {
		in := slices.Contains(topics, name.(string))
		if in {
			h.noteMember(p)
		}
		t.(*Topic).tellLimited(p, in)
		return true
	})
}

// isLimited reports whether all connections to p are limited ones.
func (h *Host) isLimited(p peer.ID) bool {
	return h.host.Network().Connectedness(p) == network.Limited
}

// greetNow and then greets a random peer, for the case that there is news.
func (h *Host) greetNowAndThen() {
	every := max(greetEvery, greetCalm*h.cfg.KeepAlive)
	for h.ctx.Err() == nil {
		sleep(h.ctx, every*3/4+rand.N(every/2))
		peers := h.host.Network().Peers()
		rand.Shuffle(len(peers), func(i, j int) { peers[i], peers[j] = peers[j], peers[i] })
		for _, p := range peers {
			if h.greets(p) {
				h.greeter.greet(p)
				break
			}
		}
	}
}

// spreadNews greets peers when somebody has subscribed to a topic: those who were here
// before do not know of it, and one behind a router has to be the one that dials.
func (h *Host) spreadNews() {
	for {
		select {
		case <-h.subs.news:
		case <-h.ctx.Done():
			return
		}
		sleep(h.ctx, newsDelay/2+rand.N(newsDelay)) // several come at a time
		drain(h.subs.news)
		h.greetAll()
		sleep(h.ctx, newsEvery)
	}
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// greetAll greets connected peers because there is news: all if they are few, else some,
// and the news spreads.
func (h *Host) greetAll() {
	peers := h.host.Network().Peers()
	most := greetMost
	if len(peers) > greetMost {
		most = greetSome
	}
	rand.Shuffle(len(peers), func(i, j int) { peers[i], peers[j] = peers[j], peers[i] })
	for _, p := range peers {
		if most > 0 && (!h.gate.strict || h.isLimited(p)) && h.greets(p) {
			h.greeter.greet(p)
			most--
		}
	}
}
