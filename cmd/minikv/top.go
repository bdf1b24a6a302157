package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv/server/admin"
)

const topHelp = `Show live what the node holds and does: registries, rates, locks, peers and their clocks. It asks the node once in --interval, and ends with q or Ctrl-C.

Where standard output is no terminal the view is printed again and again instead. --once prints it once, after one interval. -o json prints an object a line.
Rates are per second since the line before: of all registries together at the top, and of each; "merged" are entries of other nodes that were stored here.`

// minTopInterval keeps a mistyped interval from keeping the node busy.
const minTopInterval = 100 * time.Millisecond

func newTop(a *app) *cobra.Command {
	var once bool
	var interval time.Duration
	c := &cobra.Command{
		Use: "top", GroupID: "node", Args: takes(),
		Short: "Show live what the node holds and does",
		Long:  topHelp,
		Example: `  minikv top
  minikv top --once -o json | jq '.registries[] | {name, rates}'`,
	}
	c.Flags().BoolVar(&once, "once", false, "print one view and end")
	c.Flags().DurationVar(&interval, "interval", time.Second, "time between two looks at the node")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if interval < minTopInterval {
			return usagef("--interval %s: it can be %s or more", interval, minTopInterval)
		}
		cl, err := a.client()
		if err != nil {
			return err
		}
		defer cl.Close()
		t := &top{app: a, client: cl, interval: interval}
		switch {
		case once:
			return t.once(c.Context())
		case a.tty && !a.isJSON():
			return t.live(c.Context())
		}
		return t.follow(c.Context())
	}
	return c
}

// top looks at a node again and again.
type top struct {
	app      *app
	client   *admin.Client
	interval time.Duration

	last     admin.Status // zero: none yet
	lastSeen time.Time
}

// view is the node at one moment, and what it did since the moment before.
type view struct {
	Time       time.Time      `json:"time"`
	Node       string         `json:"node"`
	Name       string         `json:"name,omitempty"`
	Version    string         `json:"version"`
	Up         admin.Duration `json:"up"`
	Storage    string         `json:"storage"`
	Over       admin.Duration `json:"over"` // time that the rates are taken over
	Rates      rates          `json:"rates"`
	Bytes      int64          `json:"bytes"` // keys and values held
	DiskBytes  int64          `json:"disk_bytes,omitempty"`
	Locks      int64          `json:"locks"` // live, in the first 32 registries
	Overlaps   uint64         `json:"overlaps"`
	Refused    uint64         `json:"refused"` // since the start of the node
	SkewMax    admin.Duration `json:"clock_skew_max"`
	Registries []registryView `json:"registries"`
	Peers      []admin.Peer   `json:"peers"`
}

// registryView is one registry, and what it did since the moment before.
type registryView struct {
	admin.Registry
	Rates registryRates `json:"rates"`
}

// registryRates are per second.
type registryRates struct {
	Puts    float64 `json:"puts"`
	Deletes float64 `json:"deletes"`
	Merged  float64 `json:"merged"`
	Expired float64 `json:"expired"`
}

// rates are per second.
type rates struct {
	Puts    float64 `json:"puts"`
	Deletes float64 `json:"deletes"`
	Merged  float64 `json:"merged"`
	Expired float64 `json:"expired"`
	Syncs   float64 `json:"syncs"`
	In      float64 `json:"bytes_in"`
	Out     float64 `json:"bytes_out"`
}

// look asks the node. The first view has no rates.
func (t *top) look(ctx context.Context) (view, error) {
	if t.app.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.app.timeout)
		defer cancel()
	}
	s, err := t.client.Status(ctx)
	if err != nil {
		return view{}, err
	}
	now := time.Now()
	v := view{
		Time: now.UTC(), Node: s.Node, Name: s.Name, Version: s.Version, Up: admin.Duration(now.Sub(s.Started).Round(time.Second)), Storage: s.Storage,
		Bytes: s.Metrics.Bytes, DiskBytes: s.Metrics.DiskBytes, Locks: t.locks(ctx, s), Overlaps: s.Metrics.Overlaps, Refused: s.Metrics.Refused,
		SkewMax: s.Metrics.ClockSkewMax, Registries: make([]registryView, 0, len(s.Registries)), Peers: s.Peers,
	}
	for _, r := range s.Registries {
		v.Registries = append(v.Registries, registryView{Registry: r})
	}
	if t.last.Started.Equal(s.Started) { // else it has been started again, and counts from zero
		v.Over = admin.Duration(now.Sub(t.lastSeen))
		v.Rates = ratesOf(t.last, s, now.Sub(t.lastSeen))
		v.rateRegistries(t.last.Registries, now.Sub(t.lastSeen))
	}
	t.last, t.lastSeen = s, now
	return v, nil
}

// maxTopLocks is in how many registries the locks are counted: each is a call.
const maxTopLocks = 32

// locks counts the live ones. The node's own count has those that are over as well, until they are forgotten.
func (t *top) locks(ctx context.Context, s admin.Status) (n int64) {
	if s.Metrics.Leases == 0 {
		return 0
	}
	for _, r := range s.Registries[:min(len(s.Registries), maxTopLocks)] {
		held, err := t.client.Locks(ctx, r.Name)
		if err == nil { // else it has been closed a moment ago
			n += int64(len(held))
		}
	}
	return n
}

// perSecond is the rate of a count that went from one value to another; zero where it began anew.
func perSecond(from, to uint64, d time.Duration) float64 {
	return float64(to-min(from, to)) / d.Seconds()
}

// rateRegistries works out the rates of those that were there before.
func (v *view) rateRegistries(before []admin.Registry, d time.Duration) {
	for i := range v.Registries {
		r := &v.Registries[i]
		at := slices.IndexFunc(before, func(b admin.Registry) bool { return b.Name == r.Name })
		if at < 0 {
			continue
		}
		was := before[at]
		r.Rates = registryRates{
			Puts: perSecond(was.Puts, r.Puts, d), Deletes: perSecond(was.Deletes, r.Deletes, d),
			Merged: perSecond(was.Merged, r.Merged, d), Expired: perSecond(was.Expired, r.Expired, d),
		}
	}
}

func ratesOf(a, b admin.Status, d time.Duration) rates {
	per := func(from, to uint64) float64 { return perSecond(from, to, d) }
	in := func(s admin.Status) (in, out uint64) {
		for _, p := range s.Peers {
			in, out = in+uint64(p.BytesIn), out+uint64(p.BytesOut)
		}
		return in, out
	}
	inA, outA := in(a)
	inB, outB := in(b)
	m, n := a.Metrics, b.Metrics
	return rates{
		Puts: per(m.Puts, n.Puts), Deletes: per(m.Deletes, n.Deletes), Merged: per(m.Merged, n.Merged), Expired: per(m.Expired, n.Expired),
		Syncs: per(m.Syncs, n.Syncs), In: per(inA, inB), Out: per(outA, outB),
	}
}

// each calls f with a view after each interval, until f or ctx ends it.
func (t *top) each(ctx context.Context, f func(view) error) error {
	if _, err := t.look(ctx); err != nil {
		return err
	}
	tick := time.NewTicker(t.interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		v, err := t.look(ctx)
		if err == nil {
			err = f(v)
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
	}
}

var errTopDone = errors.New("done")

func (t *top) once(ctx context.Context) error {
	err := t.each(ctx, func(v view) error { return errors.Join(t.print(v), errTopDone) })
	if errors.Is(err, errTopDone) {
		err = nil
	}
	return err
}

// follow prints view after view, for pipes and files. To interrupt it is its normal end.
func (t *top) follow(ctx context.Context) error {
	err := t.each(ctx, func(v view) error { return errors.Join(t.print(v), outputError(t.app.stdout.Flush())) })
	if errors.Is(err, errInterrupted) {
		return nil
	}
	return err
}

func (t *top) print(v view) error {
	if t.app.isJSON() {
		return t.app.json(v)
	}
	for _, line := range v.lines() {
		t.app.linef("%s", line.text)
	}
	return t.app.printf("\n")
}
