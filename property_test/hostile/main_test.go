package hostile_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/property_test/hostile"
)

var seed = flag.Uint64("hostile.seed", 0, "seed of the attackers; 0: a fresh one")

// role makes this binary the attackers' process.
const role = "MINIKV_HOSTILE_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(role) != "" {
		if err := hostile.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	for *seed == 0 {
		*seed = rand.Uint64()
	}
	fmt.Printf("hostile: -hostile.seed=%d\n", *seed)
	os.Exit(m.Run())
}

// enemies is the process of the attackers.
type enemies struct {
	t      *testing.T
	orders io.WriteCloser
	pid    int
	mu     sync.Mutex
	latest map[string]hostile.Report // by attack
	events chan hostile.Report
}

// newEnemies starts the process. It ends with the test.
func newEnemies(t *testing.T) *enemies {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), role+"=1")
	cmd.Stderr = os.Stderr
	orders, err := cmd.StdinPipe()
	require.NoError(t, err)
	reports, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	e := &enemies{t: t, orders: orders, pid: cmd.Process.Pid, latest: map[string]hostile.Report{}, events: make(chan hostile.Report, 64)}
	t.Cleanup(func() {
		_ = orders.Close()
		require.NoError(t, cmd.Wait())
	})
	go func() {
		defer close(e.events)
		for in := json.NewDecoder(reports); ; {
			var r hostile.Report
			if in.Decode(&r) != nil {
				return
			}
			e.mu.Lock()
			e.latest[r.Attack] = r
			e.mu.Unlock()
			e.events <- r
		}
	}()
	return e
}

// start begins attacks, and ends those under way.
func (e *enemies) start(orders ...hostile.Order) {
	e.t.Helper()
	e.tell(hostile.Order{}) // where a test failed the attack may still run
	e.join(orders...)
}

// join begins attacks beside those under way, and waits until each attacker has sent something hostile.
func (e *enemies) join(orders ...hostile.Order) {
	e.t.Helper()
	for _, o := range orders {
		e.tell(o)
	}
	e.await(hostile.EventBegun, orders)
}

func (e *enemies) tell(o hostile.Order) { require.NoError(e.t, json.NewEncoder(e.orders).Encode(o)) }

// end ends all attacks and returns what they have done.
func (e *enemies) end(orders ...hostile.Order) []hostile.Report {
	e.t.Helper()
	e.tell(hostile.Order{})
	return e.await(hostile.EventEnded, orders)
}

func (e *enemies) await(event string, orders []hostile.Order) (all []hostile.Report) {
	e.t.Helper()
	patience := time.After(60 * time.Second)
	for len(all) < len(orders) {
		select {
		case r := <-e.events:
			if !slices.ContainsFunc(orders, func(o hostile.Order) bool { return o.Attack == r.Attack }) {
				continue // left over from a test that failed
			}
			require.Equal(e.t, event, r.Event, "%s: %s", r.Attack, r.Err)
			all = append(all, r)
		case <-patience:
			require.FailNow(e.t, "no report", "waiting for %q", event)
		}
	}
	return all
}
