package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"sort"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/store"
)

// fault is an operation that fails.
type fault struct {
	name  string
	err   error
	hits  func(errorfs.Op) bool // what kind of operation it befalls
	after bool                  // all the later ones of that kind, too
}

func isWrite(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite }

func isSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

var faults = []fault{
	{"one operation fails", syscall.EIO, func(errorfs.Op) bool { return true }, false},
	{"all fail", syscall.EIO, func(errorfs.Op) bool { return true }, true},
	{"one write finds no room", syscall.ENOSPC, isWrite, false},
	{"no write finds room", syscall.ENOSPC, isWrite, true},
	{"one fsync fails", syscall.EIO, isSync, false},
	{"no fsync succeeds", syscall.EIO, isSync, true},
}

// faulty lets the operations of a disk fail.
type faulty struct {
	fault
	at, ops, injected atomic.Int64
	off               atomic.Bool
	first             atomic.Value
}

func (f *faulty) inject(op errorfs.Op) error {
	if !f.hits(op) || f.off.Load() {
		return nil
	}
	n, at := f.ops.Add(1), f.at.Load()
	if n < at || (n > at && !f.after) {
		return nil
	}
	if f.injected.Add(1) == 1 {
		f.first.Store(fmt.Sprint(op.Kind, " ", op.Path))
	}
	return &os.PathError{Op: "injected", Path: op.Path, Err: f.err}
}

// endings counts how runs with a fault ended.
type endings map[string]int

func (e endings) String() string {
	var parts []string
	for how, n := range e {
		parts = append(parts, fmt.Sprintf("%s %d", how, n))
	}
	sort.Strings(parts)
	return strings.Join(parts, ", ")
}

// Whatever operation fails, once or for ever: the process lives, a write that
// was not made durable is refused, reads go on, and what was acknowledged is
// there when the disk is well again.
func TestCampaignFault(t *testing.T) {
	every := int64(43)
	if *all {
		every = 1
	}
	for _, f := range faults {
		probe := &faulty{fault: f}
		probe.at.Store(1 << 60)
		w := newWorkload(*seed, errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(probe.inject)))
		require.NoError(t, w.run(100))
		require.NoError(t, w.store.Close())

		ended, injected := endings{}, int64(0)
		first := 1 + rand.New(rand.NewPCG(*seed, 3)).Int64N(every)
		for k := first; k <= probe.ops.Load(); k += every {
			one := &faulty{fault: f}
			one.at.Store(k)
			how, err := runFaulty(one)
			if err != nil {
				t.Errorf("%s, number %d (%v): %v", f.name, k, one.first.Load(), err)
			}
			ended[how]++
			injected += one.injected.Load()
		}
		t.Logf("seed %d: %s: of %d operations; %d failures injected; %s", *seed, f.name, probe.ops.Load(), injected, ended)
		require.NotZero(t, injected)
	}
}

// runFaulty runs the workload on a failing disk. It does not wait for ever.
func runFaulty(f *faulty) (how string, err error) {
	type result struct {
		how string
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- result{"panicked", fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
			}
		}()
		how, err := faultyRun(f)
		done <- result{how, err}
	}()
	select {
	case r := <-done:
		return r.how, r.err
	case <-time.After(time.Minute):
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		return "hung", errors.New("it hangs")
	}
}

func faultyRun(f *faulty) (how string, err error) {
	disk := vfs.NewCrashableMem()
	w := newWorkload(*seed, errorfs.Wrap(disk, errorfs.InjectorFunc(f.inject)))
	err = w.run(100)
	switch {
	case err == nil && w.store.Err() == nil:
		how = "unharmed"
	case err != nil && !isAnswer(err):
		return "", fmt.Errorf("not an answer: %w", err)
	case w.store == nil:
		how = "not opened"
	case w.store.Err() == nil:
		how = "a read failed"
	default:
		how = "stopped"
	}
	if w.store != nil {
		if err := w.refused(how == "stopped", f); err != nil {
			return how, err
		}
		if err := w.store.Close(); err != nil && !isAnswer(err) {
			return how, fmt.Errorf("close: %w", err)
		}
	}
	acked, issued := int(w.ledger.acked.Load()), w.ledger.issued()
	rng := rand.New(rand.NewPCG(*seed, 4))
	for _, kept := range []int{0, 50, 100} {
		after := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rng})
		if _, err := w.ledger.verify(after, acked, issued); err != nil {
			return how, fmt.Errorf("%s; with %d %% kept: %w", how, kept, err)
		}
	}
	return how, nil
}

// isAnswer says whether an error tells the owner what to do.
func isAnswer(err error) bool {
	for _, e := range []error{store.ErrFailed, store.ErrFull, store.ErrCorrupt} {
		if errors.Is(err, e) && !errors.Is(err, errWrong) {
			return true
		}
	}
	return false
}

// refused checks what a store does after a failure.
func (w *workload) refused(stopped bool, f *faulty) error {
	if !stopped {
		return nil
	}
	for what, err := range map[string]error{
		"Writable": w.store.Writable(), "SetNote": w.store.SetNote("note", nil), "Reserve": w.store.Reserve(1),
		"Err": w.store.Err(),
	} {
		if !isAnswer(err) {
			return fmt.Errorf("%s after a failure: %w", what, err)
		}
	}
	f.off.Store(true) // reads
	for _, name := range w.store.Names() {
		w.store.Release(name)
		if err := w.store.Drop(name); !isAnswer(err) {
			return fmt.Errorf("Drop after a failure: %w", err)
		}
	}
	_, err := stateOf(w.store)
	for range 10 { // the engine may just have met a failure on its own behalf
		if err == nil {
			break
		}
		for _, name := range w.store.Names() {
			_ = w.store.Release(name)
		}
		_, err = stateOf(w.store)
	}
	f.off.Store(false)
	if err != nil {
		return fmt.Errorf("reading after a failure: %w", err)
	}
	for _, m := range w.disks {
		m.Apply(lwwmap.Entry{Kind: lwwmap.Data, Key: "k", Dot: dot(9, 1), Stamp: 1})
		if err := m.Commit(); !isAnswer(err) {
			return fmt.Errorf("Commit after a failure: %w", err)
		}
	}
	return nil
}
