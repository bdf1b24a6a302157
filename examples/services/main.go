// Services registers running instances of a service, and balances requests over those that live.
//
// It shows: a registry whose entries expire when their process is gone, and a program that keeps a view of it in
// memory by a watch. There is no server to ask: the proxy has all of the registry and goes on when it is cut off.
//
//	go run ./examples/services proxy greeter                        # prints its URL and its address
//	go run ./examples/services -peer ADDRESS instance greeter       # as many as you like; stop some
//	curl URL
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/minikv/minikv"
)

var (
	peer = flag.String("peer", "", "address of another process, as the proxy prints it")
	ttl  = flag.Duration("ttl", 3*time.Second, "how long an instance counts as alive after its last sign")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, flag.Arg(0), flag.Arg(1)); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "services:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, role, service string) error {
	if (role != "proxy" && role != "instance") || service == "" {
		return errors.New("usage: services [-peer ADDRESS] proxy|instance SERVICE")
	}
	node, err := minikv.Open(ctx, "", minikv.Config{
		Listen:    []string{"/ip4/127.0.0.1/tcp/0"},
		Bootstrap: strings.Fields(*peer), // none or one
	})
	if err != nil {
		return err
	}
	defer node.Close()
	services, err := node.Registry(ctx, "services", minikv.Public(), minikv.DefaultTTL(*ttl))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	at := "http://" + l.Addr().String()
	if role == "instance" {
		go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "hello from "+at+"\n")
		}))
		fmt.Println("an instance of", service, "at", at)
		return register(ctx, services, service+"/"+l.Addr().String(), at)
	}
	p := &proxy{live: map[string]*url.URL{}}
	go http.Serve(l, p)
	fmt.Println(service, "is at", at)
	fmt.Println("others join with -peer", node.Addrs()[0])
	return p.follow(ctx, services, service+"/")
}

// register keeps the entry alive until ctx ends. Nobody need do anything about an instance that dies.
func register(ctx context.Context, services *minikv.Registry, key, at string) error {
	tick := time.NewTicker(*ttl / 3)
	defer tick.Stop()
	for {
		if _, err := services.Put(ctx, key, []byte(at)); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// proxy passes each request to the next live instance.
type proxy struct {
	mu   sync.Mutex
	live map[string]*url.URL // by key
	turn atomic.Uint64
}

func (p *proxy) follow(ctx context.Context, services *minikv.Registry, prefix string) error {
	for ev, err := range services.Watch(ctx, prefix) {
		if err != nil {
			return err
		}
		at, err := url.Parse(string(ev.Entry.Value))
		p.mu.Lock()
		before := len(p.live)
		if ev.Kind == minikv.EventPut && err == nil {
			p.live[ev.Entry.Key] = at
		} else {
			delete(p.live, ev.Entry.Key)
		}
		if len(p.live) != before {
			fmt.Println(len(p.live), "live:", strings.TrimPrefix(ev.Entry.Key, prefix), ev.Kind)
		}
		p.mu.Unlock()
	}
	return nil
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	all := make([]string, 0, len(p.live))
	for _, at := range p.live {
		all = append(all, at.String())
	}
	p.mu.Unlock()
	if len(all) == 0 {
		http.Error(w, "no instance is alive", http.StatusServiceUnavailable)
		return
	}
	slices.Sort(all)
	at, _ := url.Parse(all[p.turn.Add(1)%uint64(len(all))])
	httputil.NewSingleHostReverseProxy(at).ServeHTTP(w, r)
}
