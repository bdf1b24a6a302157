package property_test

import (
	"slices"
	"time"
)

// fault lets one random thing go wrong.
func (w *world) fault() {
	switch n := w.rng.IntN(100); {
	case w.plan.far && n < 30:
		w.jump()
	case n < 18:
		w.partition(true)
	case n < 34:
		w.partition(false)
	case n < 65:
		w.crashAndRestart()
	case n < 77:
		w.join()
	case n < 85:
		w.leave()
	case n < 95:
		w.failDisk()
	default:
		w.sleep()
	}
}

// partition splits the nodes in two; nothing passes from the first part to the
// second, nor back if both is set.
func (w *world) partition(both bool) {
	first := make(map[*node]bool)
	for _, n := range w.nodes {
		first[n] = w.chance(0.5)
	}
	type side struct {
		l *link
		i int
	}
	var sides []side
	for _, l := range w.links {
		for i := range l.ends {
			if from, to := first[l.ends[i]], first[l.ends[1-i]]; from && !to || both && to && !from {
				sides = append(sides, side{l, i})
			}
		}
	}
	if len(sides) == 0 {
		return
	}
	if both {
		w.tally[cTwoWay]++
	} else {
		w.tally[cOneWay]++
	}
	w.note("partition", len(sides))
	w.tell("a partition, both ways %t", both)
	turn := func(by int) {
		for _, s := range sides {
			s.l.dark[s.i] += by
		}
		for _, n := range w.nodes {
			w.relink(n)
		}
	}
	turn(1)
	w.after(w.exp(3*time.Second), func() {
		w.tell("a partition ends")
		turn(-1)
	})
}

// join brings a new node in.
func (w *world) join() {
	if len(w.nodes) > 14 {
		return
	}
	n := w.addNode()
	for range 1 + w.rng.IntN(3) {
		if to := pick(w, w.nodes); !to.gone {
			w.connect(n, to)
		}
	}
	w.bridge()
	w.tally[cJoin]++
	n.boot()
	w.relink(n)
}

// leave takes a node out for ever, with all that nobody has heard from it.
func (w *world) leave() {
	up := w.up()
	if len(up) < 4 {
		return
	}
	p := pick(w, up)
	if !p.reader && len(w.writersUp()) < 4 {
		return
	}
	n := p.node
	crashes := [2]int{w.tally[cCrashMemory], w.tally[cCrashDisk]}
	p.crash()
	w.tally[cCrashMemory], w.tally[cCrashDisk] = crashes[0], crashes[1]
	w.tally[cLeave]++
	w.tell("%s leaves for ever", n.name)
	n.gone = true
	w.links = slices.DeleteFunc(w.links, func(l *link) bool { return l.ends[0] == n || l.ends[1] == n })
	w.bridge()
}

// bridge adds links until the overlay of the nodes that stay is connected.
func (w *world) bridge() {
	var stay []*node
	for _, n := range w.nodes {
		if !n.gone {
			stay = append(stay, n)
		}
	}
	var writers []*node
	for _, n := range stay {
		if len(writers) > 0 && w.distances(writers[0])[n] < 0 {
			w.connect(n, writers[w.rng.IntN(len(writers))])
			w.relink(n)
		}
		if !n.reader {
			writers = append(writers, n)
		}
	}
}

// distances returns the hops from a node to each, -1 if there is no way. No way
// leads through a reader, which passes nothing on.
func (w *world) distances(from *node) map[*node]int {
	d := map[*node]int{}
	for _, n := range w.nodes {
		d[n] = -1
	}
	d[from] = 0
	for queue := []*node{from}; len(queue) > 0; queue = queue[1:] {
		if queue[0].reader && queue[0] != from {
			continue
		}
		for _, l := range w.linksOf(queue[0]) {
			if n := l.other(queue[0]); d[n] < 0 {
				d[n] = d[queue[0]] + 1
				queue = append(queue, n)
			}
		}
	}
	return d
}

// diameter is the longest way between two nodes.
func (w *world) diameter() (most int) {
	for _, n := range w.nodes {
		if !n.gone {
			for _, d := range w.distances(n) {
				most = max(most, d)
			}
		}
	}
	return most
}

// jump sets a wall clock, in worlds whose clocks are that wrong.
func (w *world) jump() {
	n := pick(w, w.nodes)
	by := time.Duration(w.rng.Int64N(int64(20*time.Minute))) - 10*time.Minute
	if n.skew+by > 10*time.Minute || n.skew+by < -10*time.Minute {
		by = -n.skew
	}
	if by < 0 {
		w.tally[cJump]++
	}
	n.skew += by
	w.tell("the wall clock of %s jumps by %s", n.name, by)
	w.note("jump", n.index, uint64(by))
}

// sleep lets days go by.
func (w *world) sleep() {
	d := time.Duration(w.rng.Int64N(int64(10 * 24 * time.Hour)))
	w.tally[cSleep]++
	w.tell("%s go by", d)
	w.now += d
}
