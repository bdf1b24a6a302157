package hostile

import (
	"context"
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// attacker is a host that says whatever it likes.
type attacker struct {
	ctx   context.Context
	order *Order
	tally *tally
	rnd   *rand.Rand
	key   ed25519.PrivateKey
	host  host.Host
	id    peer.ID
	nodes []peer.AddrInfo

	mu     sync.Mutex
	begun  bool
	topics map[string]bool // that nodes have told
	heard  []heard         // gossip, the latest last
	news   chan struct{}   // closed and replaced when something was heard
	answer func(*pipe)     // for streams that nodes open; nil: they are left alone
}

// heard is a gossip message that came.
type heard struct {
	topic string
	data  []byte
}

// maxHeard bounds the messages that are kept.
const maxHeard = 4096

func newAttacker(ctx context.Context, o *Order, t *tally, rnd *rand.Rand) (*attacker, error) {
	a := &attacker{ctx: ctx, order: o, tally: t, rnd: rnd, topics: map[string]bool{}, news: make(chan struct{})}
	for _, addr := range o.Nodes {
		info, err := peer.AddrInfoFromString(addr)
		if err != nil {
			return nil, err
		}
		a.nodes = append(a.nodes, *info)
	}
	return a, a.rename()
}

// rename takes a fresh identity.
func (a *attacker) rename() error {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(a.rnd.Uint32())
	}
	a.key = ed25519.NewKeyFromSeed(seed)
	key, err := crypto.UnmarshalEd25519PrivateKey(a.key)
	if err != nil {
		return err
	}
	if a.host, err = libp2p.New(libp2p.Identity(key), libp2p.NoListenAddrs, libp2p.Transport(tcp.NewTCPTransport), libp2p.DisableMetrics()); err != nil {
		return err
	}
	a.id = a.host.ID()
	a.host.SetStreamHandler(gossipProtocol, a.hearGossip)
	a.host.SetStreamHandler(syncProtocol, func(s network.Stream) {
		a.mu.Lock()
		answer := a.answer
		a.mu.Unlock()
		if p := a.pipe(s, "dialled by a node"); answer != nil {
			answer(p)
		}
	})
	return nil
}

func (a *attacker) close() { _ = a.host.Close() }

// sent counts a hostile message.
func (a *attacker) sent(kind string) {
	a.tally.mu.Lock()
	a.tally.sent[kind]++
	a.tally.mu.Unlock()
	a.ready()
}

// ready says that the attacker has begun: it has sent something, or waits for nodes to send it what it needs.
func (a *attacker) ready() {
	t := a.tally
	t.mu.Lock()
	all := false
	if !a.begun {
		a.begun = true
		t.waiting--
		all = t.waiting == 0
	}
	t.mu.Unlock()
	if all {
		t.begun()
	}
}

var errTurnedAway = errors.New("hostile: turned away")

// connect connects to a node. It fails at once if the node does not take it.
func (a *attacker) connect(n peer.AddrInfo) error {
	ctx, cancel := context.WithTimeout(a.ctx, 10*time.Second)
	defer cancel()
	return a.host.Connect(network.WithForceDirectDial(ctx, "attack"), n)
}

// isConnected says whether there is a connection to the node.
func (a *attacker) isConnected(n peer.AddrInfo) bool {
	return a.host.Network().Connectedness(n.ID) == network.Connected
}

// pause waits, and says whether to go on.
func (a *attacker) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-a.ctx.Done():
		return false
	}
}

// pace is the time between two messages of an attacker that floods.
const pace = 4 * time.Millisecond

// rounds attacks all nodes at the same time: it connects to each, and again when it was cut, and calls step for it until
// that fails. Steps of one node are called one after the other.
func (a *attacker) rounds(begin func(peer.AddrInfo) (step func() error, err error)) error {
	var all sync.WaitGroup
	for _, n := range a.nodes {
		all.Go(func() {
			for first := true; a.ctx.Err() == nil; first = false {
				if !first && !a.pause(100*time.Millisecond) {
					return
				}
				if err := a.connect(n); err != nil {
					a.tally.note("not connected")
					continue
				}
				step, err := begin(n)
				for err == nil && a.pause(pace) {
					err = step()
				}
				if err != nil {
					a.tally.note("cut")
				}
			}
		})
	}
	all.Wait()
	return nil
}

// noise is n random bytes.
func (a *attacker) noise(n int) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(a.rnd.Uint32())
	}
	return b
}

// pick is a random number below n.
func (a *attacker) pick(n int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rnd.IntN(n)
}
