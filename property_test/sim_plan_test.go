package property_test

import "time"

// plan is what a seed draws before it begins: the size of the world and how
// unkind it is.
type plan struct {
	nodes    int
	keys     int
	ops      int
	pace     time.Duration // mean time between operations
	loss     float64       // of gossip messages
	replay   float64       // of gossip messages that come again later
	delay    time.Duration // mean of a hop
	cut      float64       // of session frames behind which the connection breaks
	codec    bool          // everything travels as bytes
	big      bool          // some values are too long for gossip
	far      bool          // some wall clocks are minutes off, and jump
	wide     bool          // wall clocks are up to 25 seconds off
	durable  float64       // share of nodes with a disk
	lazy     bool          // disks are written now and then only, not before anything leaves the node
	retain   time.Duration // of tombstones
	sync     time.Duration // mean time between periodic sessions
	leaseTTL time.Duration
	faults   int  // partitions, crashes and the like
	byTicks  bool // after the faults the replicas' own schedule must make them equal
}

// drawPlan draws one. scale multiplies the number of operations.
func (w *world) drawPlan(scale float64) {
	r := w.rng
	p := &w.plan
	p.nodes = 3 + r.IntN(7)
	if w.chance(0.5) {
		p.nodes = 3 + r.IntN(2)
	}
	p.keys = 1 + r.IntN(6)
	p.ops = int(float64(40+r.IntN(160)) * scale)
	p.pace = pick(w, []time.Duration{5, 20, 50, 150}) * time.Millisecond
	p.loss = 0.3 * r.Float64()
	p.replay = 0.5 * r.Float64()
	p.delay = pick(w, []time.Duration{1, 10, 50, 200}) * time.Millisecond
	p.cut = pick(w, []float64{0, 0.01, 0.05, 0.15})
	p.codec = w.chance(0.4)
	p.big = w.chance(0.1)
	p.far = w.chance(0.1)
	p.wide = w.chance(0.1)
	p.durable = pick(w, []float64{0, 0.5, 0.7, 1})
	p.lazy = w.chance(0.2)
	p.retain = pick(w, []time.Duration{time.Millisecond, time.Second, time.Minute, 7 * 24 * time.Hour})
	p.sync = pick(w, []time.Duration{300 * time.Millisecond, time.Second, 3 * time.Second})
	p.leaseTTL = pick(w, []time.Duration{100 * time.Millisecond, time.Second, 30 * time.Second})
	p.faults = r.IntN(12)
	p.byTicks = w.chance(0.15)
	// Some worlds begin shortly before midnight, where the epochs of leases change.
	w.start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.Int64N(int64(24 * time.Hour))))
	if w.chance(0.2) {
		w.start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).Add(-time.Duration(r.Int64N(int64(10 * time.Second))))
	}
}
