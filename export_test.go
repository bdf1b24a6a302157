package minikv

import (
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/p2p"
	"github.com/minikv/minikv/replica"
	"github.com/minikv/minikv/store"
)

// NewRand is for a test of it; the others are for tests that speak to a node without the library.
var (
	TopicOf    = topicOf
	RegistryID = registryID
	NewRand    = newRand
)

// FirstLimit bounds the first frame of an exchange.
const FirstLimit = firstLimit

// Tuned lets a node open its store with other options.
func Tuned(cfg Config, tune func(*store.Options)) Config {
	cfg.tune = tune
	return cfg
}

// Refuse has a node hold something against a peer.
func Refuse(n *Node, id PeerID, points float64) { n.host.Refuse(string(id), RefusedForged, 1, points) }

// Diagnose is what doctor says of a network, by name.
func Diagnose(s p2p.State) map[string]Check {
	d := &doctor{n: &Node{}}
	d.network(s)
	out := map[string]Check{}
	for _, c := range d.checks {
		out[c.Name] = c
	}
	return out
}

var DigestKeyOf = digestKeyOf

// Turns shares out what exchanges take of a node.
type Turns struct{ t *turns }

// Seat is a place among exchanges.
type Seat = seat

var ErrBusy = errBusy

// SeatsMost is how many seats there are.
const SeatsMost = seatsMost

func NewTurns(lanes int) *Turns {
	t := &Turns{newTurns()}
	t.t.lanes = lanes
	return t
}

func (t *Turns) Take(holder, peer string, cut func()) (*Seat, error) {
	return t.t.take(payer{holder, PeerID(peer)}, cut, nil)
}

// TakeUntil is Take for an exchange that is given up when ending is closed.
func (t *Turns) TakeUntil(holder, peer string, ending <-chan struct{}) (*Seat, error) {
	return t.t.take(payer{holder, PeerID(peer)}, func() {}, ending)
}

func (t *Turns) Leave(s *Seat) { t.t.leave(s) }

func (t *Turns) Step(holder, peer string, on *Seat, fn func()) {
	t.t.step(payer{holder, PeerID(peer)}, on, fn)
}

func (t *Turns) Pay(holder, peer string, took time.Duration) {
	t.t.pay(payer{holder, PeerID(peer)}, took)
}

func (t *Turns) Trust(peer string) { t.t.trust(PeerID(peer)) }

func (t *Turns) Distrust(peer string) { t.t.distrust(PeerID(peer)) }

func (t *Turns) Delay(peer string) time.Duration { return t.t.delay(peer) }

func (t *Turns) Accounts() int { return len(t.t.accounts) }

func (t *Turns) Cost(holder, peer string) time.Duration {
	return time.Duration(t.t.cost(payer{holder, PeerID(peer)}.whole(), working, t.t.now()))
}

// HoldRenewal acts as if the node's store were being renewed, until letGo is called.
func HoldRenewal(n *Node) (letGo func()) {
	n.renewing.Lock()
	return n.renewing.Unlock
}

// WriteKeys makes a node write the keys of its registries by another function, which gets the real one.
func WriteKeys(n *Node, write func(path string, content []byte, real func(string, []byte) error) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.keyring.write = func(path string, content []byte) error { return write(path, content, writeFile) }
}

// CloseHost ends a node's network alone.
func CloseHost(n *Node) error { return n.host.Close() }

// OccupyTopic takes the topic of a ticket's keys, so that the node cannot join it until letGo is called.
func OccupyTopic(n *Node, text string) (letGo func() error, err error) {
	t, err := decodeTicket(text)
	if err != nil {
		return nil, err
	}
	m, err := newMembership(t, n.id)
	if err != nil {
		return nil, err
	}
	topic, err := n.host.JoinTopic(m.keys.Topic(), func(p2p.Message) p2p.Verdict { return p2p.Ignore })
	if err != nil {
		return nil, err
	}
	return topic.Close, nil
}

// Meet acts as if a peer had said hello in an exchange, and, if verified, as if it had ended equal.
func Meet(r *Registry, id PeerID, verified bool) {
	at := r.node.instant()
	r.noteHello(id, &replica.Hello{Wall: hlc.FromTime(at.Wall)}, at)
	r.noteExchange(id, SyncStats{}, verified)
}

// MaxPeerRecords is how many peers a registry remembers.
const MaxPeerRecords = maxPeerRecords
