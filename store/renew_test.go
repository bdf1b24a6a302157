package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/store"
	"github.com/minikv/minikv/store/storetest"
)

// A store whose disk failed, in whatever operation, is renewed when the disk is well:
// its maps go on with all they had, acknowledged or not, and it is durable then.
func TestCampaignRenew(t *testing.T) {
	every := int64(97)
	if *all {
		every = 1
	}
	total := endings{}
	for _, f := range faults {
		probe := &faulty{fault: f}
		probe.at.Store(1 << 60)
		w := newWorkload(*seed, errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(probe.inject)))
		w.ledger.gather = true
		require.NoError(t, w.run(100))
		require.NoError(t, w.store.Close())

		ended := endings{}
		for k := 1 + rand.New(rand.NewPCG(*seed, 6)).Int64N(every); k <= probe.ops.Load(); k += every {
			one := &faulty{fault: f}
			one.at.Store(k)
			how, err := renewedRun(one)
			if err != nil {
				t.Errorf("%s, number %d (%v): %s: %v", f.name, k, one.first.Load(), how, err)
			}
			ended[how]++
			total[how]++
		}
		t.Logf("seed %d: %s: of %d operations; %s", *seed, f.name, probe.ops.Load(), ended)
	}
	require.NotZero(t, total["renewed"])
}

func renewedRun(f *faulty) (how string, err error) {
	disk := vfs.NewCrashableMem()
	w := newWorkload(*seed, errorfs.Wrap(disk, errorfs.InjectorFunc(f.inject)))
	w.ledger.gather = true
	err = w.run(100)
	switch {
	case errors.Is(err, errWrong):
		return "wrong before", err
	case w.store == nil:
		return "not opened", nil
	case w.store.Err() == nil:
		if err := w.store.Close(); err != nil && !isAnswer(err) {
			return "unharmed, or a read failed", err
		}
		return "unharmed, or a read failed", nil
	case !w.store.Renewable():
		return "ended", nil
	}
	if f.after {
		if _, err := w.store.Renew(); !isAnswer(err) {
			return "renewed too early", fmt.Errorf("on a failing disk: %w", err)
		}
	}
	f.off.Store(true)
	for _, m := range w.disks {
		if m.Err() != nil {
			_, err := w.store.Renew()
			if !isAnswer(err) {
				return "a read failed, too", fmt.Errorf("not an answer: %w", err)
			}
			return "a read failed, too", nil
		}
	}
	fresh, err := w.store.Renew()
	if errors.Is(err, store.ErrFailed) && f.hits(errorfs.Op{Kind: errorfs.OpFileReadAt}) {
		return "a read had failed, and the engine remembers", nil // it has to be opened by hand
	}
	if err != nil {
		return "not renewed", err
	}
	if err := w.store.Close(); err != nil && !isAnswer(err) {
		return "renewed", err
	}
	w.store = fresh
	if err := w.compare(); err != nil {
		return "renewed", err
	}
	for name := range w.twin.maps {
		if w.disks[name] == nil { // its map was given back when the disk had failed: as a crash leaves it
			if err := w.drop(name); err != nil {
				return "renewed", err
			}
		}
	}
	want := map[string]string{}
	for name := range w.disks {
		want[name] = print(w.twin.maps[name])
	}
	crashed := disk.CrashClone(vfs.CrashCloneCfg{}) // before anything else is made durable
	for range 30 {
		if err := w.step(); err != nil {
			return "renewed", fmt.Errorf("afterwards: %w", err)
		}
	}
	if err := errors.Join(w.compare(), w.store.Close()); err != nil {
		return "renewed", err
	}
	return "renewed", shows(crashed, want)
}

// compare compares the maps that are open with their twins.
func (w *workload) compare() error {
	for name, m := range w.disks {
		if print(m) != print(w.twin.maps[name]) {
			return fmt.Errorf("%w: registry %q", errWrong, name)
		}
	}
	return nil
}

// shows compares what a crash has left of some registries.
func shows(fs vfs.FS, want map[string]string) error {
	s, err := store.Open("data", small(fs))
	if err != nil {
		return err
	}
	for name, print1 := range want {
		m, err := s.Map(name, storetest.DigestKey, nil)
		if err != nil {
			return errors.Join(err, s.Close())
		}
		if print(m) != print1 {
			return errors.Join(fmt.Errorf("%w: registry %q, after a crash", errWrong, name), s.Close())
		}
	}
	return s.Close()
}
