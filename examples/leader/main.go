// Leader elects one of several processes, and guards a resource against one that does not know yet that it lost.
//
// It shows: WithLock, what happens when the holder stalls, and a resource that remembers the highest fencing token
// and refuses lower ones. Without the last no lock over a network is safe, as a process can be paused between
// looking at its lease and acting on it. -careless plays such a process: it never looks.
//
//	go run ./examples/leader resource                                   # prints its URL
//	go run ./examples/leader -name ada -resource URL candidate          # prints its address
//	go run ./examples/leader -name bob -resource URL -peer ADDRESS candidate
//
// Then stop the leader with Ctrl-Z, see the other one take over, and continue it with fg.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/minikv/minikv"
)

var (
	name     = flag.String("name", "", "who the candidate is")
	peer     = flag.String("peer", "", "address of another candidate")
	resource = flag.String("resource", "", "URL of the resource")
	ttl      = flag.Duration("ttl", 3*time.Second, "how long a lease lasts that is not renewed")
	careless = flag.Bool("careless", false, "do not look at the lease before writing")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	role := candidate
	if flag.Arg(0) == "resource" {
		role = serve
	}
	if err := role(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "leader:", err)
		os.Exit(1)
	}
}

// fenced is the resource: it takes writes, unless they come with a lower token than one before.
type fenced struct {
	mu      sync.Mutex
	highest minikv.Token
}

func (f *fenced) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, err := minikv.ParseToken(r.URL.Query().Get("token"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, 1024))
	f.mu.Lock()
	defer f.mu.Unlock()
	if token.Compare(f.highest) < 0 {
		fmt.Printf("refused %s\n", text)
		http.Error(w, "a later leader has written", http.StatusConflict)
		return
	}
	f.highest = token
	fmt.Printf("written: %s\n", text)
}

func serve(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("-resource http://%s\n", l.Addr())
	context.AfterFunc(ctx, func() { l.Close() })
	return http.Serve(l, &fenced{})
}

func candidate(ctx context.Context) error {
	peers := strings.Fields(*peer) // none or one
	node, err := minikv.Open(ctx, "", minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Bootstrap: peers})
	if err != nil {
		return err
	}
	defer node.Close()
	reg, err := node.Registry(ctx, "election", minikv.Public())
	if err != nil {
		return err
	}
	if err := reg.WaitSynced(ctx, len(peers)); err != nil { // before that it would find the lock free
		return err
	}
	fmt.Println("others join with -peer", node.Addrs()[0])
	for ctx.Err() == nil {
		err := reg.WithLock(ctx, "leader", func(leading context.Context, l *minikv.Lease) error {
			if *careless {
				leading = ctx
			}
			return lead(leading, l)
		}, minikv.TTL(*ttl), minikv.Meta([]byte(*name)))
		if ctx.Err() == nil {
			fmt.Println(*name, "leads no more:", err)
			time.Sleep(*ttl) // let another one try
		}
	}
	return nil
}

// lead is what only one may do at a time. ctx ends when the lease is lost.
func lead(ctx context.Context, l *minikv.Lease) error {
	fmt.Println(*name, "leads")
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		err := l.Check(*ttl / 5) // time enough for the write
		if err == nil || *careless {
			err = write(l.Token(), fmt.Sprint(*name, " ", n))
		}
		if err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func write(token minikv.Token, text string) error {
	resp, err := http.Post(*resource+"?token="+token.String(), "text/plain", strings.NewReader(text))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusConflict {
		err = errors.New("the resource has seen a later leader")
	}
	return err
}
