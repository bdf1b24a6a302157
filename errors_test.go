package minikv_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// Every mistake, its class, and a part of the text that says what to do.
func TestErrors(t *testing.T) {
	n := openNode(t, minikv.Config{})
	r := openRegistry(t, n, "test")
	other := openRegistry(t, n, "other")
	readOnly := openRegistry(t, n, "ro", minikv.ReadOnly())
	held, err := r.TryLock(ctx, "held", minikv.Meta([]byte("cron")))
	require.NoError(t, err)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	closed := openNode(t, minikv.Config{})
	gone := openRegistry(t, closed, "test")
	require.NoError(t, closed.Close())
	unlocked, err := r.TryLock(ctx, "unlocked")
	require.NoError(t, err)
	require.NoError(t, unlocked.Unlock(ctx))
	long := strings.Repeat("k", minikv.MaxKeyLen+1)
	put := func(r *minikv.Registry, key string, opts ...minikv.PutOption) error {
		_, err := r.Put(ctx, key, nil, opts...)
		return err
	}
	get := func(c context.Context, r *minikv.Registry, key string) error {
		_, err := r.Get(c, key)
		return err
	}
	lock := func(r *minikv.Registry, key string, opts ...minikv.LockOption) error {
		_, err := r.TryLock(ctx, key, opts...)
		return err
	}
	open := func(dir string, cfg minikv.Config) error {
		_, err := minikv.Open(ctx, dir, cfg)
		return err
	}
	registry := func(n *minikv.Node, name string, opts ...minikv.RegistryOption) error {
		_, err := n.Registry(ctx, name, opts...)
		return err
	}
	connect := func(n *minikv.Node) error { _, err := n.Connect(ctx, "/ip4/127.0.0.1/tcp/1/p2p/x"); return err }
	batch := func(r *minikv.Registry, fill func(*minikv.Batch)) error {
		b := r.NewBatch()
		fill(b)
		_, err := b.Commit(ctx)
		return err
	}
	watch := func(r *minikv.Registry, opts ...minikv.WatchOption) error {
		for _, err := range r.Watch(ctx, "", opts...) {
			return err
		}
		return nil
	}
	var lease *minikv.Lease

	for _, tt := range []struct {
		name string
		got  error
		want error
		text string
	}{
		{"absent", get(ctx, r, "k"), minikv.ErrNotFound, "get test/k: key not found"},
		{"empty key", get(ctx, r, ""), minikv.ErrKeyInvalid, "get test: the key has 0 bytes; it can have 1 to 1024"},
		{"long key", put(r, long), minikv.ErrKeyInvalid, "kkk…: the key has 1025 bytes"},
		{"unprintable key", get(ctx, r, "a\x00"), minikv.ErrNotFound, `test/"a\x00"`},
		{"large value", func() error { _, err := r.Put(ctx, "k", make([]byte, minikv.DefaultMaxValueLen+1)); return err }(), minikv.ErrTooLarge, "Config.MaxValueLen allows 1048576"},
		{"nil context", get(nil, r, "k"), minikv.ErrInvalid, "pass context.Background()"}, //nolint:staticcheck // that is the point
		{"ended context", get(ended, r, "k"), context.Canceled, "canceled"},
		{"closed get", get(ctx, gone, "k"), minikv.ErrClosed, "closed"},
		{"closed put", put(gone, "k"), minikv.ErrClosed, "closed"},
		{"closed delete", gone.Delete(ctx, "k"), minikv.ErrClosed, "closed"},
		{"closed lock", lock(gone, "k"), minikv.ErrClosed, "closed"},
		{"closed watch", watch(gone), minikv.ErrClosed, "closed"},
		{"closed batch", batch(gone, func(b *minikv.Batch) { b.Put("k", nil) }), minikv.ErrClosed, "closed"},
		{"closed registry", registry(closed, "r", minikv.Public()), minikv.ErrClosed, "closed"},
		{"closed drop", closed.DropRegistry(ctx, "test"), minikv.ErrClosed, "closed"},
		{"closed connect", connect(closed), minikv.ErrClosed, "closed"},
		{"read-only put", put(readOnly, "k"), minikv.ErrReadOnly, "read-only"},
		{"read-only delete", readOnly.Delete(ctx, "k"), minikv.ErrReadOnly, "read-only"},
		{"read-only lock", lock(readOnly, "k"), minikv.ErrReadOnly, "read-only"},
		{"read-only batch", batch(readOnly, func(b *minikv.Batch) { b.Put("k", nil) }), minikv.ErrReadOnly, "read-only"},
		{"unnamed", registry(n, "", minikv.Public()), minikv.ErrInvalid, "name has 0 bytes; it can have 1 to 255"},
		{"ill named", registry(n, "a\nb", minikv.Public()), minikv.ErrInvalid, "unprintable character U+000A"},
		{"not text", registry(n, "\xff", minikv.Public()), minikv.ErrInvalid, "not UTF-8"},
		{"a directory that is none", open("/dev/null/data", minikv.Config{}), minikv.ErrStorage, "give a directory that can be written"},
		{"config", open("", minikv.Config{MaxClockSkew: -1}), minikv.ErrInvalid, "Config.MaxClockSkew"},
		{"offline connect", connect(n), minikv.ErrOffline, "Config.Listen"},
		{"offline sync", func() error { _, err := n.SyncPeer(ctx, "x"); return err }(), minikv.ErrOffline, "offline"},
		{"offline registry sync", func() error { _, err := r.SyncPeer(ctx, "x"); return err }(), minikv.ErrOffline, "offline"},
		{"offline wait", r.WaitSynced(ctx, 1), minikv.ErrOffline, "offline"},
		{"offline node wait", n.WaitSynced(ctx, 1), minikv.ErrOffline, "offline"},
		{"locked put", put(r, "held"), minikv.ErrLocked, "locked by " + string(n.ID())},
		{"locked delete", r.Delete(ctx, "held"), minikv.ErrLocked, "wait with Lock"},
		{"locked expire", r.Expire(ctx, "held", time.Hour), minikv.ErrLocked, "locked by"},
		{"locked persist", r.Persist(ctx, "held"), minikv.ErrLocked, "locked by"},
		{"locked lock", lock(r, "held"), minikv.ErrLocked, "locked by"},
		{"locked put and lock", put(r, "held", minikv.Locked(&lease)), minikv.ErrLocked, "locked by"},
		{"locked batch", batch(r, func(b *minikv.Batch) { b.Put("free", nil); b.Delete("held") }), minikv.ErrLocked, "batch test/held"},
		{"another key's lease", put(r, "k", minikv.Under(held)), minikv.ErrInvalid, "the lease is on test/held"},
		{"another registry's lease", put(other, "held", minikv.Under(held)), minikv.ErrInvalid, "the lease is on test/held"},
		{"a lease that is over", put(r, "unlocked", minikv.Under(unlocked)), minikv.ErrLeaseLost, "unlocked"},
		{"a token that is over", put(r, "unlocked", minikv.UnderToken(unlocked.Token())), minikv.ErrLeaseLost, "no live lease"},
		{"a wrong token", put(r, "held", minikv.UnderToken(minikv.Token{1})), minikv.ErrLeaseLost, "not that of the lease"},
		{"unlock by a wrong token", r.Unlock(ctx, "held", minikv.Token{1}), minikv.ErrLeaseLost, "not that of the lease"},
		{"check of a lease that is over", unlocked.Check(0), minikv.ErrLeaseLost, "unlocked"},
		{"extend of a lease that is over", unlocked.Extend(ctx, 0), minikv.ErrLeaseLost, "unlocked"},
		{"extend beyond", held.Extend(ctx, 25*time.Hour), minikv.ErrInvalid, "100ms to 24h"},
		{"check for long", held.Check(time.Hour), minikv.ErrLeaseLost, "Extend it first"},
		{"nil lease", put(r, "k", minikv.Under(nil)), minikv.ErrInvalid, "pass the lease that Lock returned"},
		{"zero token", put(r, "k", minikv.UnderToken(minikv.Token{})), minikv.ErrInvalid, "zero token"},
		{"nil locked", put(r, "k", minikv.Locked(nil)), minikv.ErrInvalid, "address of a *Lease"},
		{"nil option", put(r, "k", nil), minikv.ErrInvalid, "option is nil"},
		{"locked under", put(r, "held", minikv.Under(held), minikv.Locked(&lease)), minikv.ErrInvalid, "both Locked and Under"},
		{"zero ttl", put(r, "k", minikv.TTL(0)), minikv.ErrInvalid, "more than zero"},
		{"endless ttl", put(r, "k", minikv.TTL(1<<62)), minikv.ErrInvalid, "more than 100 years"},
		{"two ttls", put(r, "k", minikv.TTL(time.Hour), minikv.KeepTTL()), minikv.ErrInvalid, "both TTL and KeepTTL"},
		{"short lease", lock(r, "k", minikv.TTL(time.Millisecond)), minikv.ErrInvalid, "100ms to 24h"},
		{"long meta", lock(r, "k", minikv.Meta(make([]byte, 1025))), minikv.ErrTooLarge, "1025 bytes"},
		{"bad option in locked", put(r, "k", minikv.Locked(&lease, minikv.TTL(1))), minikv.ErrInvalid, "100ms to 24h"},
		{"expire now", r.Expire(ctx, "k", -1), minikv.ErrInvalid, "use Delete"},
		{"two watches in one", watch(r, minikv.UpdatesOnly(), minikv.After(somewhere(t, r))), minikv.ErrInvalid, "both UpdatesOnly and After"},
		{"another registry's position", watch(other, minikv.After(somewhere(t, r))), minikv.ErrInvalid, "another registry or prefix"},
		{"batch of mistakes", batch(r, func(b *minikv.Batch) { b.Put("", nil); b.Put("k", nil, nil) }), minikv.ErrKeyInvalid, "put test: the key has 0 bytes"},
		{"batch with lock", batch(r, func(b *minikv.Batch) { b.Put("k", nil, minikv.Locked(&lease)) }), minikv.ErrInvalid, "lock the key before"},
		{"batch with nil option", batch(r, func(b *minikv.Batch) { b.Delete("k", nil) }), minikv.ErrInvalid, "option is nil"},
		{"disconnect offline", n.Disconnect(ctx, "x"), minikv.ErrOffline, "offline"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.ErrorIs(t, tt.got, tt.want)
			require.ErrorContains(t, tt.got, tt.text)
			require.True(t, strings.HasPrefix(tt.got.Error(), "minikv: "), tt.got.Error())
			require.Equal(t, 1, strings.Count(tt.got.Error(), "minikv: "), tt.got.Error())
			var e *minikv.Error
			require.ErrorAs(t, tt.got, &e)
			require.NotEmpty(t, e.Op)
		})
	}
	require.Nil(t, lease)
	require.NoError(t, held.Check(0), "none of it touched the lease")
}

// somewhere is a position that is not the beginning.
func somewhere(t *testing.T, r *minikv.Registry) minikv.Position {
	t.Helper()
	put(t, r, "somewhere", "x")
	for ev, err := range r.Watch(ctx, "") {
		require.NoError(t, err)
		if ev.Kind == minikv.EventSynced {
			return ev.Position()
		}
	}
	return minikv.Position{}
}

func TestErrorNamesThePeer(t *testing.T) {
	err := &minikv.Error{Op: "sync", Registry: "r", Peer: "12D3", Err: minikv.ErrNoPeer}
	require.EqualError(t, err, "minikv: sync r with peer 12D3: no such peer")
}

func TestLeaseLostErrorClasses(t *testing.T) {
	beaten := &minikv.LeaseLostError{Reason: minikv.LostBeaten, Winner: minikv.LockInfo{Owner: "them", Token: minikv.Token{7}}}
	require.ErrorIs(t, beaten, minikv.ErrLeaseLost)
	require.NotErrorIs(t, beaten, minikv.ErrClosed)
	require.ErrorContains(t, beaten, "them holds it under token 07")
	require.ErrorIs(t, &minikv.LeaseLostError{Reason: minikv.LostClosed}, minikv.ErrClosed)
	for reason := minikv.LostExpired; reason <= minikv.LostClosed; reason++ {
		require.NotContains(t, reason.String(), "unknown")
	}
	require.Contains(t, minikv.LossReason(99).String(), "99")
}

func TestTokenText(t *testing.T) {
	token := minikv.Token{0: 1, 23: 0xff}
	parsed, err := minikv.ParseToken(token.String())
	require.NoError(t, err)
	require.Equal(t, token, parsed)
	text, err := token.MarshalText()
	require.NoError(t, err)
	var back minikv.Token
	require.NoError(t, back.UnmarshalText(text))
	require.Equal(t, token, back)
	require.Equal(t, 1, token.Compare(minikv.Token{}))
	for _, bad := range []string{"", "00", strings.Repeat("x", 48), token.String() + "0"} {
		_, err := minikv.ParseToken(bad)
		require.ErrorIs(t, err, minikv.ErrInvalid)
	}
}

func TestKindsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range []fmt.Stringer{
		minikv.EventPut, minikv.EventDelete, minikv.EventExpire, minikv.EventSynced,
		minikv.LockHeld, minikv.LockRenewed, minikv.LockReleased, minikv.LockExpired, minikv.LockOverlap,
	} {
		require.NotEqual(t, "unknown", s.String())
		require.False(t, seen[s.String()] && s.String() != "expired")
		seen[s.String()] = true
	}
	require.Equal(t, "unknown", minikv.EventKind(0).String())
	require.Equal(t, "unknown", minikv.LockEventKind(0).String())
}

func TestLockedErrorFields(t *testing.T) {
	r := offline(t)
	l, err := r.TryLock(ctx, "k", minikv.TTL(time.Minute))
	require.NoError(t, err)
	_, err = r.TryLock(ctx, "k")
	var locked *minikv.LockedError
	require.True(t, errors.As(err, &locked))
	require.Equal(t, l.Token(), locked.Token)
	require.Equal(t, r.Node().ID(), locked.Owner)
	require.InDelta(t, time.Minute, locked.Remaining, float64(20*time.Second))
}
