package property_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/minikv/minikv/store"
)

// node is a machine: a name, a wall clock that is wrong, and maybe a disk. What
// runs on it is a process, which comes and goes.
type node struct {
	w       *world
	index   int
	name    string // its peer id
	durable bool
	skew    time.Duration
	disk    image
	backups []image
	faulty  bool // the disk refuses writes
	proc    *process
	gone    bool          // never comes back
	reader  bool          // may only read
	issued  hlc.Timestamp // highest stamp it has issued and should remember
	made    []*op         // writes of the running process since its last sync
}

// image is what is on a disk. It is never changed, only replaced.
type image struct {
	state   *lwwmap.Map // in memory, or
	fs      *vfs.MemFS  // with a store in it
	witness *witness
	ceiling hlc.Timestamp
	acked   []*op // writes acknowledged as durable
}

// process is a replica that runs on a node.
type process struct {
	*node
	rep     *replica.Replica
	store   *store.Store // nil: the disk is simulated, too
	clock   *hlc.Clock
	born    time.Duration
	witness *witness
	heard   map[int]bool            // gossip messages
	latest  map[*node]time.Duration // when the newest message from a neighbour was sent
	leases  []*handle
	topWall time.Time     // latest wall time that its clock was given
	floor   hlc.Timestamp // where its clock began
	tickAt  time.Duration
	publish bool // an event to publish is under way
	noisy   bool // something changed since the last check
	count   uint64
	dead    bool
}

func (w *world) addNode() *node {
	n := &node{w: w, index: len(w.nodes), name: fmt.Sprintf("n%02d", len(w.nodes)), durable: w.chance(w.plan.durable)}
	n.skew = w.skew()
	w.nodes = append(w.nodes, n)
	return n
}

// skew draws how wrong a wall clock is.
func (w *world) skew() time.Duration {
	within := 500 * time.Millisecond
	switch {
	case w.plan.far && w.chance(0.4):
		within = 10 * time.Minute
	case w.plan.wide:
		within = 25 * time.Second
	}
	return time.Duration(w.rng.Int64N(2*int64(within))) - within
}

// boot starts a process from what is on the disk.
func (n *node) boot() *process {
	w := n.w
	p := &process{node: n, born: w.now, heard: map[int]bool{}, latest: map[*node]time.Duration{}}
	c := hlc.Config{}
	if n.durable {
		c.Ceiling, c.Reserve = n.disk.ceiling, n.reserve
	}
	p.clock = hlc.NewClock(c)
	var state *lwwmap.Map
	switch {
	case n.durable && w.stores:
		state = p.openStore()
	case n.disk.state != nil:
		state = n.disk.state.Clone()
	}
	if n.disk.witness != nil {
		p.witness = n.disk.witness.clone()
	} else {
		p.witness = newWitness(w.book)
	}
	n.proc, n.made = p, nil
	p.rep = replica.New(replica.Config{
		Peer: n.name, Registry: "simulated", Clock: p.clock, Rand: rand.New(rand.NewPCG(w.rng.Uint64(), w.rng.Uint64())),
		DigestKey: []byte("simulated"), Retention: w.plan.retain, SyncEvery: w.plan.sync, Notify: p.changed, Lock: stepEnd{p},
	}, state, p.instant())
	p.floor = p.clock.Last()
	w.note("boot", n.index)
	w.tell("%s boots, durable %t, holds %d entries", n.name, n.durable, p.rep.Map().Len(lwwmap.Data))
	p.checkAcked()
	p.settle()
	p.scheduleTick()
	return p
}

var errDisk = errors.New("disk full")

func (n *node) reserve(t hlc.Timestamp) error {
	if n.faulty {
		return errDisk
	}
	if t < n.disk.ceiling {
		n.w.fail("the clock of %s lowers its ceiling", n.name)
	}
	n.disk.ceiling = t
	return nil
}

// instant reads the node's clocks.
func (p *process) instant() replica.Instant {
	at := replica.Instant{Wall: p.w.start.Add(p.w.now + p.skew), Mono: p.w.now - p.born + time.Second}
	if at.Wall.After(p.topWall) {
		p.topWall = at.Wall
	}
	p.w.book.reading = max(p.w.book.reading, hlc.FromTime(at.Wall))
	return at
}

// changed is told of each change by the replica, inside the step.
func (p *process) changed(c replica.Change) {
	w := p.w
	p.noisy = true
	if !c.Rival.IsZero() {
		w.tally[cRivals]++
		w.tell("%s hears of a rival lease %s", p.name, show(c.Rival))
		return
	}
	w.noteChange(p, c)
	if c.Local {
		p.wrote(c.Now)
	}
	if c.Expired {
		w.tally[cExpired]++
	}
	if c.Dropped && !c.Now.IsZero() {
		// The join has taken out a higher entry, and this one, which had lost to
		// it before, is what remains: a late write.
		p.witness.forgive(c.Now)
	}
	if p.reader && !c.Now.IsZero() && p.witness.forgive(c.Now) {
		w.tally[cFollowed]++ // a writer that has seen all that the reader has holds it
	}
	w.must(p.named(p.witness.changed(c.Was, c.Now)))
	if !c.Local && !c.Dropped && !c.Now.IsZero() {
		if at := p.instant(); c.Now.Stamp() > hlc.FromTime(at.Wall).Add(hlc.DefaultMaxSkew+time.Millisecond) {
			w.fail("%s accepts %s, which is more than a minute ahead of its wall clock", p.name, show(c.Now))
		}
	}
}

func (w *world) noteChange(p *process, c replica.Change) {
	var numbers [4]uint64
	if !c.Now.IsZero() {
		d := c.Now.Dot()
		numbers[0], numbers[1] = uint64(d.Actor), d.Seq
	}
	if !c.Was.IsZero() {
		d := c.Was.Dot()
		numbers[2], numbers[3] = uint64(d.Actor), d.Seq
	}
	w.note("change", p.index, numbers[:]...)
	w.tell("%s changes: %s -> %s (local %t, expired %t, dropped %t)", p.name, show(c.Was), show(c.Now), c.Local, c.Expired, c.Dropped)
}

func (p *process) named(err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// wrote enters a write of this process in the ledger.
func (p *process) wrote(r lwwmap.Record) {
	w := p.w
	w.must(p.named(p.witness.wrote(r)))
	for _, o := range w.book.bySlot[w.book.slot(slotKey{r.Kind(), r.Key()})] {
		if o.stamp == r.Stamp() && o.dot.Actor != r.Dot().Actor {
			w.tally[cTies]++
		}
	}
	if r.Deleted() {
		w.tally[cTombstones]++
	}
	o, ok := w.book.add(r)
	if !ok {
		w.fail("%s issues %s, a dot that is not the next of its actor", p.name, show(r))
	}
	if o.stamp <= p.issued {
		w.fail("%s issues %s, not above %s, which it issued before", p.name, show(r), p.issued)
	}
	p.issued = o.stamp
	p.made = append(p.made, o)
}

// settle ends each step of a process: checks it, and has it publish and tick
// in time.
func (p *process) settle() {
	if p.dead {
		return
	}
	p.commit()
	p.check()
	if p.rep.Pending() && !p.publish {
		p.publish = true
		p.w.after(p.w.exp(5*time.Millisecond), p.flush)
	}
	if wait := p.rep.NextTick(p.instant(), idle); p.tickAt > p.w.now+wait {
		p.scheduleTick()
	}
}

// check looks at the state if it may have changed.
func (p *process) check() {
	n := p.rep.Map().Context().Count()
	if !p.noisy && n == p.count {
		return
	}
	p.noisy, p.count = false, n
	p.w.must(p.named(p.witness.check(p.rep.Map())))
	if last := p.clock.Last(); last > max(hlc.FromTime(p.topWall).Add(hlc.DefaultMaxSkew+time.Millisecond), p.issued, p.floor) {
		p.w.fail("the clock of %s is at %s, more than a minute ahead of any wall time it has seen", p.name, last)
	}
}

// idle is the longest time between two ticks.
const idle = 500 * time.Millisecond

func (p *process) scheduleTick() {
	wait := p.rep.NextTick(p.instant(), idle)
	p.tickAt = p.w.now + wait
	at := p.tickAt
	p.w.after(wait, func() {
		if !p.dead && p.tickAt == at {
			p.tick()
		}
	})
}

// tick does what time demands and opens the sessions that are due.
func (p *process) tick() {
	dial, more := p.rep.Tick(p.instant())
	p.commit()
	if wait := p.rep.NextTick(p.instant(), idle); wait == 0 && len(dial) == 0 && !more {
		p.w.fail("%s wants to tick again at once, and has nothing to do", p.name)
	}
	for _, peer := range dial {
		p.dial(peer)
	}
	for _, f := range p.rep.Fetches() {
		p.fetch(f)
	}
	p.fetchSome()
	p.settle()
	p.scheduleTick()
}
