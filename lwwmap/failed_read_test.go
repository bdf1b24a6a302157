package lwwmap_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// failing is a table that finds a record by time, and then cannot read it any more.
type failing struct {
	lwwmap.Table
	held lwwmap.Record
}

func (f failing) Expiring(fn func(lwwmap.Record) bool)         { fn(f.held) }
func (f failing) OldestTombstones(fn func(lwwmap.Record) bool) { fn(f.held) }
func (failing) Get(lwwmap.Kind, string) (r lwwmap.Record)      { return r }
func (failing) Find(kind lwwmap.Kind, key string) lwwmap.Place {
	return lwwmap.NewPlace(kind, key, lwwmap.Record{})
}
func (failing) Remove(p *lwwmap.Place) { _ = p.Held.Kind() }

func TestWhatCannotBeReadAnyMoreIsNotForgotten(t *testing.T) {
	held := lwwmap.Pack(&lwwmap.Entry{Kind: lwwmap.Data, Key: "k", Dot: crdt.Dot{Actor: 1, Seq: 1}, Stamp: 1, Expires: 2, Deleted: true}, lwwmap.Digest{})
	m := lwwmap.Open(nil, failing{held: held}, lwwmap.State{Context: new(crdt.Context)})
	require.NotPanics(t, func() { m.Expire(3, 1) })
	require.NotPanics(t, func() { m.Collect(3, 1) })
	require.Zero(t, m.Tombstones(), "totals stay")
}
