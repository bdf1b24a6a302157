package crdttest

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"
)

// network is a few replicas and what is under way between them. Its states and deltas are those on which the
// laws are tested: nothing that the type cannot come to by itself.
type network[S any] struct {
	*trial[S]
	replicas []S
	flying   []message[S] // in the order of sending
	lost     []message[S]
	deltas   []S // all of them, in the order of their making
	pool     []S // every state and delta so far, beginning with an empty state
}

type message[S any] struct {
	number   int // of the mutation, from 1
	from, to int
	delta    S
}

// newNetwork draws a network and lets it run for a random number of steps.
func newNetwork[S any](c *trial[S]) *network[S] {
	n := &network[S]{trial: c}
	for i := range rapid.IntRange(2, c.spec.Replicas).Draw(c.t, "replicas") {
		n.replicas = append(n.replicas, c.spec.New(i))
	}
	n.pool = append(n.pool, c.spec.New(0))
	c.t.Repeat(map[string]func(*rapid.T){
		"mutate": n.mutateOne, "mutate too": n.mutateOne, // else nothing would be under way most of the time
		"deliver": n.deliverOne, "deliver and keep": n.deliverTwice, "lose": n.loseOne, "send state": n.sendState,
	})
	return n
}

func (n *network[S]) drawReplica(label string) int {
	return rapid.IntRange(0, len(n.replicas)-1).Draw(n.t, label)
}

// pick draws one of the states and deltas so far.
func (n *network[S]) pick(label string) S {
	return n.pool[rapid.IntRange(0, len(n.pool)-1).Draw(n.t, label)]
}

// sample returns what the laws are tested on in one case: the present states of all replicas, and two of all
// states and deltas so far. Before that some replicas write once more, so that states have usually grown apart.
func (n *network[S]) sample() []S {
	for i := range n.replicas {
		if rapid.Bool().Draw(n.t, "writes once more") {
			n.mutateBy(i)
		}
	}
	return append(slices.Clone(n.replicas), n.pick("sample"), n.pick("sample"))
}

// pairs calls f with each two states of a sample.
func (n *network[S]) pairs(f func(a, b named[S])) {
	all := n.sample()
	for i := range all {
		for j := range i {
			f(named[S]{"a", all[j]}, named[S]{"b", all[i]})
		}
	}
}

// triples calls f with each three states of a sample.
func (n *network[S]) triples(f func(a, b, c named[S])) {
	all := n.sample()
	for i := range all {
		for j := range i {
			for k := range j {
				f(named[S]{"a", all[k]}, named[S]{"b", all[j]}, named[S]{"c", all[i]})
			}
		}
	}
}

func (n *network[S]) mutateOne(*rapid.T) { n.mutateBy(n.drawReplica("replica")) }

func (n *network[S]) mutateBy(i int) {
	next, delta := n.mutate(n.replicas[i], i)
	n.deltas = append(n.deltas, delta)
	n.note(delta, "replica %d writes, delta %d", i, len(n.deltas))
	n.replicas[i] = next
	n.pool = append(n.pool, next, delta)
	for j := range n.replicas {
		if j != i {
			n.flying = append(n.flying, message[S]{number: len(n.deltas), from: i, to: j, delta: delta})
		}
	}
}

// draw returns one of the messages under way, any of them: that is what reorders them.
func (n *network[S]) draw(t *rapid.T) int {
	if len(n.flying) == 0 {
		t.Skip("nothing under way")
	}
	return rapid.IntRange(0, len(n.flying)-1).Draw(t, "message")
}

func (n *network[S]) deliverOne(t *rapid.T) {
	i := n.draw(t)
	m := n.flying[i]
	if slices.ContainsFunc(n.flying[:i], func(o message[S]) bool { return o.from == m.from && o.to == m.to }) {
		n.tally.reordered++
	}
	n.flying = slices.Delete(n.flying, i, i+1)
	n.deliver(m)
}

func (n *network[S]) deliverTwice(t *rapid.T) {
	n.deliver(n.flying[n.draw(t)])
	n.tally.repeated++
}

func (n *network[S]) loseOne(t *rapid.T) {
	i := n.draw(t)
	n.lost = append(n.lost, n.flying[i])
	n.flying = slices.Delete(n.flying, i, i+1)
	n.tally.lost++
}

func (n *network[S]) sendState(t *rapid.T) {
	from, to := n.drawReplica("from"), n.drawReplica("to")
	if from == to {
		t.Skip("to itself")
	}
	n.send(from, to)
}

func (n *network[S]) send(from, to int) {
	n.receive(to, n.replicas[from])
	n.note(n.replicas[to], "replica %d receives the state of replica %d and holds", to, from)
}

func (n *network[S]) deliver(m message[S]) {
	n.tally.delivered++
	n.receive(m.to, m.delta)
	n.note(n.replicas[m.to], "replica %d receives delta %d and holds", m.to, m.number)
}

// receive joins what arrives, over the wire if the type has one.
func (n *network[S]) receive(to int, s S) {
	if n.spec.Encode != nil {
		s = n.decode(n.encode(s), s)
	}
	n.replicas[to] = n.join(n.replicas[to], s)
	n.pool = append(n.pool, n.replicas[to])
}

// redeliver delivers all that is under way or was lost, in any order.
func (n *network[S]) redeliver(t *rapid.T) {
	n.flying = append(n.flying, n.lost...)
	for len(n.flying) > 0 {
		n.deliverOne(t)
	}
}

// exchange loses all that is under way and repairs it by whole states: one replica hears all others, then
// all others hear it.
func (n *network[S]) exchange() {
	n.tally.lost += len(n.flying)
	n.flying = nil
	center := n.drawReplica("center")
	for _, way := range []func(i int){
		func(i int) { n.send(i, center) },
		func(i int) { n.send(center, i) },
	} {
		for i := range n.replicas {
			if i != center {
				way(i)
			}
		}
	}
}

// checkConverged fails the law unless all replicas hold the join of all deltas.
func (n *network[S]) checkConverged() {
	want := named[S]{"join of all deltas", n.spec.New(0)}
	for _, d := range n.deltas {
		want.state = n.join(want.state, d)
	}
	first := named[S]{"replica 0", n.replicas[0]}
	for i, s := range n.replicas[1:] {
		n.require(first, named[S]{fmt.Sprintf("replica %d", i+1), s}, want)
	}
	n.require(first, want)
}
