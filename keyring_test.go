package minikv_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

func TestKeysAreKept(t *testing.T) {
	ctx := context.Background()
	a := founder(t, minikv.Config{})
	put(t, a, "k", "v")
	dir := t.TempDir()
	cfg := minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}}
	n := openIn(t, dir, cfg)
	r := join(t, n, ticketOf(t, a, writeTicket))
	require.NoError(t, r.WaitSynced(within(t), 1))
	require.NoError(t, n.Close())

	files, err := filepath.Glob(filepath.Join(dir, "registries", "*.key"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	info, err := os.Stat(files[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	put(t, a, "meanwhile", "1")
	n = openIn(t, dir, cfg) // and finds its peer by itself
	r, err = n.Registry(ctx, "test")
	require.NoError(t, err)
	eventually(t, r, "meanwhile", "1")
	put(t, r, "here", "2")
	eventually(t, a, "here", "2")
	_, err = n.Registry(ctx, "test", minikv.Public())
	require.ErrorIs(t, err, minikv.ErrInvalid)
	require.NoError(t, n.DropRegistry(ctx, "test"))
	_, err = n.Registry(ctx, "test", minikv.Public())
	require.ErrorIs(t, err, minikv.ErrInvalid, "the keys are still there")
	r, err = n.Registry(ctx, "test")
	require.NoError(t, err)
	eventually(t, r, "k", "v")
	require.ErrorIs(t, n.ForgetKeys(ctx, "test"), minikv.ErrInvalid)
	require.NoError(t, n.Close())

	require.NoError(t, os.Chmod(files[0], 0o644))
	n = openIn(t, dir, cfg)
	_, err = n.Registry(ctx, "test")
	require.ErrorIs(t, err, minikv.ErrStorage)
	require.ErrorContains(t, err, "chmod 600")
	require.NoError(t, os.Chmod(files[0], 0o600))
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files[0], text[:100], 0o600))
	_, err = n.Registry(ctx, "test")
	require.ErrorIs(t, err, minikv.ErrCorrupt)
	require.NotContains(t, err.Error(), string(text[20:60]))

	require.NoError(t, os.Remove(files[0]))
	_, err = n.Registry(ctx, "test")
	require.ErrorIs(t, err, minikv.ErrPrivate)
	r = join(t, n, string(text)) // the file is a ticket
	require.Equal(t, "v", value(t, r, "k"))
	require.NoError(t, n.DropRegistry(ctx, "test"))
	require.NoError(t, n.ForgetKeys(ctx, "test"))
	require.ErrorIs(t, n.ForgetKeys(ctx, "test"), minikv.ErrNotFound)
	require.NoFileExists(t, files[0])
}

// A snapshot has no secret in it; what is restored of it waits for a ticket.
func TestSnapshotsHoldNoKeys(t *testing.T) {
	ctx := context.Background()
	n := openIn(t, t.TempDir(), minikv.Config{})
	r, err := n.Registry(ctx, "test")
	require.NoError(t, err)
	put(t, r, "k", "v")
	ticket := ticketOf(t, r, minikv.TicketOptions{Rights: minikv.RightsOwner, Addrs: []string{"/ip4/192.0.2.1/tcp/1/p2p/" + string(n.ID())}})
	var b strings.Builder
	require.NoError(t, n.Snapshot(ctx, &b))
	require.NoError(t, n.Close())
	dir := filepath.Join(t.TempDir(), "restored")
	_, err = minikv.Restore(ctx, dir, strings.NewReader(b.String()))
	require.NoError(t, err)
	m := openIn(t, dir, minikv.Config{})
	_, err = m.Registry(ctx, "test")
	require.ErrorIs(t, err, minikv.ErrPrivate)
	r = join(t, m, ticket)
	require.Equal(t, "v", value(t, r, "k"))
}

func TestKeysAreChecked(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	n := openIn(t, dir, minikv.Config{})
	r, err := n.Registry(ctx, "test")
	require.NoError(t, err)
	put(t, r, "k", "v")
	require.NoError(t, n.Close())
	rep, err := minikv.CheckDir(ctx, dir, false)
	require.NoError(t, err)
	require.Zero(t, rep.Found)
	files, err := filepath.Glob(filepath.Join(dir, "registries", "*.key"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	whole, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files[0], whole[:50], 0o600))
	rep, err = minikv.CheckDir(ctx, dir, false)
	require.NoError(t, err)
	require.Equal(t, 1, rep.Found)
	require.Equal(t, "keys", rep.Faults[0].Sort)
	require.NotContains(t, rep.Faults[0].Text, string(whole[20:40]))
	require.NoError(t, os.WriteFile(files[0], whole, 0o600))
	n = openIn(t, dir, minikv.Config{})
	r, err = n.Registry(ctx, "test")
	require.NoError(t, err)
	require.Equal(t, minikv.RightsOwner, r.Access().Rights)
}

func TestARepairedDirectoryKeepsItsKeys(t *testing.T) {
	dir := t.TempDir()
	n := openIn(t, dir, minikv.Config{})
	r, err := n.Registry(ctx, "test")
	require.NoError(t, err)
	put(t, r, "k1", "v")
	put(t, r, "k2", "v")
	require.NoError(t, n.Close())
	db, err := pebble.Open(dir, &pebble.Options{FormatMajorVersion: pebble.FormatNewest, Logger: noLog{}})
	require.NoError(t, err)
	prefix := []byte{0, 0, 0, 1, 'e', 1}
	require.NoError(t, db.DeleteRange(append(prefix, "k1"...), append(prefix, "k2"...), pebble.Sync))
	require.NoError(t, db.Close())
	rep, err := minikv.CheckDir(ctx, dir, true)
	require.NoError(t, err)
	require.True(t, rep.Repaired)
	n = openIn(t, dir, minikv.Config{})
	r, err = n.Registry(ctx, "test")
	require.NoError(t, err)
	require.Equal(t, minikv.RightsOwner, r.Access().Rights)
	require.Equal(t, "v", value(t, r, "k2"))
}
