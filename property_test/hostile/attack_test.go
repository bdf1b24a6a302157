package hostile_test

import (
	"flag"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/property_test/hostile"
)

const (
	maxGrowth = 64 << 20 // bytes of memory that all honest nodes together may take more under attack
	maxBad    = 100      // refusals of one peer at one node, where it is provably bad
	maxRatio  = 4        // bytes of an answer for each of a request, before a proof
	maxEffort = 0.25     // of a processor, for each attacker at each node
)

// strict holds to limits that only mean something where nothing else runs. Without it times and memory have room, and
// processor time, of which there are moments only, is told.
var strict = flag.Bool("hostile.strict", false, "hold honest nodes to twice the quiet time, to 64 MiB, and to a quarter of a processor for each attacker")

// flooded is how many keys, and how many tombstones, a flood comes to.
var flooded = flag.Int("hostile.flood", usualFlood, "keys that a flood writes; beside a larger one than usual honest work goes on until it is there")

const (
	usualFlood = 10_000
	floodMost  = 5 * time.Minute // that a larger one is waited for
)

// window is for how long an attack goes on at least.
func window() time.Duration {
	if *strict {
		return 3 * time.Second
	}
	return 250 * time.Millisecond
}

// room is what a limit is, where other things run too.
func room[T time.Duration | int64](limit T) T {
	if *strict {
		return limit
	}
	return 4 * limit
}

// expect says what an attack may come to.
type expect struct {
	number  int      // of attackers; 0: one
	banned  bool     // each attacker is turned away by each node
	refused []string // kinds of refusals that must be counted
	never   []string // what attackers must not see
	ticket  bool     // it has proved possession: no bound on answers
	joiner  bool     // another node joins meanwhile
	full    bool     // what honest nodes pass on may find no room
	each    bool     // memory counts for each node: what members write takes its place
	deletes bool     // a member may delete what it likes; what goes that way is kept aside
	keys    int      // that a flood writes
	comes   int      // of them, that surely come to each node; 0: all
	// counted is what grows by as much as comes; honest work goes on until it has. nil: nothing does.
	counted func(minikv.Metrics) int64
	share   float64 // of a processor that an attacker may cost; 0: maxEffort
}

// attack runs honest work beside an attack.
func (m *mesh) attack(e *enemies, name string, want expect) hostile.Report {
	t := m.t
	t.Helper()
	o := hostile.Order{Attack: name, Number: max(1, want.number), Nodes: m.addrs(), Tickets: m.tickets, Keys: want.keys, Seed: *seed}
	debug.FreeOSMemory()
	flood := m.beforeFlood(&want)
	before, growth := resident(t), int64(0)
	e.start(o)
	ids := map[string]bool{}
	e.mu.Lock()
	for _, id := range e.latest[name].IDs {
		ids[id] = true
	}
	e.mu.Unlock()
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			m.watch(ids)
			growth = max(growth, resident(t)-before)
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	if want.joiner {
		began := time.Now()
		m.join()
		m.settle()
		t.Logf("another node joined in %v", time.Since(began).Round(time.Millisecond))
		require.LessOrEqual(t, time.Since(began), room(floor), "a node that joins was held up")
	}
	began, spent, rounds := time.Now(), effort(t), 0
	took := time.Duration(0)
	for rounds == 0 || time.Since(began) < window() || flood.goesOn(began) {
		rounds++
		if want.deletes {
			m.write()
			m.pause()
			continue
		}
		took = max(took, m.work())
		if !flood.isLarge() {
			m.requireNoStrangers()
		}
	}
	lasted := time.Since(began)
	if want.counted != nil {
		t.Logf("to each node came %d of the flood after %v", flood.held(), lasted.Round(time.Millisecond))
	}
	spent = effort(t) - spent - time.Duration(rounds)*m.effort
	share := float64(spent) / float64(lasted) / float64(o.Number*len(m.regs))
	if want.banned {
		for began := time.Now(); !m.allBanned(ids) && time.Since(began) < 20*time.Second; {
			took = max(took, m.work())
		}
	}
	close(stop)
	<-watched
	for began := time.Now(); !m.haveRefused(ids, want.refused) && time.Since(began) < 20*time.Second; { // attackers may be slow on a busy machine
		took = max(took, m.work())
	}
	report := e.end(o)[0]
	if want.deletes {
		t.Logf("%d entries were put back", m.recover())
	}
	if want.full {
		m.arrive() // nodes without room are not equal
	} else {
		m.settle()
	}
	m.requireNoStrangers()
	m.requireClocks()
	m.requireLocks()
	if !want.full {
		m.converge()
	}
	m.watch(ids)
	refused, most := m.refusals(ids)
	t.Logf("%s: %d attackers sent %v and saw %v; refused %v, at most %d of one by one node, banned %d; bytes %d in, %d out, worst answer %v; work took %v, quiet %v; memory grew by %.1f MiB, processor %.1f %% for each attacker and node",
		name, o.Number, report.Sent, report.Seen, refused, most, m.countBanned(ids), report.In, report.Out, report.Ratio, took.Round(time.Millisecond), m.quiet.Round(time.Millisecond), float64(growth)/(1<<20), 100*share)
	m.requireNoBlame(want.full)
	require.LessOrEqual(t, took, room(max(2*m.quiet, floor)), "honest nodes were held up")
	if want.each {
		growth /= int64(len(m.regs))
	}
	if !flood.isLarge() || want.full { // else what it writes is held, as much as it is: TestFloodsAgainstALimit is for that
		require.LessOrEqual(t, growth, room(int64(maxGrowth)), "memory")
	}
	if want.share == 0 {
		want.share = maxEffort
	}
	if *strict {
		require.LessOrEqual(t, share, want.share, "processor")
	}
	if want.banned {
		require.True(t, m.allBanned(ids), "not all are turned away")
		require.LessOrEqual(t, most, uint64(maxBad))
	}
	for _, kind := range want.refused {
		require.Positive(t, refused[kind], "refusals counted as %s", kind)
	}
	for _, what := range want.never {
		require.Zero(t, report.Seen[what], what)
	}
	for kind, r := range report.Ratio {
		require.LessOrEqual(t, r.Reply, maxRatio*r.Request, "the answer to a %s", kind)
	}
	if !want.ticket {
		require.Zero(t, report.Seen["heard gossip"], "peers without proof were sent gossip")
		require.LessOrEqual(t, report.In, maxRatio*report.Out, "all that was sent to peers without proof")
	}
	return report
}

// flood is what nodes held before one.
type flood struct {
	m      *mesh
	of     *expect
	before []int64
}

func (m *mesh) beforeFlood(of *expect) *flood {
	f := &flood{m: m, of: of}
	for _, r := range m.regs {
		if of.counted != nil {
			f.before = append(f.before, of.counted(r.Metrics()))
		}
	}
	return f
}

// isLarge says whether a flood is larger than usual: walking it each time would hold up honest work more than it does.
func (f *flood) isLarge() bool { return f.of.keys > usualFlood }

// goesOn says whether honest work is to go on beside a large flood.
func (f *flood) goesOn(began time.Time) bool {
	return f.isLarge() && time.Since(began) < floodMost && f.held() < f.most()
}

// most is how much is waited for.
func (f *flood) most() int64 {
	if f.of.comes > 0 {
		return int64(f.of.comes)
	}
	return int64(f.of.keys)
}

// held is how much of the flood came to the node to which least came.
func (f *flood) held() int64 {
	least := f.most()
	for i, was := range f.before {
		least = min(least, f.of.counted(f.m.regs[i].Metrics())-was)
	}
	return least
}

// requireNoBlame requires that no honest node is held to have done anything wrong; full says that there may have been no room
// for what it passed on.
func (m *mesh) requireNoBlame(full bool) {
	m.t.Helper()
	m.eachView(func(i, j int, p minikv.PeerInfo) {
		if full {
			delete(p.Refusals, minikv.RefusedFull)
		}
		require.Empty(m.t, p.Refusals, "node %d refused something of node %d", i, j)
	})
	m.requireNoBans()
}

// requireNoBans requires that no honest node is turned away. Among very many attackers one may pass on so much of theirs that
// its gossip is not looked at for a while; exchanges go on.
func (m *mesh) requireNoBans() {
	m.t.Helper()
	m.eachView(func(i, j int, p minikv.PeerInfo) {
		require.Zero(m.t, p.BannedUntil, "node %d has banned node %d", i, j)
	})
}

// eachView calls fn with what each honest node says of each other one.
func (m *mesh) eachView(fn func(i, j int, p minikv.PeerInfo)) {
	m.t.Helper()
	for i, r := range m.regs {
		for j, o := range m.regs {
			for _, p := range r.Node().Peers() {
				if p.ID == o.Node().ID() {
					fn(i, j, p)
				}
			}
		}
	}
}

func (m *mesh) allBanned(ids map[string]bool) bool { return m.countBanned(ids) == len(ids)*len(m.regs) }

func (m *mesh) countBanned(ids map[string]bool) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range ids {
		for i := range m.regs {
			if m.banned[fmt.Sprintf("%d %s", i, id)] {
				n++
			}
		}
	}
	return n
}

// refusals are the sums by kind, and the largest of one attacker at one node.
func (m *mesh) refusals(ids map[string]bool) (map[string]uint64, uint64) {
	sum, most := map[string]uint64{}, uint64(0)
	for of, kinds := range m.conduct {
		if !ids[strings.Fields(of)[1]] {
			continue
		}
		all := uint64(0)
		for kind, n := range kinds {
			sum[kind] += n
			all += n
		}
		most = max(most, all)
	}
	return sum, most
}

// haveRefused says whether something of each kind was refused of the peers by now.
func (m *mesh) haveRefused(ids map[string]bool, kinds []string) bool {
	m.watch(ids)
	refused, _ := m.refusals(ids)
	return !slices.ContainsFunc(kinds, func(kind string) bool { return refused[kind] == 0 })
}

func TestOutsiders(t *testing.T) {
	e := newEnemies(t)
	m := newMesh(t, 3)
	for _, a := range []struct {
		name string
		expect
	}{
		{"garbage in the topic", expect{banned: true, refused: []string{"envelope", "message"}}},
		{"later versions in the topic", expect{refused: []string{"message"}}},
		{"guessed sessions", expect{banned: true, refused: []string{"message", "stranger"}, never: []string{"answered with a proof"}}},
		{"small requests", expect{refused: []string{"message"}, never: []string{"answered with a proof"}}},
		{"version downgrade", expect{refused: []string{"message"}, never: []string{"hello of another version was answered"}, ticket: true}},
		{"wrong ticket", expect{banned: true, refused: []string{"message", "stranger"}, never: []string{"session opened"}}},
		{"expired ticket", expect{banned: true, refused: []string{"message", "stranger"}, never: []string{"session opened"}}},
		{"read ticket that writes", expect{banned: true, refused: []string{"message"}, never: []string{"session merged"}, ticket: true}},
		{"replayed deltas", expect{banned: true, refused: []string{"message"}, ticket: true}},
		{"mangled deltas", expect{banned: true, refused: []string{"message", "envelope"}, ticket: true}},
		{"relayed proof", expect{number: 1, never: []string{"answered with a proof", "went on after the answer"}}},
		{"reflected proof", expect{never: []string{"answered with a proof", "went on after the answer"}}},
		{"score reset by reconnecting", expect{banned: true, refused: []string{"envelope"}}},
		{"first frame by drops", expect{}},
		{"sybils that stall", expect{number: 20, joiner: true}},
	} {
		t.Run(a.name, func(t *testing.T) {
			m.t = t
			e.t = t
			m.attack(e, a.name, a.expect)
		})
	}
}

func TestInsiders(t *testing.T) {
	e := newEnemies(t)
	m := newMesh(t, 3)
	for _, a := range []struct {
		name string
		expect
	}{
		{"future stamps", expect{refused: []string{"skew"}, ticket: true}}, // an honest node's clock may be wrong: it is not turned away
		{"forged actor", expect{banned: true, refused: []string{"forged"}, ticket: true}},
		{"CBOR bombs", expect{banned: true, refused: []string{"message"}, ticket: true}},
		{"claimed actors", expect{banned: true, refused: []string{"forged"}, ticket: true}},
		{"horizon of origins", expect{banned: true, refused: []string{"message"}, ticket: true}},
		{"dots of others", expect{ticket: true}},
		{"lying context", expect{ticket: true}},
		{"lying context with a horizon", expect{ticket: true}},
		{"forgotten deletes", expect{ticket: true, deletes: true}},
		{"claims of writes to come", expect{ticket: true}},
		{"context of ghosts", expect{ticket: true}},
		{"lying root", expect{ticket: true}},
		{"endless session", expect{ticket: true}},
		{"everything again and again", expect{ticket: true}},
		{"unfinished frames", expect{refused: []string{"frames"}, ticket: true, each: true}},
		{"flapping subscription", expect{ticket: true}},
		{"values that are not there", expect{ticket: true}},
		{"leases of others", expect{refused: []string{"malformed"}, ticket: true}},
		{"expiries", expect{ticket: true}},
		{"flood of writers", expect{ticket: true, each: true, share: 1, keys: 3_000}},
		{"flood of keys", expect{ticket: true, each: true, share: 1, keys: *flooded, counted: func(m minikv.Metrics) int64 { return m.Keys }}},
		{"flood of tombstones", expect{ticket: true, each: true, share: 1, keys: *flooded, counted: func(m minikv.Metrics) int64 { return m.Tombstones }}},
	} {
		t.Run(a.name, func(t *testing.T) {
			m.t = t
			e.t = t
			m.attack(e, a.name, a.expect)
		})
	}
}

// Where nodes have a limit, floods take no more than that, and honest writers have room.
func TestFloodsAgainstALimit(t *testing.T) {
	cfg := config()
	cfg.MaxBytes = 16 << 20
	e := newEnemies(t)
	m := newMeshOf(t, 3, cfg)
	keys := max(*flooded, leastAgainstALimit)
	came := func(m minikv.Metrics) int64 { return m.Keys + m.Tombstones + int64(m.RefusedFull) }
	for _, name := range []string{"flood of keys", "flood of tombstones"} {
		t.Run(name, func(t *testing.T) {
			m.t = t
			e.t = t
			m.attack(e, name, expect{ticket: true, each: true, share: 1, full: true, keys: keys, comes: keys / len(m.regs), counted: came, refused: []string{minikv.RefusedFull}})
			for _, r := range m.regs {
				require.LessOrEqual(t, r.Metrics().Weight, cfg.MaxBytes)
			}
		})
	}
}

// leastAgainstALimit is how many keys do not fit.
const leastAgainstALimit = 150_000

// A node whom attackers have reached first, many of them, and who dials it all the time, still has its links to the honest
// nodes that it knows, and what they write.
func TestEclipse(t *testing.T) {
	e := newEnemies(t)
	m := newMesh(t, 3)
	victim := config()
	victim.MaxConnections = 24
	text := m.ticket(minikv.RightsWrite)
	r := m.open(victim, func(n *minikv.Node) (*minikv.Registry, error) { return n.Join(ctx, text) })
	o := hostile.Order{Attack: "eclipse", Number: 30, Nodes: r.Node().Addrs()[:1], Tickets: m.tickets, Seed: *seed}
	e.start(o)
	known := m.addrs()
	for _, addr := range known {
		_, err := r.Node().Connect(within(t), addr)
		require.NoError(t, err)
	}
	m.regs = append(m.regs, r)
	for range 3 {
		m.work()
		outbound := 0
		for _, p := range r.Node().Peers() {
			for _, addr := range known {
				if p.Connected && !p.Inbound && strings.HasSuffix(addr, string(p.ID)) {
					outbound++
				}
			}
		}
		require.GreaterOrEqual(t, outbound, 2, "links to honest nodes")
	}
	report := e.end(o)[0]
	t.Logf("30 attackers were %v and saw %v", report.Sent, report.Seen)
	m.settle()
	m.requireNoBlame(false)
}
