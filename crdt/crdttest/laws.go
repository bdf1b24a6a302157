package crdttest

import (
	"bytes"
	"fmt"

	"pgregory.net/rapid"
)

// law is one property of a type, tested on one case.
type law[S any] struct {
	name  string
	check func(*trial[S])
}

func laws[S any](s *Spec[S]) []law[S] {
	all := []law[S]{
		{"equality", equality[S]},
		{"commutative", commutative[S]},
		{"associative", associative[S]},
		{"idempotent", idempotent[S]},
		{"identity", identity[S]},
		{"inflationary", inflationary[S]},
		{"delta", delta[S]},
		{"convergent", convergent[S]},
		{"independent", independent[S]},
	}
	if s.Encode != nil {
		all = append(all, law[S]{"codec", codec[S]})
	}
	if s.Canonical {
		all = append(all, law[S]{"canonical", canonical[S]})
	}
	return all
}

func equality[S any](c *trial[S]) {
	newNetwork(c).triples(func(a, b, other named[S]) {
		c.require(a, named[S]{"Clone(a)", c.spec.clone(a.state)})
		ab, ba := c.equal(a.state, b.state), c.equal(b.state, a.state)
		if ab != ba {
			c.fail(fmt.Sprintf("Equal(a, b) is %t and Equal(b, a) is %t", ab, ba), a, b)
		}
		if ab {
			c.require(named[S]{"Join(a, c)", c.join(a.state, other.state)},
				named[S]{"Join(b, c)", c.join(b.state, other.state)}, a, b, other)
		}
	})
}

func commutative[S any](c *trial[S]) {
	newNetwork(c).pairs(func(a, b named[S]) {
		c.require(named[S]{"Join(a, b)", c.join(a.state, b.state)}, named[S]{"Join(b, a)", c.join(b.state, a.state)}, a, b)
	})
}

func associative[S any](c *trial[S]) {
	newNetwork(c).triples(func(a, b, d named[S]) {
		c.require(named[S]{"Join(Join(a, b), c)", c.join(c.join(a.state, b.state), d.state)},
			named[S]{"Join(a, Join(b, c))", c.join(a.state, c.join(b.state, d.state))}, a, b, d)
	})
}

func idempotent[S any](c *trial[S]) {
	newNetwork(c).pairs(func(a, b named[S]) {
		c.require(named[S]{"Join(a, a)", c.join(a.state, a.state)}, a)
		ab := named[S]{"Join(a, b)", c.join(a.state, b.state)}
		c.require(named[S]{"Join(Join(a, b), b)", c.join(ab.state, b.state)}, ab, a, b)
		c.require(named[S]{"Join(Join(a, b), a)", c.join(ab.state, a.state)}, ab, a, b)
	})
}

func identity[S any](c *trial[S]) {
	n := newNetwork(c)
	i := n.drawReplica("replica")
	empty := named[S]{fmt.Sprintf("New(%d)", i), c.spec.New(i)}
	for _, s := range n.sample() {
		a := named[S]{"a", s}
		c.require(named[S]{"Join(a, " + empty.name + ")", c.join(a.state, empty.state)}, a, empty)
		c.require(named[S]{"Join(" + empty.name + ", a)", c.join(empty.state, a.state)}, a, empty)
	}
}

// lastMutations lets each replica of a network write once more.
func lastMutations[S any](c *trial[S], f func(s, next, delta named[S])) {
	n := newNetwork(c)
	for i, s := range n.replicas {
		next, d := c.mutate(s, i)
		f(named[S]{"s", s}, named[S]{"Mutate(s)", next}, named[S]{"delta", d})
	}
}

func inflationary[S any](c *trial[S]) {
	lastMutations(c, func(s, next, _ named[S]) {
		c.require(named[S]{"Join(s, Mutate(s))", c.join(s.state, next.state)}, next, s)
	})
}

func delta[S any](c *trial[S]) {
	lastMutations(c, func(s, next, d named[S]) {
		c.require(named[S]{"Join(s, delta)", c.join(s.state, d.state)}, next, s, d)
	})
}

func convergent[S any](c *trial[S]) {
	n := newNetwork(c)
	if rapid.Bool().Draw(c.t, "repair by states") {
		n.exchange()
	} else {
		n.redeliver(c.t)
	}
	n.checkConverged()
}

// witness remembers a state, both as a clone and as text, since a clone that shares memory changes along with it.
type witness[S any] struct {
	state S
	copy  S
	text  string
}

func (c *trial[S]) watch(s S) witness[S] {
	return witness[S]{s, c.spec.clone(s), c.spec.Show(s)}
}

// unchanged fails the law if the state of w is not what it was.
func (c *trial[S]) unchanged(w witness[S], why string) {
	if now := c.spec.Show(w.state); now != w.text {
		c.fail(why+": it was "+w.text, named[S]{"now", w.state})
	}
	if !c.equal(w.state, w.copy) {
		c.fail(why, named[S]{"before", w.copy}, named[S]{"now", w.state})
	}
}

// independent hands states over without copying them first, as a user of the type would, and looks whether steps
// taken with one show in another. The steps are those of a replica that is not asked again.
func independent[S any](c *trial[S]) {
	n := newNetwork(c)
	i := n.drawReplica("replica")
	a, b, other := c.watch(n.replicas[i]), c.watch(n.pick("b")), c.watch(n.pick("c"))
	// The original comes first, for it may be the same state as b.
	original := func() { c.unchanged(a, "Clone shares memory with the original, which changes with it") }
	if c.spec.Clone == nil {
		original = func() { c.unchanged(a, "Join or Mutate changes its first argument, though there is no Clone") }
	}
	c.spec.Mutate(c.t, c.spec.clone(a.state), i)
	original()
	s := c.spec.Join(c.spec.clone(a.state), b.state)
	original()
	c.unchanged(b, "Join changes its second argument")

	next, made := c.spec.Mutate(c.t, s, i)
	d := c.watch(made)
	for range rapid.IntRange(1, 3).Draw(c.t, "more") {
		next, _ = c.spec.Mutate(c.t, next, i)
	}
	c.unchanged(d, "the delta changes when its replica writes again: it shares memory with the state")
	c.unchanged(b, "the result of Join shares memory with its second argument, which changes with it")
	c.spec.Join(next, other.state)
	c.unchanged(other, "Join changes its second argument")
	c.unchanged(d, "the delta changes when its replica joins another state: it shares memory with the state")
	c.unchanged(b, "the result of Join shares memory with its second argument, which changes with it")
}

func codec[S any](c *trial[S]) {
	back := func(s named[S]) named[S] {
		return named[S]{"Decode(Encode(" + s.name + "))", c.decode(c.encode(s.state), s.state)}
	}
	newNetwork(c).pairs(func(a, b named[S]) {
		c.require(back(a), a)
		c.require(named[S]{"Join of both decoded", c.join(back(a).state, back(b).state)},
			named[S]{"Join(a, b)", c.join(a.state, b.state)}, a, b)
	})
}

func canonical[S any](c *trial[S]) {
	newNetwork(c).pairs(func(a, b named[S]) {
		c.sameBytesIffEqual(a, b)
		ab, ba := named[S]{"Join(a, b)", c.join(a.state, b.state)}, named[S]{"Join(b, a)", c.join(b.state, a.state)}
		c.sameBytesIffEqual(ab, ba)
		c.sameBytesIffEqual(ab, named[S]{"Decode(Encode(Join(a, b)))", c.decode(c.encode(ab.state), ab.state)})
	})
}

func (c *trial[S]) sameBytesIffEqual(a, b named[S]) {
	x, y := c.encode(a.state), c.encode(b.state)
	if equal := c.equal(a.state, b.state); equal != bytes.Equal(x, y) {
		c.fail(fmt.Sprintf("Equal(%s, %s) is %t, but their bytes are %x and %x", a.name, b.name, equal, x, y), a, b)
	}
}
