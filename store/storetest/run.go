package storetest

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// Engine is what a test uses of an engine: one map, whose digest key is
// DigestKey. The functions that are nil are left out of the test.
type Engine struct {
	// Lock is held while the map is used.
	Lock sync.Locker
	// Open returns the map, which is new or as it was last left.
	Open func() (*lwwmap.Map, error)
	// Flush makes all commits durable.
	Flush func() error
	// Close ends the engine, durably. Open follows.
	Close func() error
	// Crash ends the engine; any number of the last commits that were not
	// flushed may be lost. Open follows.
	Crash func() error
	// End gives back what the engine holds on to.
	End func()
}

// Counts says how much of what a Run did.
type Counts struct{ Writes, Forged, Commits, Forks, Reopened, Crashes, Lost int }

// Run tests an engine. open makes a new one, whose options it may draw.
func Run(t *testing.T, open func(*rapid.T) Engine) (c Counts) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, engine: open(t), plain: newPlain(), seqs: map[crdt.Actor]uint64{}, clock: 1 << 20, counts: &c}
		if w.engine.Lock == nil {
			w.engine.Lock = new(sync.Mutex)
		}
		w.want = w.plain.at(0)
		w.open()
		w.engine.Lock.Lock()
		t.Repeat(w.actions())
		w.lookAtForks()
		w.engine.Lock.Unlock()
		if w.engine.End != nil {
			w.engine.End()
		}
	})
	t.Logf("%+v", c)
	return c
}

// world is a map on the engine and the same map on the plain table.
type world struct {
	t         *rapid.T
	engine    Engine
	plain     *plain
	want, got *lwwmap.Map
	flushed   int // commits
	clock     hlc.Timestamp
	seqs      map[crdt.Actor]uint64
	forks     []func()
	counts    *Counts
}

func (w *world) actions() map[string]func(*rapid.T) {
	a := map[string]func(*rapid.T){
		"apply":    func(t *rapid.T) { w.write(t, w.entry(t), (*lwwmap.Map).Apply) },
		"a few":    w.applyFew,
		"restore":  func(t *rapid.T) { w.write(t, w.entry(t), (*lwwmap.Map).Restore) },
		"forge":    w.forge,
		"many":     w.applyMany,
		"expire":   w.expire,
		"collect":  w.collect,
		"settle":   w.settle,
		"saw":      w.saw,
		"commit":   func(*rapid.T) { w.commit() },
		"walk":     w.walk,
		"snapshot": w.snapshot,
		"scan":     w.scanBesideWrites,
		"look":     func(*rapid.T) { w.lookAtForks() },
		"":         func(*rapid.T) { w.check() },
	}
	if w.engine.Flush != nil {
		a["flush"] = func(*rapid.T) {
			w.commit()
			require.NoError(w.t, w.unlocked(w.engine.Flush))
			w.flushed = len(w.plain.commits) - 1
		}
	}
	if w.engine.Close != nil {
		a["reopen"] = func(*rapid.T) { w.reopen() }
	}
	if w.engine.Crash != nil {
		a["crash"] = func(*rapid.T) { w.crash() }
	}
	return a
}

func (w *world) open() {
	var err error
	w.got, err = w.engine.Open()
	require.NoError(w.t, err)
}

// unlocked calls the engine itself, not its map.
func (w *world) unlocked(fn func() error) error {
	w.engine.Lock.Unlock()
	defer w.engine.Lock.Lock()
	return fn()
}

// both does the same to both maps, and compares what comes of it.
func (w *world) both(fn func(m *lwwmap.Map) any) {
	require.Equal(w.t, fn(w.want), fn(w.got))
}

func (w *world) check() {
	w.both(func(m *lwwmap.Map) any {
		return []any{m.Root(), m.Len(lwwmap.Data), m.Tombstones(), m.Bytes(), m.Horizons(), m.Context().Spans()}
	})
	w.both(func(m *lwwmap.Map) any { return Rows(m, m.Context()) })
	require.NoError(w.t, w.got.Err())
	w.got.Expiring(func(r lwwmap.Record) bool {
		require.NotZero(w.t, w.got.NextExpiry())
		require.LessOrEqual(w.t, w.got.NextExpiry(), r.Expires())
		return false
	})
}

func (w *world) commit() {
	w.counts.Commits++
	require.NoError(w.t, w.want.Commit())
	require.NoError(w.t, w.got.Commit())
}

func (w *world) key(t *rapid.T) string {
	key := rapid.SampledFrom([]string{"a", "aa", "ab", "b", "c\x00", "\xff", "\xff\xff", "k7", "k8", "long"}).Draw(t, "key")
	if key == "long" {
		key = strings.Repeat("l", rapid.SampledFrom([]int{255, 256, 1024, lwwmap.MaxKeyLen}).Draw(t, "length"))
	}
	return key
}

func (w *world) entry(t *rapid.T) lwwmap.Entry {
	actor := crdt.Actor(rapid.Uint64Range(1, 3).Draw(t, "actor"))
	w.seqs[actor] += rapid.SampledFrom([]uint64{1, 1, 1, 1, 3, 70, 1 << 33}).Draw(t, "step")
	w.clock++
	e := lwwmap.Entry{
		Kind: lwwmap.Kind(rapid.IntRange(1, 3).Draw(t, "kind")), Key: w.key(t),
		Dot: crdt.Dot{Actor: actor, Seq: w.seqs[actor]}, Stamp: w.clock,
	}
	if rapid.IntRange(0, 9).Draw(t, "lower") == 0 {
		e.Stamp -= 20
	}
	switch rapid.IntRange(0, 5).Draw(t, "form") {
	case 0, 1:
		e.Deleted = true
	case 2:
		e.Fence, e.Base = lwwmap.MakeToken(rapid.Uint64Range(1, 3).Draw(t, "epoch"), w.clock, 7), w.clock
	case 3:
		e.Expires = w.clock + hlc.Timestamp(rapid.IntRange(1, 50).Draw(t, "ttl"))
	}
	if !e.Deleted {
		e.Value = w.value(t)
	}
	return e
}

func (w *world) value(t *rapid.T) []byte {
	if rapid.IntRange(0, 19).Draw(t, "large") == 0 {
		return []byte(strings.Repeat("v", rapid.SampledFrom([]int{300, 5000, 1<<16 - 1, 1 << 16, 200_000}).Draw(t, "size")))
	}
	return rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "value")
}

type write func(m *lwwmap.Map, e lwwmap.Entry) (lwwmap.Outcome, lwwmap.Record, lwwmap.Record)

func (w *world) write(_ *rapid.T, e lwwmap.Entry, fn write) {
	w.counts.Writes++
	w.both(func(m *lwwmap.Map) any {
		o, now, was := fn(m, e)
		return []any{o, now.IsZero() || string(now.Packed()) == "", was.IsZero()}
	})
}

func (w *world) applyFew(t *rapid.T) {
	for range rapid.IntRange(2, 12).Draw(t, "entries") {
		w.write(t, w.entry(t), (*lwwmap.Map).Apply)
	}
}

// forge writes under a dot that another key may have.
func (w *world) forge(t *rapid.T) {
	e := w.entry(t)
	e.Dot.Seq = rapid.Uint64Range(e.Dot.Seq-min(e.Dot.Seq-1, 3), e.Dot.Seq).Draw(t, "used")
	w.counts.Forged++
	w.write(t, e, (*lwwmap.Map).Restore)
}

// applyMany writes more keys than any engine gathers at a time.
func (w *world) applyMany(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "rarely") != 0 {
		return
	}
	actor, n := crdt.Actor(rapid.Uint64Range(1, 3).Draw(t, "actor")), rapid.IntRange(250, 600).Draw(t, "keys")
	expires := rapid.Bool().Draw(t, "expire")
	for i := range n {
		w.seqs[actor]++
		w.clock++
		e := lwwmap.Entry{Kind: lwwmap.Data, Key: fmt.Sprintf("many%d", i), Dot: crdt.Dot{Actor: actor, Seq: w.seqs[actor]}, Stamp: w.clock}
		if expires {
			e.Expires = w.clock + 10
		}
		w.write(t, e, (*lwwmap.Map).Apply)
	}
}

func (w *world) expire(t *rapid.T) {
	w.clock += hlc.Timestamp(rapid.IntRange(0, 30).Draw(t, "later"))
	n := rapid.SampledFrom([]int{1, 3, 400}).Draw(t, "max")
	w.both(func(m *lwwmap.Map) any {
		return List(Everything, func(fn func(lwwmap.Record) bool) {
			for _, r := range m.Expire(w.clock, n) {
				fn(r)
			}
		})
	})
}

func (w *world) collect(t *rapid.T) {
	n := rapid.SampledFrom([]int{1, 2, 50}).Draw(t, "max")
	w.both(func(m *lwwmap.Map) any { return m.Collect(w.clock-3, n) })
}

func (w *world) settle(t *rapid.T) {
	other := new(crdt.Context)
	other.AddRanges(9, crdt.Ranges{{Lo: 1, Hi: w.seqs[1] + 1}})
	n := rapid.IntRange(1, 4).Draw(t, "drops")
	w.both(func(m *lwwmap.Map) any {
		var drops []lwwmap.Drop
		m.Ascend(lwwmap.Data, "", "", func(r lwwmap.Record) bool {
			drops = append(drops, lwwmap.Drop{Was: r})
			return len(drops) < n
		})
		return len(m.Settle(drops, other, new(lwwmap.Horizons)))
	})
}

// saw enters writes in the context of which nothing is held.
func (w *world) saw(t *rapid.T) {
	lo := rapid.Uint64Range(1, 1<<40).Draw(t, "lo")
	w.both(func(m *lwwmap.Map) any {
		m.Saw(4, crdt.Ranges{{Lo: lo, Hi: lo + 5}})
		return nil
	})
}

// walk compares walks that begin and end anywhere.
func (w *world) walk(t *rapid.T) {
	from, to, n := w.key(t), w.key(t), rapid.IntRange(0, 300).Draw(t, "max")
	lo := rapid.Uint64Range(0, 100).Draw(t, "lo")
	span := crdt.Span{Actor: crdt.Actor(rapid.Uint64Range(1, 4).Draw(t, "of")), Ranges: crdt.Ranges{{Lo: 1 + lo, Hi: 40 + lo}, {Lo: 60 + lo, Hi: 1 << 62}}}
	w.both(func(m *lwwmap.Map) any {
		return [][]string{
			List(n, func(fn func(lwwmap.Record) bool) { m.Ascend(lwwmap.Data, from, to, fn) }),
			List(n, func(fn func(lwwmap.Record) bool) { m.Ascend(lwwmap.Lease, from, "", fn) }),
			List(n, func(fn func(lwwmap.Record) bool) { m.Dots(span, fn) }),
			List(n, m.Expiring), List(n, m.OldestTombstones),
		}
	})
}

func (w *world) snapshot(*rapid.T) {
	w.commit()
	w.counts.Forks++
	w.both(func(m *lwwmap.Map) any { return State(m) })
	want, got := w.want.Snapshot(), w.got.Snapshot()
	w.forks = append(w.forks, func() {
		require.Equal(w.t, Rows(want, want.Context()), Rows(got, got.Context()))
		require.NoError(w.t, got.Err())
		want.Close()
		got.Close()
	})
}

func (w *world) lookAtForks() {
	for _, look := range w.forks {
		look()
	}
	w.forks = nil
}

// scanBesideWrites reads what a scan shows while the map is written.
func (w *world) scanBesideWrites(t *rapid.T) {
	w.commit()
	w.counts.Forks++
	want := List(Everything, func(fn func(lwwmap.Record) bool) { w.want.Ascend(lwwmap.Data, "", "", fn) })
	scan, read := w.got.Scan(lwwmap.Data), make(chan []string)
	go func() {
		defer close(read)
		read <- List(Everything, func(fn func(lwwmap.Record) bool) { scan.Ascend("", "", fn) })
	}()
	w.applyFew(t)
	w.commit()
	require.Equal(t, want, <-read)
	require.NoError(t, scan.Err())
	scan.Close()
}

func (w *world) reopen() {
	w.lookAtForks()
	w.commit()
	w.counts.Reopened++
	require.NoError(w.t, w.unlocked(w.engine.Close))
	w.flushed = len(w.plain.commits) - 1
	w.open()
	w.both(func(m *lwwmap.Map) any { return State(m) })
}

// crash goes back to the commit that the engine has kept.
func (w *world) crash() {
	w.lookAtForks()
	w.counts.Crashes++
	require.NoError(w.t, w.unlocked(w.engine.Crash))
	w.open()
	last := len(w.plain.commits) - 1
	for n := last; n >= w.flushed; n-- {
		all := w.plain.commits
		w.want = w.plain.at(n)
		if reflect.DeepEqual(State(w.want), State(w.got)) && reflect.DeepEqual(Rows(w.want, w.want.Context()), Rows(w.got, w.got.Context())) {
			w.counts.Lost += last - n
			return
		}
		w.plain.commits = all
	}
	require.Fail(w.t, "a crash left what no commit had made", "%d commits, %d of them flushed", last, w.flushed)
}
