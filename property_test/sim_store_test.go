package property_test

import (
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
)

// With a real store, the disk of a simulated node is a directory on a file
// system that can crash: what was not synced is lost with the process, to the
// byte, and nothing else.

var (
	simStore      = flag.Bool("sim.store", false, "TestSimulation runs its durable nodes on real stores")
	simStoreSeeds = flag.Int("sim.storeseeds", 150, "how many seeds TestSimulationOnStores runs")
)

const (
	storeDir      = "node"
	storeRegistry = "simulated"
)

// openStore opens the directory of a node and returns the map in it.
func (p *process) openStore() *lwwmap.Map {
	w, n := p.w, p.node
	if n.disk.fs == nil {
		n.disk.fs = vfs.NewCrashableMem()
	}
	var err error
	if p.store, err = store.Open(storeDir, store.Options{FS: n.disk.fs, Cache: 1 << 20}); err != nil {
		w.fail("%s cannot open its store: %v", n.name, err)
	}
	m, err := p.store.Map(storeRegistry, []byte(storeRegistry), nil)
	if err != nil {
		w.fail("%s cannot open its map: %v", n.name, err)
	}
	return m
}

// closeStore ends the store of a process that has crashed; what that still
// writes goes nowhere.
func (p *process) closeStore() {
	if p.store == nil {
		return
	}
	if err := p.store.Close(); err != nil {
		p.w.fail("%s cannot close its store: %v", p.name, err)
	}
}

// commit ends a step of a node with a store.
func (p *process) commit() {
	if p.store == nil || p.dead {
		return
	}
	m := p.rep.Map()
	m.Observe(p.clock.Last())
	if err := m.Commit(); err != nil {
		p.w.fail("%s cannot commit: %v", p.name, err)
	}
}

// crashed returns the file system as a crash now would leave it: without a byte
// that was not synced.
func crashed(fs *vfs.MemFS) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{RNG: rand.New(rand.NewPCG(1, 2))})
}

// stepEnd is a lock of which Unlock ends a step, as on a real node.
type stepEnd struct{ p *process }

func (stepEnd) Lock()     {}
func (s stepEnd) Unlock() { s.p.commit() }

// TestSimulationOnStores is TestSimulation with real stores, for fewer seeds.
func TestSimulationOnStores(t *testing.T) {
	total := tally{}
	for seed := *simFirst; seed < *simFirst+uint64(*simStoreSeeds); seed++ {
		counts, _, err := simulateOn(true, seed, nil)
		total.add(counts)
		if err != nil {
			t.Fatalf("seed %d: %v\nreplay: go test ./property_test -run 'TestSimulation$' -sim.store -sim.scale=%g -sim.trace -sim.seed=%d", seed, err, *simScale, seed)
		}
	}
	t.Logf("%d seeds from %d on real stores\n%s", *simStoreSeeds, *simFirst, total)
	if total[cCrashDisk] == 0 || total[cRollback] == 0 {
		t.Error("no node with a store crashed, or none was rolled back")
	}
}
