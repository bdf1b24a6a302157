package property_test

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	simSeeds = flag.Int("sim.seeds", 2000, "how many seeds TestSimulation runs")
	simFirst = flag.Uint64("sim.first", 1, "the first seed of TestSimulation")
	simSeed  = flag.Uint64("sim.seed", 0, "run this seed of TestSimulation alone")
	simTrace = flag.Bool("sim.trace", false, "with -sim.seed: print what happens")
	simScale = flag.Float64("sim.scale", 1, "multiplies the number of operations of each seed")
)

// simulate runs one seed. It returns what was counted, the hash of all that
// happened, and the broken promise, if any.
func simulate(seed uint64, text io.Writer) (t tally, hash uint64, err error) {
	return simulateOn(*simStore, seed, text)
}

// simulateOn says whether the disks of nodes are real stores.
func simulateOn(stores bool, seed uint64, text io.Writer) (t tally, hash uint64, err error) {
	w := &world{stores: stores, seed: seed, rng: rand.New(rand.NewPCG(seed, 20261123)), fetches: rand.New(rand.NewPCG(seed, 20261124)), tally: tally{}, book: newLedger(), trace: newTrace(text)}
	defer func() {
		hash, t = w.trace.sum.Sum64(), w.tally
		for _, n := range w.nodes {
			if n.proc != nil && n.proc.store != nil {
				_ = n.proc.store.Close() // the world is over
			}
		}
		switch r := recover().(type) {
		case nil:
		case violation:
			err = r.error
			w.tell("BROKEN: %v", err)
		default:
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	w.run()
	return w.tally, 0, nil
}

func (w *world) run() {
	w.drawPlan(*simScale)
	w.tell("plan %+v, begins at %s", w.plan, w.start)
	w.build()
	length := time.Duration(w.plan.ops) * w.plan.pace
	for range w.plan.ops {
		w.queue.push(time.Duration(w.rng.Int64N(int64(length))), w.act)
	}
	for range w.plan.faults {
		w.queue.push(time.Duration(w.rng.Int64N(int64(length))), w.fault)
	}
	w.runUntil(length)
	w.heal()
	for _, p := range w.up() {
		p.retire()
		root := p.rep.Map().Root()
		w.note("root", p.index, uint64(root[0])|uint64(root[1])<<8)
	}
	w.tally[cWorlds]++
}

// build makes the first nodes and a connected overlay of random links.
func (w *world) build() {
	for range w.plan.nodes {
		n := w.addNode()
		if n.index > 0 {
			w.connect(n, w.nodes[w.rng.IntN(n.index)])
		}
	}
	for range w.rng.IntN(2 * w.plan.nodes) {
		w.connect(pick(w, w.nodes), pick(w, w.nodes))
	}
	w.addReaders(w.drawReaders())
	for _, n := range w.nodes {
		n.boot()
	}
	for _, n := range w.nodes {
		w.relink(n)
	}
}

// retire adds up what a process has counted.
func (p *process) retire() {
	s := p.rep.Stats()
	p.w.tally[cLate] += int(s.Late)
	p.w.tally[cRestored] += int(s.Restored)
}

// replayShare is one in how many seeds is run twice, to see that both runs are
// the same.
const replayShare = 100

func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		replaySeed(t, *simSeed)
		return
	}
	var (
		next   atomic.Uint64
		failed atomic.Int64
		group  sync.WaitGroup
		mu     sync.Mutex
		total  = tally{}
	)
	next.Store(*simFirst)
	end := *simFirst + uint64(*simSeeds)
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for seed := next.Add(1) - 1; seed < end && failed.Load() < 3; seed = next.Add(1) - 1 {
				counts, err := runSeed(seed)
				mu.Lock()
				total.add(counts)
				if err != nil {
					failed.Add(1)
					t.Errorf("seed %d: %v\nreplay: go test ./property_test -run 'TestSimulation$' -sim.scale=%g -sim.trace -sim.seed=%d", seed, err, *simScale, seed)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	t.Logf("%d seeds from %d in %s, scale %g\n%s", *simSeeds, *simFirst, time.Since(began).Round(time.Second), *simScale, total)
	if failed.Load() == 0 && *simSeeds >= 200 {
		for _, line := range total.shortfalls() {
			t.Error(line)
		}
	}
}

// runSeed runs a seed, and one in a hundred twice.
func runSeed(seed uint64) (tally, error) {
	counts, hash, err := simulate(seed, nil)
	if err != nil || seed%replayShare != 0 {
		return counts, err
	}
	counts[cReplayedRuns]++
	if _, again, _ := simulate(seed, nil); again != hash {
		return counts, fmt.Errorf("two runs differ: trace %016x and %016x", hash, again)
	}
	return counts, nil
}

func replaySeed(t *testing.T, seed uint64) {
	var text io.Writer
	if *simTrace {
		text = os.Stdout
	}
	counts, hash, err := simulate(seed, text)
	t.Logf("seed %d, trace %016x\n%s", seed, hash, counts)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
}
