// Presence shows who is online. Each process keeps one key alive; who stops refreshing it, or is killed, is gone
// everywhere after the key's time to live, without anybody having to notice.
//
// It shows: TTL, Watch with its expiry events, and a delete as a good-bye.
//
//	go run ./examples/presence -name ada                    # prints its address
//	go run ./examples/presence -name bob -peer ADDRESS
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/minikv/minikv"
)

func main() {
	name := flag.String("name", "", "who you are")
	peer := flag.String("peer", "", "address of another one, as it prints it")
	ttl := flag.Duration("ttl", 3*time.Second, "how long after its last sign somebody counts as online")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *name, *peer, *ttl); err != nil {
		fmt.Fprintln(os.Stderr, "presence:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name, peer string, ttl time.Duration) error {
	if name == "" {
		return errors.New("say who you are with -name")
	}
	node, err := minikv.Open(ctx, "", minikv.Config{
		NodeName:  name,
		Listen:    []string{"/ip4/127.0.0.1/tcp/0"},
		Bootstrap: strings.Fields(peer), // none or one; dialled now, and again whenever the connection is lost
	})
	if err != nil {
		return err
	}
	defer node.Close()
	online, err := node.Registry(ctx, "presence", minikv.Public())
	if err != nil {
		return err
	}
	fmt.Println("others join with -peer", node.Addrs()[0])

	refreshed := make(chan error, 1)
	go func() { refreshed <- refresh(ctx, online, "user/"+name, ttl) }()
	err = show(ctx, online)
	return errors.Join(err, <-refreshed)
}

// refresh keeps the key alive until ctx ends, and says good-bye then.
func refresh(ctx context.Context, online *minikv.Registry, key string, ttl time.Duration) error {
	tick := time.NewTicker(ttl / 3) // one or two may be late or lost
	defer tick.Stop()
	for {
		_, err := online.Put(ctx, key, []byte("online"), minikv.TTL(ttl))
		switch {
		case ctx.Err() != nil:
			return goodbye(online, key)
		case err != nil:
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return goodbye(online, key)
		}
	}
}

// goodbye deletes the key, and gives the others a moment to hear of it. Whoever does not hear sees it expire.
func goodbye(online *minikv.Registry, key string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := online.Delete(ctx, key)
	for _, p := range online.Node().Peers() {
		_, _ = online.SyncPeer(ctx, p.ID)
	}
	return err
}

// show prints who comes and goes until ctx ends.
func show(ctx context.Context, online *minikv.Registry) error {
	here := map[string]bool{}
	for ev, err := range online.Watch(ctx, "user/") {
		name := strings.TrimPrefix(ev.Entry.Key, "user/")
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case ev.Kind == minikv.EventPut && !here[name]: // later ones are refreshes
			here[name] = true
			fmt.Println("+", name)
		case ev.Kind == minikv.EventDelete || ev.Kind == minikv.EventExpire:
			delete(here, name)
			fmt.Printf("- %s (%s)\n", name, map[minikv.EventKind]string{minikv.EventDelete: "left", minikv.EventExpire: "lost"}[ev.Kind])
		}
	}
	return nil
}
