package minikv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// saved is a snapshot of a node, and the roots of its registries.
func saved(t *testing.T) (snapshot []byte, fruit, colours minikv.Digest, id minikv.PeerID) {
	t.Helper()
	n := openIn(t, t.TempDir(), minikv.Config{})
	regs := map[string]*minikv.Registry{}
	for _, name := range []string{"fruit", "colours"} {
		regs[name] = openRegistry(t, n, name)
		for i := range 100 {
			put(t, regs[name], fmt.Sprintf("%s %d", name, i), strings.Repeat("x", i))
		}
		require.NoError(t, regs[name].Delete(context.Background(), name+" 7"))
	}
	var b bytes.Buffer
	require.NoError(t, n.Snapshot(within(t), &b))
	return b.Bytes(), regs["fruit"].Root(), regs["colours"].Root(), n.ID()
}

func TestASnapshotIsRestored(t *testing.T) {
	ctx := within(t)
	snapshot, fruit, colours, id := saved(t)
	info, err := minikv.CheckSnapshot(bytes.NewReader(snapshot))
	require.NoError(t, err)
	require.Equal(t, []minikv.SnapshotRegistry{{Name: "colours", Keys: 99, Tombstones: 1}, {Name: "fruit", Keys: 99, Tombstones: 1}}, info.Registries)
	require.Equal(t, int64(len(snapshot)), info.Bytes)

	dir := filepath.Join(t.TempDir(), "new")
	restored, err := minikv.Restore(ctx, dir, iotest.OneByteReader(bytes.NewReader(snapshot)))
	require.NoError(t, err)
	require.Equal(t, info, restored)
	n := openIn(t, dir, minikv.Config{})
	require.NotEqual(t, id, n.ID(), "a restored node is another one")
	require.Equal(t, []string{"colours", "fruit"}, n.Kept())
	r, err := n.Registry(ctx, "fruit")
	require.NoError(t, err)
	require.Equal(t, fruit, r.Root())
	require.Equal(t, strings.Repeat("x", 8), value(t, r, "fruit 8"))
	require.Empty(t, value(t, r, "fruit 7"))
	put(t, r, "fruit 7", "again")
	r, err = n.Registry(ctx, "colours")
	require.NoError(t, err)
	require.Equal(t, colours, r.Root())

	_, err = minikv.Restore(ctx, dir, bytes.NewReader(snapshot))
	require.ErrorIs(t, err, minikv.ErrDirNotEmpty)
	require.ErrorContains(t, err, dir)
}

// A snapshot that is cut anywhere, or in which a byte is another, is none.
func TestADamagedSnapshot(t *testing.T) {
	snapshot, _, _, _ := saved(t)
	step := max(1, len(snapshot)/300)
	for n := 0; n < len(snapshot); n += step {
		_, err := minikv.CheckSnapshot(bytes.NewReader(snapshot[:n]))
		require.Error(t, err, "cut at %d", n)
		broken := bytes.Clone(snapshot)
		broken[n] ^= 0x10
		_, err = minikv.CheckSnapshot(bytes.NewReader(broken))
		require.Error(t, err, "byte %d", n)
		require.True(t, errors.Is(err, minikv.ErrCorrupt) || errors.Is(err, minikv.ErrBadFormat), "byte %d: %v", n, err)
	}
	_, err := minikv.CheckSnapshot(bytes.NewReader(append(bytes.Clone(snapshot), 0)))
	require.ErrorIs(t, err, minikv.ErrCorrupt, "something behind the end")
	_, err = minikv.CheckSnapshot(strings.NewReader("a letter, and no snapshot at all"))
	require.ErrorIs(t, err, minikv.ErrBadFormat)

	dir := filepath.Join(t.TempDir(), "new")
	_, err = minikv.Restore(context.Background(), dir, bytes.NewReader(snapshot[:len(snapshot)-1]))
	require.ErrorIs(t, err, minikv.ErrCorrupt)
	_, err = os.ReadDir(dir)
	require.ErrorIs(t, err, os.ErrNotExist, "half a directory is none")
}

// A snapshot is of one moment, although writes go on: whole batches, and in each writer's order.
func TestASnapshotWhileWritesGoOn(t *testing.T) {
	n := openIn(t, t.TempDir(), minikv.Config{Durability: minikv.DurabilityAsync})
	r := openRegistry(t, n, "r")
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		for i := 1; ctx.Err() == nil; i++ {
			b := r.NewBatch()
			for k := range 50 {
				b.Put(fmt.Sprintf("batch/%02d", k), fmt.Append(nil, i))
			}
			if _, err := b.Commit(context.Background()); err != nil {
				done <- err
				return
			}
			if _, err := r.Put(context.Background(), "after", fmt.Append(nil, i)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 5 {
		before := value(t, r, "after")
		var b bytes.Buffer
		require.NoError(t, n.Snapshot(within(t), &b))
		dir := filepath.Join(t.TempDir(), "new")
		_, err := minikv.Restore(ctx, dir, &b)
		require.NoError(t, err)
		copied := openIn(t, dir, minikv.Config{})
		c, err := copied.Registry(context.Background(), "r")
		require.NoError(t, err)
		var at, atBatch int
		fmt.Sscan(before, &at)
		fmt.Sscan(value(t, c, "batch/00"), &atBatch)
		require.GreaterOrEqual(t, atBatch, at, "what was acknowledged is in it")
		for e, err := range c.Prefix(context.Background(), "batch/") {
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(atBatch), string(e.Value), e.Key)
		}
		require.NoError(t, copied.Close())
	}
	stop()
	require.NoError(t, <-done)
}

func TestSnapshotErrors(t *testing.T) {
	ctx := context.Background()
	memory := openNode(t, minikv.Config{})
	require.ErrorIs(t, memory.Snapshot(ctx, new(bytes.Buffer)), minikv.ErrInvalid)
	require.NoError(t, memory.Flush(ctx))
	_, err := minikv.Restore(ctx, "", new(bytes.Buffer))
	require.ErrorIs(t, err, minikv.ErrInvalid)

	n := openIn(t, t.TempDir(), minikv.Config{})
	r := openRegistry(t, n, "r")
	put(t, r, "k", strings.Repeat("x", 1<<20))
	errFull := errors.New("no room")
	require.ErrorIs(t, n.Snapshot(ctx, errWriter{errFull}), errFull)
	ended, end := context.WithCancel(ctx)
	end()
	require.ErrorIs(t, n.Snapshot(ended, new(bytes.Buffer)), context.Canceled)
	require.NoError(t, n.Close())
	require.ErrorIs(t, n.Snapshot(ctx, new(bytes.Buffer)), minikv.ErrClosed)
	require.ErrorIs(t, n.Flush(ctx), minikv.ErrClosed)
}

type errWriter struct{ err error }

func (w errWriter) Write([]byte) (int, error) { return 0, w.err }
