package resp

import (
	"bytes"
	"hash/maphash"

	"github.com/minikv/minikv"
)

// setRun is a run of SETs that arrived together: they are written as one batch, and of several to a key the last one
// alone. Their answers are there already, and are written anew, one by one, if the batch fails.
type setRun struct {
	sets    []pendingSet
	bytes   int
	mark    int // in out: the first of their answers
	replies int // of the connection, before that one
	batch   *minikv.Batch
	of      *minikv.Registry // the batch's
}

// pendingSet shares the reader's memory, which stays as it is until the answers are written.
type pendingSet struct {
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
	if len(c.run.sets) == 0 {
		c.run.mark, c.run.replies = c.start, c.replies-1
	}
	p := pendingSet{key: c.cmd.arg(1), value: c.cmd.arg(2), expiry: e}
	c.run.sets = append(c.run.sets, p)
	c.run.bytes += len(p.key) + len(p.value)
	c.ok()
	if len(c.run.sets) == maxRun || c.run.bytes > maxRunBytes {
		c.endRun()
	}
}

// endRun writes the run. To be called before anything else is looked at or written.
func (c *conn) endRun() {
	if len(c.run.sets) == 0 {
		return
	}
	sets := c.run.sets
	c.run.sets, c.run.bytes = sets[:0], 0
	defer clear(sets)
	if r := c.runRegistry(); r != nil && len(sets) > 1 && c.writeRun(r, sets) == nil {
		c.wroteFrom(r, c.run.mark, c.run.replies)
		return
	}
	// One by one, each with an answer of its own.
	replies := c.replies
	c.out, c.replies = c.out[:c.run.mark], c.run.replies
	for _, p := range sets {
		c.begin()
		c.storeOne(p)
	}
	c.replies, c.start = replies, len(c.out)
}

func (c *conn) runRegistry() *minikv.Registry {
	if c.db == nil {
		return nil
	}
	r, err := c.db.registry(background)
	if err != nil {
		return nil
	}
	return r
}

func (c *conn) writeRun(r *minikv.Registry, sets []pendingSet) error {
	if c.run.of != r {
		c.run.of, c.run.batch = r, r.NewBatch(minikv.NoWait())
	}
	b := c.run.batch
	var last lastWrites
	for i := len(sets) - 1; i >= 0; i-- {
		last.mark(sets, i, c.s.cfg.MaxValue)
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
		b.Put(string(p.key), p.value, c.putOptions(p.expiry)...)
	}
	c.db.mu.RLock()
	_, err := b.Commit(background)
	c.db.mu.RUnlock()
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
