// Command rivals does the work of minikv's benchmark table with go-ds-crdt v0.6.8, the nearest Go library: a key-value
// store replicated by a Merkle-CRDT over libp2p. It is a module of its own because the rival is built with older
// libp2p modules than minikv.
//
//	go run .                        the whole table, 10 to 20 minutes: most of it is spent waiting for the rival
//	go run . -only local,pair       some groups: local, pair, visible, join, differ, writers
//	go run . -json                  one JSON object a line instead of the table
//	go run . -rebroadcast 5s        with heads announced every 5 s instead of its default of one minute
//
// Everything runs in memory, on the loopback interface, in one process; each replica has its own libp2p host, gossipsub,
// bitswap and block store, put together as the rival's own example does, without the DHT. Options of the rival are its
// defaults unless a flag says otherwise. Work that is not done within its limit is reported as not finished, with how
// far it came.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	logging "github.com/ipfs/go-log/v2"
)

// config is what the flags say.
type config struct {
	Only        string
	Runs        int           // of measurements that take seconds
	WaitRuns    int           // of measurements that mostly wait for the rival's timers
	Limit       time.Duration // for one measurement
	Rebroadcast time.Duration
	Keys        int // for local work
	Store       string
	JSON        bool
}

// group is a set of measurements that -only selects by name.
type group struct {
	name string
	run  func(*bench) error
}

var groups = []group{
	{"local", local},
	{"pair", pair},
	{"visible", visible},
	{"join", join},
	{"differ", differ},
	{"writers", writers},
}

func main() {
	c := config{}
	flag.StringVar(&c.Only, "only", "", "comma-separated groups to run; all if empty")
	flag.IntVar(&c.Runs, "runs", 5, "runs of each measurement; the table shows the median")
	flag.IntVar(&c.WaitRuns, "wait-runs", 1, "runs of the measurements that mostly wait for the rival's timers")
	flag.DurationVar(&c.Limit, "limit", 150*time.Second, "give up one measurement after this")
	flag.DurationVar(&c.Rebroadcast, "rebroadcast", time.Minute, "interval at which the rival announces its heads again")
	flag.IntVar(&c.Keys, "n", 20_000, "keys for local work")
	flag.StringVar(&c.Store, "store", "map", "datastore below the rival for local work: map or pebble (with fsync)")
	flag.BoolVar(&c.JSON, "json", false, "print JSON lines instead of a table")
	flag.Parse()
	logging.SetupLogging(logging.Config{Level: logging.LevelFatal, Stderr: true}) // its retries log errors that are part of the result

	if err := run(c); err != nil {
		fmt.Fprintln(os.Stderr, "rivals:", err)
		os.Exit(1)
	}
}

func run(c config) error {
	chosen, err := choose(c.Only)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(background(), os.Interrupt)
	defer stop()
	b := &bench{ctx: ctx, config: c, out: newReport(os.Stdout, c.JSON)}
	for _, g := range chosen {
		if err := g.run(b); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	return b.out.close()
}

// choose returns the groups named in only, in their own order.
func choose(only string) ([]group, error) {
	if only == "" {
		return groups, nil
	}
	want := make(map[string]bool)
	for _, n := range strings.Split(only, ",") {
		want[strings.TrimSpace(n)] = true
	}
	var out []group
	var names []string
	for _, g := range groups {
		names = append(names, g.name)
		if want[g.name] {
			out = append(out, g)
			delete(want, g.name)
		}
	}
	for n := range want {
		return nil, fmt.Errorf("no group %q; there are %s", n, strings.Join(names, ", "))
	}
	return out, nil
}
