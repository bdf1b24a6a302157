package lwwmap

// A write changes the hash table at once, and then the indexes. In a batch
// nobody reads these before its end, nor the hashes of its records; so both may
// follow behind, on another core: each half costs about the same.

// indexJob brings the indexes in step with one write.
type indexJob struct {
	slot     uint64
	was, now Record
	cell     *cell
	fresh    bool // the cell is not yet in the order of keys
}

func (t *memory) index1(j *indexJob) {
	if !j.was.IsZero() {
		t.unindex(j.was)
	}
	j.cell.rec = j.now
	if j.fresh {
		t.byKey[j.now.Kind()-Data].Set(order(j.cell))
	}
	t.reindex(j.now)
}

// indexJobs hands jobs on, in their order. Without a batch they are done at once.
type indexJobs struct {
	chunk []indexJob      // being filled; nil: no batch
	full  chan []indexJob // to the one who does them
}

const (
	jobChunk  = 128 // jobs handed on at a time
	jobChunks = 16  // on the way at most
)

func (q *indexJobs) do(t *memory, j indexJob) {
	if q.chunk == nil {
		t.index1(&j)
		return
	}
	if q.chunk = append(q.chunk, j); len(q.chunk) == jobChunk {
		q.full <- q.chunk
		q.chunk = make([]indexJob, 0, jobChunk)
	}
}

// batch calls fn, and do before each job that is done behind it.
func (t *memory) batch(spawn func(func()), do func(*indexJob), fn func()) {
	q, done := &t.jobs, make(chan struct{})
	q.chunk, q.full = make([]indexJob, 0, jobChunk), make(chan []indexJob, jobChunks)
	spawn(func() {
		defer close(done)
		for chunk := range q.full {
			for i := range chunk {
				do(&chunk[i])
				t.index1(&chunk[i])
			}
		}
	})
	defer func() {
		q.full <- q.chunk
		close(q.full)
		<-done
		*q = indexJobs{}
	}()
	fn()
}

// Batch calls fn, which may write and look keys up, nothing else: not even look
// at the hash of a record. A map in memory puts the indexes in order meanwhile,
// in a function that it hands to spawn, which must let it run beside fn; both
// are done when Batch returns.
func (m *Map) Batch(spawn func(func()), fn func()) {
	t, ok := m.rows.(*memory)
	if !ok {
		fn()
		return
	}
	m.batching = true
	defer func() { m.batching = false }()
	t.batch(spawn, func(j *indexJob) {
		j.now.seal(m.digestKey)
		m.resum(j.slot, j.was, j.now)
	}, fn)
}
