package crdttest

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// trial is one case of one law. All calls of the type's functions go through it, so that they are counted and get
// copies where they may change what they get.
type trial[S any] struct {
	t     *rapid.T
	spec  *Spec[S]
	law   string
	tally *tally
	steps []step[S]
}

// step is one line of the story that a failure tells. The text of the state is made only then.
type step[S any] struct {
	what  string
	state S
}

// named is a state and what the failure message calls it.
type named[S any] struct {
	name  string
	state S
}

func (c *trial[S]) note(state S, format string, args ...any) {
	c.steps = append(c.steps, step[S]{fmt.Sprintf(format, args...), state})
}

func (c *trial[S]) equal(a, b S) bool { return c.spec.Equal(a, b) }

// join returns the join of a and b and leaves both as they are.
func (c *trial[S]) join(a, b S) S {
	for _, name := range c.spec.Classify(a, b) {
		c.tally.names[name] = 1
	}
	out := c.spec.Join(c.spec.clone(a), b)
	c.tally.joins++
	switch hasA, hasB := c.equal(out, a), c.equal(out, b); {
	case hasA && hasB:
		c.tally.names["equal"] = 1
	case hasA || hasB:
		c.tally.names["ordered"] = 1
	default:
		c.tally.names["concurrent"] = 1
	}
	return out
}

// mutate lets a replica apply one operation to s, and leaves s as it is.
func (c *trial[S]) mutate(s S, replica int) (next, delta S) {
	next, delta = c.spec.Mutate(c.t, c.spec.clone(s), replica)
	c.tally.mutations++
	if c.equal(s, next) {
		c.tally.noops++
		c.tally.names["no-op"] = 1
	}
	return next, delta
}

// encode and decode fail the law if the type's functions do.
func (c *trial[S]) encode(s S) []byte {
	b, err := c.spec.Encode(s)
	if err != nil {
		c.fail(fmt.Sprintf("Encode fails: %v", err), named[S]{"s", s})
	}
	return b
}

func (c *trial[S]) decode(b []byte, of S) S {
	s, err := c.spec.Decode(b)
	if err != nil {
		c.fail(fmt.Sprintf("Decode of what Encode made fails: %v (bytes %x)", err, b), named[S]{"s", of})
	}
	return s
}

// require fails the law unless two states that it says are equal are so.
func (c *trial[S]) require(a, b named[S], given ...named[S]) {
	if !c.equal(a.state, b.state) {
		c.fail(a.name+" differs from "+b.name, append(given, a, b)...)
	}
}

// fail ends the case. It names the law, then shows the states, then the steps that led to them.
func (c *trial[S]) fail(why string, states ...named[S]) {
	var text strings.Builder
	fmt.Fprintf(&text, "crdttest: law %q is broken: %s", c.law, why)
	width := 0
	for _, s := range states {
		width = max(width, len(s.name))
	}
	for _, s := range states {
		fmt.Fprintf(&text, "\n    %-*s = %s", width, s.name, c.spec.Show(s.state))
	}
	if len(c.steps) > 0 {
		text.WriteString("\n  after these steps")
	}
	for i, s := range c.steps {
		fmt.Fprintf(&text, "\n    %2d. %s: %s", i+1, s.what, c.spec.Show(s.state))
	}
	c.t.Fatalf("%s", text.String())
}
