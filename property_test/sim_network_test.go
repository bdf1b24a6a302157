package property_test

import (
	"errors"
	"slices"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/replica"
)

// link joins two nodes of the overlay. Each direction may be dark: what is sent
// into it vanishes.
type link struct {
	ends [2]*node
	dark [2]int         // from ends[i] to the other: how many partitions lie in between
	told [2][2]*process // by ends[i], last: which processes it was told are connected
}

func (l *link) other(n *node) *node { return l.ends[1-l.side(n)] }

func (l *link) side(n *node) int {
	if l.ends[0] == n {
		return 0
	}
	return 1
}

// connect adds a link, unless there is one.
func (w *world) connect(a, b *node) {
	if a != b && w.between(a, b) == nil {
		w.links = append(w.links, &link{ends: [2]*node{a, b}})
	}
}

func (w *world) between(a, b *node) *link {
	for _, l := range w.links {
		if (l.ends[0] == a && l.ends[1] == b) || (l.ends[0] == b && l.ends[1] == a) {
			return l
		}
	}
	return nil
}

func (w *world) linksOf(n *node) (ls []*link) {
	for _, l := range w.links {
		if l.ends[0] == n || l.ends[1] == n {
			ls = append(ls, l)
		}
	}
	return ls
}

// isDark says whether what from sends to its neighbour vanishes.
func (w *world) isDark(from, to *node) bool {
	l := w.between(from, to)
	return l == nil || l.dark[l.side(from)] > 0
}

// relink has the ends of a node's links notice, after a while, who can be
// reached. A one-way partition is not noticed.
func (w *world) relink(n *node) {
	for _, l := range w.linksOf(n) {
		for side := range l.ends {
			w.after(w.exp(200*time.Millisecond), func() { w.notice(l, side) })
		}
	}
}

func (w *world) notice(l *link, side int) {
	here, there := l.ends[side].proc, l.ends[1-side].proc
	if here == nil {
		l.told[side] = [2]*process{}
		return
	}
	up := there != nil && !(l.dark[0] > 0 && l.dark[1] > 0) && slices.Contains(w.links, l)
	was := l.told[side]
	if was[0] == here && was[1] != nil && (!up || was[1] != there) {
		w.tell("%s is told that %s is gone", here.name, l.ends[1-side].name)
		here.rep.PeerDown(l.ends[1-side].name)
		l.told[side] = [2]*process{}
	}
	if up && l.told[side] != [2]*process{here, there} {
		w.tell("%s is told that %s is there", here.name, there.name)
		if !here.reader || !there.reader { // two readers have nothing for each other
			here.rep.PeerUp(here.instant(), there.name)
		}
		l.told[side] = [2]*process{here, there}
	}
	here.settle()
}

// message is a gossip message on its way.
type message struct {
	number int
	author string
	data   []byte // in worlds where everything travels as bytes
	delta  *replica.Delta
	sent   time.Duration
}

func (m *message) decode(w *world) *replica.Delta {
	if m.data == nil {
		return m.delta
	}
	d, err := replica.DecodeDelta(m.data)
	w.must(err)
	return d
}

// flush publishes what a process has not sent yet.
func (p *process) flush() {
	p.publish = false
	if p.dead || !p.rep.Pending() {
		return
	}
	w := p.w
	p.syncFirst()
	if len(p.rep.Peers()) == 0 {
		p.rep.Skip()
		return
	}
	for d := p.rep.Outbox(); d != nil; d = p.rep.Outbox() {
		w.msgs++
		m := &message{number: w.msgs, author: p.name, delta: d, sent: w.now}
		if len(d.Announced) > 0 {
			w.tally[cBig]++
		}
		if w.plan.codec {
			var err error
			m.data, err = replica.EncodeDelta(nil, d)
			w.must(err)
		}
		w.note("publish", p.index, uint64(d.Actor), d.Seqs.Max(), uint64(len(d.Entries)))
		w.tell("%s publishes message %d: %d entries, seqs %v of %s, announced %v", p.name, m.number, len(d.Entries), d.Seqs, d.Actor, d.Announced)
		p.heard[m.number] = true
		p.forward(m, nil)
	}
}

// forward floods a message to all neighbours but the one it came from.
func (p *process) forward(m *message, via *node) {
	for _, l := range p.w.linksOf(p.node) {
		if to := l.other(p.node); to != via {
			p.w.hop(m, p.node, to)
		}
	}
}

// hop sends a message to a neighbour, who may not get it, or get it twice.
func (w *world) hop(m *message, from, to *node) {
	w.tally[cMessages]++
	if w.isDark(from, to) {
		w.tally[cDark]++
		return
	}
	if w.chance(w.plan.loss) {
		w.tally[cLoss]++
		return
	}
	sent := w.now
	w.after(w.exp(w.plan.delay), func() { w.deliver(m, from, to, sent, false) })
	if w.chance(w.plan.replay) {
		w.after(w.exp(20*w.plan.delay), func() { w.deliver(m, from, to, sent, true) })
	}
}

func (w *world) deliver(m *message, from, to *node, sent time.Duration, again bool) {
	p := to.proc
	if p == nil || w.isDark(from, to) {
		return
	}
	if again {
		w.tally[cReplay]++
	} else if p.heard[m.number] {
		return
	}
	if sent < p.latest[from] {
		w.tally[cReorder]++
	}
	p.latest[from] = max(p.latest[from], sent)
	p.heard[m.number] = true
	receipt := p.rep.Receive(p.instant(), m.author, from.name, m.decode(w))
	w.note("receive", p.index, uint64(m.number), uint64(receipt.Stored))
	w.tell("%s receives message %d of %s through %s: %d stored, refused: %v", p.name, m.number, m.author, from.name, receipt.Stored, receipt.Refused)
	p.settle()
	switch {
	case receipt.Refused == nil:
		if !again {
			p.forward(m, from)
		}
	case errors.Is(receipt.Refused, hlc.ErrSkew):
		w.tally[cSkewed]++
	default:
		w.fail("%s refuses message %d: %v", p.name, m.number, receipt.Refused)
	}
}
