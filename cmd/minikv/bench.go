package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

const benchHelp = `Measure a node: the running one, through the admin API as all commands do, or with --embedded one in this process, as a Go program would. It works in a
registry of its own, which no other node shares, and removes it at the end.

  put     overwrite a random key of --keys, which are there
  get     read a random one
  batch   overwrite --batch random ones in one step
  lock    take a lock that nobody else wants, and give it back

Each client asks again when it has its answer, so an answer that takes long keeps the next questions from being asked: percentiles look better than what callers who
come at a rate of their own would see. With --rate questions come at that rate over all clients, and times count from when a question was due. Percentiles are read off
buckets at most 1.6 % wide, at the upper end; those that take more calls than there were are left out. The machine and its other work are part of what is measured.`

// Limits of what a benchmark keeps busy.
const (
	maxBenchClients = 1024
	maxBenchKeys    = 10_000_000
)

var benchWorks = []string{"put", "get", "batch", "lock"}

// benchFlags are the flags of bench.
type benchFlags struct {
	embedded         bool
	dir, durability  string
	works            []string
	time             time.Duration
	clients, keys    int
	size, batch      int
	rate             float64
	durabilityParsed minikv.Durability
}

func newBench(a *app) *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use: "bench", GroupID: "node", Args: takes(),
		Short: "Measure the running node, or one in this process",
		Long:  benchHelp,
		Example: `  minikv bench --work put,get --clients 16
  minikv bench --embedded --dir /var/tmp --time 10s -o json`,
	}
	fl := c.Flags()
	fl.BoolVar(&f.embedded, "embedded", false, "measure a node in this process, without the admin API")
	fl.StringVar(&f.dir, "dir", "", "with --embedded: keep its data in a new directory in this one, removed at the end (default: in memory)")
	fl.StringVar(&f.durability, "durability", "sync", "with --dir: sync, group or async, as for serve")
	fl.StringSliceVar(&f.works, "work", benchWorks, "what to measure, in this order")
	fl.DurationVar(&f.time, "time", 2*time.Second, "how long to measure each")
	fl.IntVar(&f.clients, "clients", 8, "how many ask at the same time")
	fl.IntVar(&f.keys, "keys", 10_000, "how many keys there are")
	fl.IntVar(&f.size, "size", 100, "length of a value in bytes")
	fl.IntVar(&f.batch, "batch", 1000, "keys in a batch")
	fl.Float64Var(&f.rate, "rate", 0, "questions a second over all clients (default: as fast as answers come)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.check(c); err != nil {
			return err
		}
		return a.bench(c.Context(), f)
	}
	return c
}

func (f *benchFlags) check(c *cobra.Command) (err error) {
	for _, w := range f.works {
		if !slices.Contains(benchWorks, w) {
			return usagef("--work %q: use some of %s", w, strings.Join(benchWorks, ","))
		}
	}
	if f.durabilityParsed, err = minikv.ParseDurability(f.durability); err != nil {
		return usagef("--durability %q: use sync, group or async", f.durability)
	}
	switch {
	case len(f.works) == 0:
		return usagef("--work names nothing: use some of %s", strings.Join(benchWorks, ","))
	case f.dir != "" && !f.embedded:
		return usagef("--dir is for --embedded; the running node has its own")
	case c.Flags().Changed("durability") && f.dir == "":
		return usagef("--durability is for --embedded with --dir")
	case f.time <= 0:
		return usagef("--time %s: it has to be more than zero", f.time)
	case f.clients < 1 || f.clients > maxBenchClients:
		return usagef("--clients %d: it can be 1 to %s", f.clients, count(maxBenchClients))
	case f.keys < 1 || f.keys > maxBenchKeys:
		return usagef("--keys %d: it can be 1 to %s", f.keys, count(maxBenchKeys))
	case f.size < 0 || f.size > minikv.DefaultMaxValueLen:
		return usagef("--size %d: it can be 0 to %s", f.size, count(minikv.DefaultMaxValueLen))
	case f.batch < 1 || f.batch > admin.MaxBatchRecords || f.batch*(f.size+50) > admin.MaxBatchBytes/2:
		return usagef("--batch %d: it can be 1 to %s, and 32 MiB in all", f.batch, count(admin.MaxBatchRecords))
	case f.rate < 0 || f.rate > 1e9:
		return usagef("--rate %g: it can be 0 to 1e9 a second", f.rate)
	}
	return nil
}

// benchReport is what `bench -o json` prints.
type benchReport struct {
	Target  string        `json:"target"` // admin address, or "embedded"
	Storage string        `json:"storage"`
	Clients int           `json:"clients"`
	Keys    int           `json:"keys"`
	Size    int           `json:"value_bytes"`
	Rate    float64       `json:"rate,omitempty"` // asked for; zero: as fast as answers came
	Results []benchResult `json:"results"`
}

func (a *app) bench(ctx context.Context, f benchFlags) (err error) {
	target, r, err := a.benchTarget(ctx, f)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), defaultTimeout)
		defer cancel()
		err = errors.Join(err, target.close(ctx))
	}()
	if !a.isJSON() {
		a.linef("%s, %s; %s of %s, %d bytes each", r.Target, r.Storage, plural(f.clients, "client"), plural(f.keys, "key"), f.size)
		if err := outputError(a.stdout.Flush()); err != nil {
			return err
		}
	}
	run := &benchRun{benchFlags: f, target: target}
	if err := run.fill(ctx); err != nil {
		return err
	}
	for _, w := range f.works {
		res, err := run.measure(ctx, w)
		if err != nil {
			return err
		}
		r.Results = append(r.Results, res)
	}
	if a.isJSON() {
		return a.json(r)
	}
	var rows [][]string
	unasked := uint64(0)
	for _, res := range r.Results {
		rows = append(rows, res.row())
		unasked += res.Unasked
	}
	if err := a.table("WORK CALLS PER-SECOND KEYS/S P50 P90 P99 P99.9 MAX", rows); err != nil || unasked == 0 {
		return err
	}
	return a.printf("%s more were due at %g a second and never asked: the node is slower than that\n", count(unasked), f.rate)
}

// benchTarget opens what is measured.
func (a *app) benchTarget(ctx context.Context, f benchFlags) (benchTarget, benchReport, error) {
	r := benchReport{Clients: f.clients, Keys: f.keys, Size: f.size, Rate: f.rate}
	name := fmt.Sprintf("bench-%s", rand.Text()[:8])
	if f.embedded {
		r.Target, r.Storage = "embedded", "in memory"
		if f.dir != "" {
			r.Storage = "in a directory, durability " + f.durability
		}
		t, err := newEmbedded(ctx, f, name)
		return t, r, err
	}
	cl, err := a.client()
	if err != nil {
		return nil, r, err
	}
	s, err := cl.Status(ctx)
	if err == nil {
		// Interrupted in the midst of it, we could not tell whether there is one to be dropped.
		_, err = cl.AddRegistry(context.WithoutCancel(ctx), name, admin.RegistryParams{Public: true})
	}
	if err != nil {
		cl.Close()
		return nil, r, err
	}
	r.Target, r.Storage = cl.Addr().String(), s.Storage
	return &runningNode{cl, name}, r, nil
}
