package property_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

var scaleReplicas = flag.Int("scale.replicas", 200, "how many replicas TestManyReplicas runs")

const (
	scaleDegree = 6
	scaleLoss   = 0.2
)

// crowd is many replicas on a random graph, in one thread.
type crowd struct {
	t     *testing.T
	rng   *rand.Rand
	reps  []*replica.Replica
	edges [][]int
	now   time.Duration
	bytes struct{ gossip, sessions int }
	hops  int
}

func newCrowd(t *testing.T, n int) *crowd {
	c := &crowd{t: t, rng: rand.New(rand.NewPCG(1, 2)), edges: make([][]int, n)}
	for i := range n {
		c.reps = append(c.reps, replica.New(replica.Config{
			Peer: fmt.Sprint("n", i), Registry: "crowd", Clock: hlc.NewClock(hlc.Config{}), Rand: rand.New(rand.NewPCG(3, uint64(i))),
		}, nil, c.at()))
	}
	// A ring, so that it is connected, and random edges up to the degree.
	for i := range n {
		c.connect(i, (i+1)%n)
	}
	for i := range n {
		for tries := 0; len(c.edges[i]) < scaleDegree && tries < 100; tries++ {
			if j := c.rng.IntN(n); len(c.edges[j]) < scaleDegree {
				c.connect(i, j)
			}
		}
	}
	return c
}

func (c *crowd) connect(i, j int) {
	for _, k := range c.edges[i] {
		if k == j {
			return
		}
	}
	if i != j {
		c.edges[i], c.edges[j] = append(c.edges[i], j), append(c.edges[j], i)
	}
}

func (c *crowd) at() replica.Instant {
	return replica.Instant{Wall: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(c.now), Mono: c.now}
}

// flood publishes what a replica has to say; each hop loses a part.
func (c *crowd) flood(from int) {
	for d := c.reps[from].Outbox(); d != nil; d = c.reps[from].Outbox() {
		data, err := replica.EncodeDelta(nil, d)
		require.NoError(c.t, err)
		got, err := replica.DecodeDelta(data)
		require.NoError(c.t, err)
		heard := map[int]bool{from: true}
		for queue := []int{from}; len(queue) > 0; queue = queue[1:] {
			via := queue[0]
			for _, to := range c.edges[via] {
				c.hops++
				c.bytes.gossip += len(data)
				if heard[to] || c.rng.Float64() < scaleLoss {
					continue
				}
				heard[to] = true
				require.NoError(c.t, c.reps[to].Receive(c.at(), fmt.Sprint("n", from), fmt.Sprint("n", via), got).Refused)
				queue = append(queue, to)
			}
		}
	}
}

// reconcile runs a session, as bytes.
func (c *crowd) reconcile(i, j int) {
	a, b := c.reps[i].Dial(c.at(), fmt.Sprint("n", j)), c.reps[j].Accept(c.at(), fmt.Sprint("n", i))
	for moved := true; moved; {
		moved = false
		for _, way := range [][2]*replica.Session{{a, b}, {b, a}} {
			for f, ok := way[0].Next(c.at()); ok; f, ok = way[0].Next(c.at()) {
				data, err := replica.EncodeFrame(nil, f)
				require.NoError(c.t, err)
				c.bytes.sessions += len(data)
				got, err := replica.DecodeFrame(data)
				require.NoError(c.t, err)
				require.NoError(c.t, way[1].Handle(c.at(), got))
				moved = true
			}
		}
	}
}

func (c *crowd) equal() bool {
	at := hlc.FromTime(c.at().Wall).Add(time.Hour)
	for _, r := range c.reps[1:] {
		if r.Map().RootAt(at) != c.reps[0].Map().RootAt(at) || !r.Map().Context().Equal(c.reps[0].Map().Context()) {
			return false
		}
	}
	return true
}

// write lets a fifth of the replicas write once, to keys that collide.
func (c *crowd) write(publish bool) (writes int) {
	n := len(c.reps)
	for i, w := range c.rng.Perm(n)[:n/5] {
		c.now += time.Millisecond
		_, _, err := c.reps[w].Write(c.at(), replica.Write{Key: fmt.Sprint("key", c.rng.IntN(n/10)), Value: []byte(fmt.Sprint("value ", i)), Delete: i%7 == 6})
		require.NoError(c.t, err)
		writes++
		if publish {
			c.flood(w)
		} else {
			c.reps[w].Skip()
		}
	}
	return writes
}

// heal has each replica reconcile with one random neighbour a round, until all
// are equal.
func (c *crowd) heal() (rounds int) {
	for ; !c.equal(); rounds++ {
		require.Less(c.t, rounds, 30, "the replicas do not become equal")
		c.now += time.Second
		for _, i := range c.rng.Perm(len(c.reps)) {
			c.reconcile(i, c.edges[i][c.rng.IntN(len(c.edges[i]))])
		}
	}
	return rounds
}

func (c *crowd) report(what string, writes, rounds int) {
	n := len(c.reps)
	c.t.Logf("%s: %d writes on %d replicas of degree %d, equal after %d rounds of sessions; bytes per replica: %d by gossip in %d hops, %d by sessions",
		what, writes, n, scaleDegree, rounds, c.bytes.gossip/n, c.hops/n, c.bytes.sessions/n)
	c.bytes.gossip, c.bytes.sessions, c.hops = 0, 0, 0
}

// TestManyReplicas measures how many rounds of sessions and how many bytes it takes
// to make many replicas equal; -scale.replicas=1000 takes about 15 s.
func TestManyReplicas(t *testing.T) {
	c := newCrowd(t, *scaleReplicas)
	writes := c.write(true)
	missing := 0
	for _, r := range c.reps {
		missing += 2*writes - int(r.Map().Context().Count()) // each writer also says who it is
	}
	t.Logf("flooding with %.0f %% loss left %.3f %% of the writes unheard", 100*scaleLoss, 100*float64(missing)/float64(len(c.reps)*2*writes))
	rounds := c.heal()
	c.report("with gossip", writes, rounds)
	require.LessOrEqual(t, rounds, 4)

	writes = c.write(false)
	rounds = c.heal()
	c.report("without gossip", writes, rounds)
	require.LessOrEqual(t, rounds, 12)
}
