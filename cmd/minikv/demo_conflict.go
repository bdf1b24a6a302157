package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minikv/minikv"
)

// conflict is one key that both sides of the partition had their way with.
type conflict struct {
	key, what string
	claims    []claim
}

// claim is what one side did to a key.
type claim struct {
	city  *city
	value string // "" for a delete
	del   bool
	rev   minikv.Revision // zero for a delete: it has none to show
	at    time.Time
	lease *minikv.Lease
	token minikv.Token
}

type act func(context.Context) (claim, error)

func (d *demo) put(c *city, key, value string) act {
	return func(ctx context.Context) (claim, error) {
		rev, err := c.reg.Put(ctx, key, []byte(value))
		if err == nil {
			d.say("%-10s writes  %s = %q", c.name, key, value)
		}
		return claim{city: c, value: value, rev: rev, at: rev.Time()}, err
	}
}

func (d *demo) del(c *city, key string) act {
	return func(ctx context.Context) (claim, error) {
		at := time.Now()
		err := c.reg.Delete(ctx, key)
		if err == nil {
			d.say("%-10s deletes %s", c.name, key)
		}
		return claim{city: c, del: true, at: at}, err
	}
}

// conflict has one side act and then the other, which has not heard of it.
func (d *demo) conflict(ctx context.Context, key, what string, acts ...act) error {
	if _, err := d.mesh.cities[0].reg.Get(ctx, key); err != nil {
		return fmt.Errorf("the data has no %s for the tour: %w", key, err)
	}
	cs := conflict{key: key, what: what}
	for _, a := range acts {
		if a == nil {
			continue
		}
		if err := d.nextTick(ctx); err != nil {
			return err
		}
		cl, err := a(ctx)
		if err != nil {
			return err
		}
		cs.claims = append(cs.claims, cl)
	}
	d.cases = append(d.cases, cs)
	return nil
}

// nextTick waits until the clocks show another millisecond than for whatever was done before: a tie would be decided by who the
// writer is, which is not what the tour shows.
func (d *demo) nextTick(ctx context.Context) error {
	start := time.Now()
	return d.mesh.await(ctx, "the next millisecond", func() bool { return time.Since(start) > 2*time.Millisecond })
}

type verdict struct{ now, why string }

// judge reads the key on every node, demands that all say the same, and explains it by what each side did.
func (d *demo) judge(ctx context.Context, cs conflict) (v verdict, err error) {
	for i, c := range d.mesh.cities {
		e, err := c.reg.Get(ctx, cs.key)
		if err != nil && !errors.Is(err, minikv.ErrNotFound) {
			return v, err
		}
		one := cs.explain(e, err == nil)
		if i > 0 && one != v {
			return v, fmt.Errorf("%s says %s is %s, %s says %s; please report this", c.name, cs.key, one.now, d.mesh.cities[0].name, v.now)
		}
		v = one
	}
	return v, nil
}

// explain says which claim the entry is of, and by which rule it won.
func (cs conflict) explain(e minikv.Entry, present bool) verdict {
	v := verdict{now: "deleted"}
	win := -1
	for i, cl := range cs.claims {
		if (cl.del && !present) || (!cl.del && present && e.Rev == cl.rev && e.Writer == cl.city.node.ID()) {
			win = i
		}
	}
	if present {
		v.now = fmt.Sprintf("%q", e.Value)
	}
	switch {
	case win < 0:
		v.why = "by none of the writes; please report this"
	case len(cs.claims) == 1:
		v.why = fmt.Sprintf("%s deleted it, and who had not heard of that wrote nothing: a delete does not come back", cs.claims[0].city.name)
	default:
		v.why = cs.rule(cs.claims[win], cs.claims[1-win])
	}
	return v
}

// rule is the first part of the order in which the two differ: token, then time, then writer.
func (cs conflict) rule(won, lost claim) string {
	switch {
	case won.token.Compare(lost.token) != 0:
		return fmt.Sprintf("%s claimed the lock first, so its token is the higher one (%s over %s): the later write of %s loses by it",
			won.city.name, short(won.token), short(lost.token), lost.city.name)
	case won.at.After(lost.at):
		verb := "wrote"
		if won.del {
			verb = "deleted"
		}
		return fmt.Sprintf("%s %s later, by %s of the hybrid clock", won.city.name, verb, won.at.Sub(lost.at).Round(time.Millisecond))
	}
	return fmt.Sprintf("both in the same millisecond: the writer with the higher number wins, %s", won.city.name)
}
