// Command bench prints what minikv does beside the floor of each task, measured in the same run: the bare Go map, the
// bare B-tree, bare signed gossipsub. Every ratio is of a pair measured one after the other, so that a busy machine
// moves both.
//
//	go run .                     the whole table in Markdown, about 15 minutes on two cores
//	go run . -quick              100,000 keys in place of 1,000,000, two runs
//	go run . -only local,join    some groups; -list names them
//	go run . -cpu                local work by CPU time in place of wall time, for a machine that others use, too
//	go run . -profile out        also CPU profiles, one file for each process that did the work
//
// What crosses the network runs in processes of its own, all on the loopback interface; nothing leaves the machine. The
// rival's figures come from the module in the folder rivals.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// group is a set of measurements that -only selects by name.
type group struct {
	name string
	what string
	run  func(*bench) error
}

var groups = []group{
	{"local", "get and put on one node", local},
	{"memory", "bytes per entry", memory},
	{"transfer", "two processes, new keys from the first put to equal roots", transfer},
	{"visible", "one put to visible at a connected peer", visible},
	{"join", "an empty node joins", join},
	{"differ", "two nodes that differ in ten entries, or in none", differ},
	{"private", "a private registry beside a public one: transfer, join, idle session", private},
	{"durable", "a node with a directory, beside the bare engine", durable},
	{"durable-transfer", "two durable nodes, new keys from the first put to equal roots", transferDurable},
	{"huge", "a node with a directory, ten times the keys", huge},
	{"resp", "a node that serves Redis clients, beside redis-server", respNode},
	{"writers", "five nodes that write the same keys at once", writers},
}

// config is what the flags say.
type config struct {
	Keys    int
	Runs    int
	Only    string
	Profile string
	Limit   time.Duration
	CPU     bool
}

func main() {
	if child := os.Getenv(childEnv); child != "" {
		exit(serve(child))
		return
	}
	var c config
	quick := flag.Bool("quick", false, "100,000 keys and two runs, unless -n and -runs say otherwise")
	list := flag.Bool("list", false, "name the groups and end")
	flag.IntVar(&c.Keys, "n", 1_000_000, "keys; the bars are meant for 1,000,000")
	flag.IntVar(&c.Runs, "runs", 5, "runs of each measurement; the table shows the median")
	flag.StringVar(&c.Only, "only", "", "comma-separated groups to run; all if empty")
	flag.StringVar(&c.Profile, "profile", "", "directory for CPU profiles; none if empty")
	flag.DurationVar(&c.Limit, "limit", 3*time.Minute, "give up one wait after this")
	flag.BoolVar(&c.CPU, "cpu", false, "in the group local, count the CPU time of the process in place of wall time")
	flag.Parse()
	if *list {
		for _, g := range groups {
			fmt.Printf("%-10s %s\n", g.name, g.what)
		}
		return
	}
	if *quick {
		c.shorten()
	}
	exit(run(c))
}

// shorten sets what -quick means, where the flags were not given.
func (c *config) shorten() {
	given := make(map[string]bool)
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["n"] {
		c.Keys = 100_000
	}
	if !given["runs"] {
		c.Runs = 2
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(c config) error {
	if c.Keys < 1000 || c.Runs < 1 {
		return fmt.Errorf("-n %d -runs %d: at least 1,000 keys and one run, please", c.Keys, c.Runs)
	}
	chosen, err := choose(c.Only)
	if err != nil {
		return err
	}
	if c.Profile != "" {
		if err := os.MkdirAll(c.Profile, 0o777); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &bench{ctx: ctx, config: c, table: newTable(os.Stdout), watch: stopwatch{cpu: c.CPU}}
	b.table.head(c)
	for _, g := range chosen {
		began := time.Now()
		if err := g.run(b); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: %v\n", g.name, time.Since(began).Round(time.Second))
	}
	return nil
}

// choose returns the groups named in only, in their own order.
func choose(only string) ([]group, error) {
	if only == "" {
		return groups, nil
	}
	names := strings.Split(only, ",")
	for _, n := range names {
		if !slices.ContainsFunc(groups, func(g group) bool { return g.name == n }) {
			return nil, fmt.Errorf("no group %q; -list names them", n)
		}
	}
	var out []group
	for _, g := range groups {
		if slices.Contains(names, g.name) {
			out = append(out, g)
		}
	}
	return out, nil
}

// bench carries what every group needs.
type bench struct {
	config
	ctx   context.Context
	table *table
	watch stopwatch
}

// repeat calls once for each run. The first error ends it, and so does an interrupt.
func (b *bench) repeat(once func() error) error {
	for range b.Runs {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		if err := once(); err != nil {
			return err
		}
	}
	return nil
}
