// Flags are feature flags that take effect in running programs, also in those that are cut off: each has all of them.
//
// It shows: a registry declared once with a Go type for its values, a typed watch, and SyncPeer for a program that
// ends at once and wants to know before that somebody has what it wrote.
//
//	go run ./examples/flags app ada                          # prints its address, and what is on for ada
//	go run ./examples/flags -peer ADDRESS set dark-mode 100  # for 100 % of users
//	go run ./examples/flags -peer ADDRESS set new-search 20 bob
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/minikv/minikv"
)

// Flag says for whom a feature is on.
type Flag struct {
	Percent uint32   // of users, by a hash of flag and name: always the same ones
	Users   []string // these in any case
}

var features = minikv.Declare[Flag]("features", minikv.Public())

// On tells whether the feature is on for a user.
func (f Flag) On(feature, user string) bool {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s/%s", feature, user)
	return h.Sum32()%100 < f.Percent || slices.Contains(f.Users, user)
}

func main() {
	peer := flag.String("peer", "", "address of a running app, as it prints it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *peer, flag.Args()); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "flags:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, peer string, args []string) error {
	node, err := minikv.Open(ctx, "", minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	if err != nil {
		return err
	}
	defer node.Close()
	flags := features.In(node) // open it before meeting the peer
	var id minikv.PeerID
	if peer != "" {
		if id, err = node.Connect(ctx, peer); err != nil {
			return err
		}
	}
	switch {
	case len(args) == 2 && args[0] == "app":
		fmt.Println("change flags with -peer", node.Addrs()[0])
		return app(ctx, flags, args[1])
	case len(args) >= 3 && args[0] == "set" && peer != "":
		percent, err := strconv.ParseUint(args[2], 10, 32)
		if err != nil || percent > 100 {
			return fmt.Errorf("%q: give a percentage from 0 to 100", args[2])
		}
		return set(ctx, flags, id, args[1], Flag{Percent: uint32(percent), Users: args[3:]})
	}
	return errors.New("usage: flags app USER | flags -peer ADDRESS set FEATURE PERCENT [USER...]")
}

// app prints the features of one user as they change.
func app(ctx context.Context, flags *minikv.Typed[Flag], user string) error {
	on := map[string]bool{}
	for ev, err := range flags.Watch(ctx, "") {
		if errors.Is(err, minikv.ErrCodec) {
			fmt.Println(ev.Entry.Key, "is no flag; left as it is")
			continue
		}
		if err != nil {
			return err
		}
		if ev.Kind == minikv.EventSynced {
			continue
		}
		now := ev.Kind == minikv.EventPut && ev.V.On(ev.Entry.Key, user)
		if now != on[ev.Entry.Key] {
			on[ev.Entry.Key] = now
			fmt.Printf("%s is %s for %s\n", ev.Entry.Key, map[bool]string{true: "on", false: "off"}[now], user)
		}
	}
	return nil
}

// set writes a flag and returns when the peer has it.
func set(ctx context.Context, flags *minikv.Typed[Flag], id minikv.PeerID, feature string, f Flag) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	// First hear what is there: a write that is made with knowledge of another wins over it, whatever the clocks.
	if err := flags.Raw().WaitSynced(ctx, 1); err != nil {
		return err
	}
	if _, err := flags.Put(ctx, feature, f); err != nil {
		return err
	}
	_, err := flags.Raw().SyncPeer(ctx, id)
	return err
}
