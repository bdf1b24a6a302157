package minikv_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// The Go code of docs/guide.md is that of the functions below.
func TestTheGuideShowsCodeThatRuns(t *testing.T) {
	text, err := os.ReadFile("docs/guide.md")
	require.NoError(t, err)
	source, err := os.ReadFile("example_guide_test.go")
	require.NoError(t, err)
	bare := func(code string) string { return regexp.MustCompile(`(?m)^\s+`).ReplaceAllString(code, "") }
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	require.GreaterOrEqual(t, len(blocks), 4)
	for _, b := range blocks {
		require.Contains(t, bare(string(source)), bare(b[1]), "not in example_guide_test.go")
	}
}

func openCities(ctx context.Context, dir string, peers ...string) (*minikv.Registry, error) {
	node, err := minikv.Open(ctx, dir, minikv.Config{
		Listen:    []string{"/ip4/127.0.0.1/tcp/0"}, // "/ip4/0.0.0.0/tcp/4001" to be reached by other machines
		Bootstrap: peers,                            // dialled now, and again whenever the connection is lost
	})
	if err != nil {
		return nil, err
	}
	return node.Registry(ctx, "cities", minikv.Public())
}

func Example_guide() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	one, err := openCities(ctx, "") // a directory keeps it
	if err != nil {
		log.Fatal(err)
	}
	defer one.Node().Close()
	address := one.Node().Addrs()[0] // give it to the others
	two, err := openCities(ctx, "", address)
	if err != nil {
		log.Fatal(err)
	}
	defer two.Node().Close()
	three, err := openCities(ctx, "", address)
	if err != nil {
		log.Fatal(err)
	}
	defer three.Node().Close()

	if _, err := two.Put(ctx, "de/hamburg", []byte("1.9M")); err != nil {
		log.Fatal(err)
	}
	for ev, err := range three.Watch(ctx, "de/") { // what is there, then every change, from any node
		if err != nil {
			log.Fatal(err)
		}
		if ev.Kind == minikv.EventPut {
			fmt.Printf("three sees %s = %s\n", ev.Entry.Key, ev.Entry.Value)
			break
		}
	}

	err = three.WithLock(ctx, "de/hamburg", func(ctx context.Context, l *minikv.Lease) error {
		e, err := three.Get(ctx, "de/hamburg") // nobody else writes it now, on any node
		if err != nil {
			return err
		}
		_, err = l.Put(ctx, []byte(strings.Replace(string(e.Value), "1.9", "2.0", 1)))
		return err
	})
	if err != nil {
		log.Fatal(err)
	}

	if err := one.WaitSynced(ctx, 2); err != nil { // rarely needed: a verified exchange with two peers
		log.Fatal(err)
	}
	if _, err := one.SyncPeer(ctx, three.Node().ID()); err != nil {
		log.Fatal(err)
	}
	e, err := one.Get(ctx, "de/hamburg")
	fmt.Printf("one reads %s, written by three: %v, %v\n", e.Value, e.Writer == three.Node().ID(), err)
	// Output:
	// three sees de/hamburg = 1.9M
	// one reads 2.0M, written by three: true, <nil>
}
