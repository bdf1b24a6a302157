package store_test

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
	"github.com/minikv/minikv/store/storetest"
)

var (
	all  = flag.Bool("store.all", false, "stop at every operation, fail every one, flip every byte")
	seed = flag.Uint64("store.seed", 1, "of the campaigns' workloads")
)

// ledger knows what a store may show after a crash: its state after each event,
// where an event is what becomes durable as a whole, and how many of them were
// acknowledged.
//
// Steps that gather become durable registry by registry. Then each part of the
// state, which are a registry, the ceiling, or the note, stands by itself.
type ledger struct {
	mu     sync.Mutex
	states []string
	acked  atomic.Int64
	gather bool
	parts  map[string]int // the event that was acknowledged of a part alone
}

func newLedger() *ledger {
	return &ledger{parts: map[string]int{}, states: []string{(&model{}).state()}}
}

func (l *ledger) issue(state string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.states = append(l.states, state)
}

func (l *ledger) issued() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.states) - 1
}

// find says which of the events from..to leaves this state, -1 if none.
func (l *ledger) find(state string, from, to int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := to; n >= from; n-- {
		if l.states[n] == state {
			return n
		}
	}
	return -1
}

// ack notes that a part is durable as the last event leaves it: all parts, where
// steps do not gather.
func (l *ledger) ack(part string) {
	n := l.issued()
	if !l.gather {
		l.acked.Store(int64(n))
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts[part] = n
}

// acks returns what was acknowledged.
func (l *ledger) acks() (all int, parts map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.acked.Load()), maps.Clone(l.parts)
}

// findParts says whether each part of a state is as some event leaves it.
func (l *ledger) findParts(state string, from int, parts map[string]int, to int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := partsOf(state)
	for part := range map[string]bool{"ceiling": true, "note": true, "one": true, "two": true, "three": true} {
		found := false
		for n := max(from, parts[part]); n <= to && !found; n++ {
			found = partsOf(l.states[n])[part] == now[part]
		}
		if !found {
			return false
		}
	}
	return true
}

// partsOf takes a state apart.
func partsOf(state string) map[string]string {
	parts := strings.Split(state, " ")
	of := map[string]string{"ceiling": parts[0], "note": parts[1]}
	for _, p := range parts[2:] {
		name, print, _ := strings.Cut(p, "=")
		of[name] = print
	}
	return of
}

// model is a store's twin in memory.
type model struct {
	ceiling hlc.Timestamp
	note    string
	maps    map[string]*lwwmap.Map
	prints  map[string]string // of the maps, as committed
}

func (m *model) state() string {
	parts := []string{m.ceiling.String(), m.note}
	for name, print := range m.prints {
		parts = append(parts, name+"="+print)
	}
	slices.Sort(parts[2:])
	return strings.Join(parts, " ")
}

// print sums up all that a map holds and knows.
func print(m *lwwmap.Map) string {
	sum := sha256.Sum256(fmt.Append(nil, storetest.Rows(m, m.Context()), m.Root(), m.Len(lwwmap.Data), m.Len(lwwmap.Lease), m.Tombstones(), m.Bytes(), m.Horizons(), m.Context().Spans()))
	return fmt.Sprintf("%x", sum[:8])
}

// stateOf is what a store shows, by reading all of it.
func stateOf(s *store.Store) (string, error) {
	m := &model{prints: map[string]string{}}
	ceiling, err := s.Ceiling()
	if err != nil {
		return "", err
	}
	note, err := s.Note("note")
	if err != nil {
		return "", err
	}
	m.ceiling, m.note = ceiling, string(note)
	for _, name := range s.Names() {
		disk, err := s.Map(name, storetest.DigestKey, nil)
		if err != nil {
			return "", err
		}
		m.prints[name] = print(disk)
		for k := lwwmap.Data; k <= lwwmap.Origin; k++ {
			disk.Ascend(k, "", "", func(r lwwmap.Record) bool {
				if !disk.Intact(r) {
					err = fmt.Errorf("%q is not intact", r.Key())
				}
				return err == nil
			})
		}
		s.Release(name)
		if err := errors.Join(err, disk.Err()); err != nil {
			return "", err
		}
	}
	return m.state(), nil
}

// workload makes random use of a store and of its twin in memory.
type workload struct {
	rng    *rand.Rand
	fs     vfs.FS
	how    func(vfs.FS) store.Options
	store  *store.Store
	ledger *ledger
	twin   model
	disks  map[string]*lwwmap.Map
	seqs   map[string]uint64
	clock  hlc.Timestamp
	big    int // the longest value
}

func newWorkload(seed uint64, fs vfs.FS) *workload {
	return &workload{
		rng: rand.New(rand.NewPCG(seed, 1)), fs: fs, how: small, ledger: newLedger(), big: 500, clock: 1 << 20,
		twin:  model{maps: map[string]*lwwmap.Map{}, prints: map[string]string{}},
		disks: map[string]*lwwmap.Map{}, seqs: map[string]uint64{},
	}
}

// small lets little data go through all that the engine does.
func small(fs vfs.FS) store.Options {
	return store.Tuned(store.Options{FS: fs, Cache: 64 << 10}, 40, func(o *pebble.Options) {
		o.MemTableSize = 8 << 10
		o.L0CompactionThreshold = 2
	})
}

// run makes n operations, and returns the first failure.
func (w *workload) run(n int) (err error) {
	if w.store, err = store.Open("data", w.how(w.fs)); err != nil {
		return err
	}
	for range n {
		if err := w.step(); err != nil {
			return err
		}
	}
	return nil
}

func (w *workload) step() error {
	name := []string{"one", "two", "three"}[w.rng.IntN(3)]
	if w.disks[name] == nil {
		return w.open(name)
	}
	disk, twin := w.disks[name], w.twin.maps[name]
	switch n := w.rng.IntN(100); {
	case n < 50:
		for range 1 + w.rng.IntN(4) {
			e := w.entry(name)
			disk.Apply(e)
			twin.Apply(e)
		}
		if w.ledger.gather || w.rng.IntN(2) == 0 {
			return w.commit(name)
		}
		return disk.Err()
	case n < 55:
		w.clock += hlc.Timestamp(w.rng.IntN(30))
		disk.Expire(w.clock, 3)
		twin.Expire(w.clock, 3)
		if w.ledger.gather {
			return w.commit(name)
		}
		return disk.Err()
	case n < 60:
		disk.Collect(w.clock-3, 2)
		twin.Collect(w.clock-3, 2)
		if w.ledger.gather {
			return w.commit(name)
		}
		return disk.Err()
	case n < 80:
		return w.commit(name)
	case n < 88:
		return w.wait()
	case n < 92:
		w.twin.ceiling = w.clock
		return w.durably("ceiling", func() error { return w.store.Reserve(w.clock) })
	case n < 95:
		w.twin.note = fmt.Sprint(w.clock)
		return w.durably("note", func() error { return w.store.SetNote("note", []byte(w.twin.note)) })
	case n < 98:
		return w.again(name)
	default:
		return w.drop(name)
	}
}

func (w *workload) entry(registry string) lwwmap.Entry {
	actor := crdt.Actor(1 + w.rng.Uint64N(3))
	id := fmt.Sprint(registry, actor)
	w.seqs[id]++
	w.clock++
	e := lwwmap.Entry{
		Kind: lwwmap.Kind(1 + w.rng.IntN(2)), Key: fmt.Sprintf("key%02d", w.rng.IntN(40)),
		Dot: crdt.Dot{Actor: actor, Seq: w.seqs[id]}, Stamp: w.clock,
	}
	switch w.rng.IntN(4) {
	case 0:
		e.Deleted = true
	case 1:
		e.Expires = w.clock + hlc.Timestamp(w.rng.IntN(50)+1)
		fallthrough
	default:
		e.Value = []byte(strings.Repeat(fmt.Sprint(w.clock), w.rng.IntN(w.big/6+1)))
	}
	return e
}

// durably makes an event that is durable when it returns without an error, and
// all before it.
func (w *workload) durably(part string, fn func() error) error {
	w.ledger.issue(w.twin.state())
	if err := fn(); err != nil {
		return err
	}
	w.ledger.ack(part)
	return nil
}

func (w *workload) open(name string) error {
	if w.twin.maps[name] == nil {
		w.twin.maps[name] = lwwmap.New(storetest.DigestKey)
		w.twin.prints[name] = print(w.twin.maps[name])
		return w.durably(name, func() error { return w.openDisk(name) })
	}
	return w.openDisk(name)
}

func (w *workload) openDisk(name string) error {
	m, err := w.store.Map(name, storetest.DigestKey, []byte("about"))
	if err == nil {
		w.disks[name] = m
	}
	if w.ledger.gather && err == nil {
		w.store.Gather(name, new(sync.Mutex)) // there is but one goroutine
	}
	return err
}

func (w *workload) commit(name string) error {
	w.twin.prints[name] = print(w.twin.maps[name])
	w.ledger.issue(w.twin.state())
	return w.disks[name].Commit()
}

func (w *workload) wait() error {
	n := w.ledger.issued()
	if err := w.store.Wait(0); err != nil {
		return err
	}
	w.ledger.acked.Store(int64(n))
	return nil
}

// again opens a map anew.
func (w *workload) again(name string) error {
	if err := w.commit(name); err != nil {
		return err
	}
	w.store.Release(name)
	delete(w.disks, name)
	if err := w.open(name); err != nil {
		return err
	}
	if print(w.disks[name]) != w.twin.prints[name] {
		if err := w.disks[name].Err(); err != nil {
			return err
		}
		return errWrong
	}
	return nil
}

var errWrong = errors.New("the store shows what it should not")

func (w *workload) drop(name string) error {
	delete(w.twin.maps, name)
	delete(w.twin.prints, name)
	delete(w.disks, name)
	for a := range 4 {
		delete(w.seqs, fmt.Sprint(name, crdt.Actor(a)))
	}
	return w.durably(name, func() error { return w.store.Drop(name) })
}

// verify opens what a crash has left, and says which event's state it shows.
func (l *ledger) verify(fs vfs.FS, acked, issued int) (n int, err error) {
	return l.verifyParts(fs, acked, nil, issued)
}

func (l *ledger) verifyParts(fs vfs.FS, acked int, parts map[string]int, issued int) (n int, err error) {
	s, err := store.Open("data", small(fs))
	if err != nil {
		return 0, fmt.Errorf("open: %w", err)
	}
	state, err := stateOf(s)
	if err != nil {
		return 0, errors.Join(err, s.Close())
	}
	if n = l.find(state, acked, issued); n < 0 && l.gather && l.findParts(state, acked, parts, issued) {
		n = issued // of some parts, not of all
	}
	if n < 0 {
		return 0, errors.Join(fmt.Errorf("%w: event %d, not of the events %d (acknowledged) to %d (issued)", errWrong, l.find(state, 0, issued), acked, issued), s.Close())
	}
	m, err := s.Map("after", storetest.DigestKey, nil)
	if err == nil {
		m.Apply(lwwmap.Entry{Kind: lwwmap.Data, Key: "k", Dot: crdt.Dot{Actor: 9, Seq: 1}, Stamp: 1})
		err = errors.Join(m.Commit(), s.Flush())
	}
	return n, errors.Join(err, s.Close())
}

func TestMain(m *testing.M) {
	store.Smaller(0, 16)
	m.Run()
}

func dot(a crdt.Actor, seq uint64) crdt.Dot { return crdt.Dot{Actor: a, Seq: seq} }
