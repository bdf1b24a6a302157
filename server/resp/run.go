package resp

import (
	"bytes"
	"hash/maphash"

	"github.com/minikv/minikv"
)

// setRun is a run of SETs that arrived together, of one connection or, in a loop, of several: they are written as one
// batch, and of several to a key the last one alone. Their answers are there already, and are written anew, one by one,
// if the batch fails.
type setRun struct {
	sets  []pendingSet
	bytes int
	db    *database // of all
	conns []*conn   // whose they are
	batch *minikv.Batch
	of    *minikv.Registry // the batch's
}

// joined says where in its answers those of a connection to SETs of a run are.
type joined struct {
	mark    int // in out: the first of them; -1: it has none in the run
	replies int // of the connection, before that one
}

// pendingSet shares the reader's memory, which stays as it is until the answers are written.
type pendingSet struct {
	c          *conn
	key, value []byte
	expiry     expiry
	replaced   bool // by a later one of the run: nobody will see its value
}

const (
	maxRun      = 512     // SETs: others wait for a batch
	maxRunBytes = 1 << 20 // keys and values
)

// joinRun adds the present SET.
func (c *conn) joinRun(e expiry) {
	run := c.run
	if run.db != c.db {
		run.end()
		run.db = c.db
	}
	if c.joined.mark < 0 {
		c.joined = joined{c.start, c.replies - 1}
		run.conns = append(run.conns, c)
	}
	p := pendingSet{c: c, key: c.cmd.arg(1), value: c.cmd.arg(2), expiry: e}
	run.sets = append(run.sets, p)
	run.bytes += len(p.key) + len(p.value)
	c.ok()
	if len(run.sets) == maxRun || run.bytes > maxRunBytes {
		run.end()
	}
}

// endRun writes the run if it has SETs of this connection. To be called before anything else is looked at or written
// for it. Those of others may stay: their clients have no answer yet, so nobody can tell that they are late.
func (c *conn) endRun() {
	if c.joined.mark >= 0 {
		c.run.end()
	}
}

// end writes the run.
func (run *setRun) end() {
	if len(run.sets) == 0 {
		return
	}
	sets, conns := run.sets, run.conns
	run.sets, run.bytes, run.conns = sets[:0], 0, conns[:0]
	defer clear(sets)
	defer clear(conns)
	r := run.registry()
	whole := r != nil && len(sets) > 1 && run.write(r, sets) == nil
	for _, c := range conns {
		j := c.joined
		c.joined.mark = -1
		if whole {
			c.wroteFrom(r, j.mark, j.replies)
			continue
		}
		c.storeEach(sets, j)
	}
}

// storeEach writes this connection's SETs of a run one by one, each with an answer of its own.
func (c *conn) storeEach(sets []pendingSet, j joined) {
	replies := c.replies
	c.out, c.replies = c.out[:j.mark], j.replies
	for _, p := range sets {
		if p.c == c {
			c.begin()
			c.storeOne(p)
		}
	}
	c.replies, c.start = replies, len(c.out)
}

func (run *setRun) registry() *minikv.Registry {
	if run.db == nil {
		return nil
	}
	r, err := run.db.registry(background)
	if err != nil {
		return nil
	}
	return r
}

func (run *setRun) write(r *minikv.Registry, sets []pendingSet) error {
	if run.of != r {
		run.of, run.batch = r, r.NewBatch(minikv.NoWait())
	}
	b := run.batch
	var last lastWrites
	for i := len(sets) - 1; i >= 0; i-- {
		last.mark(sets, i, sets[i].c.s.cfg.MaxValue)
	}
	for i := range sets {
		p := &sets[i]
		if p.replaced {
			continue
		}
		if p.expiry == (expiry{}) {
			b.Put(string(p.key), p.value)
			continue
		}
		b.Put(string(p.key), p.value, p.c.putOptions(p.expiry)...)
	}
	run.db.mu.RLock()
	_, err := b.Commit(background)
	run.db.mu.RUnlock()
	if err != nil {
		b.Reset()
	}
	return err
}

// lastWrites finds, going through a run from its end, the SETs that a later one replaces. It remembers one key for
// each slot: a SET it overlooks is written, which does no harm.
type lastWrites [256]uint16 // by hash: one more than the position in the run; 0: none

var runSeed = maphash.MakeSeed()

// mark says whether set i is replaced. One that would be refused is not: then all of the run are to be answered one by
// one. Nor is one whose expiry a later SET keeps.
func (l *lastWrites) mark(sets []pendingSet, i, maxValue int) {
	p := &sets[i]
	slot := &l[uint8(maphash.Bytes(runSeed, p.key))]
	if next := int(*slot) - 1; next >= 0 && len(p.value) <= maxValue && !sets[next].expiry.keep && bytes.Equal(p.key, sets[next].key) {
		p.replaced = true
		return
	}
	*slot = uint16(i + 1)
}

func (c *conn) storeOne(p pendingSet) {
	r := c.registry()
	if r == nil {
		return
	}
	c.db.mu.RLock()
	err := c.put(r, string(p.key), p.value, p.expiry)
	c.db.mu.RUnlock()
	if err != nil {
		c.failed(r, err)
		return
	}
	c.ok()
}
