package replica

import (
	"slices"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// overlay is the join of two snapshots as one side works it out: its own
// snapshot, what differs from it, and the digest tree of the whole.
type overlay struct {
	snap    *lwwmap.Snapshot
	when    hlc.Timestamp
	sums    lwwmap.HashTree
	changed map[itemKey]lwwmap.Record // the zero Record: gone
	full    bool                      // too much has changed to keep it; only the digest is kept
	drops   map[itemKey]lwwmap.Drop
	// mirrored holds, for a side that may only read, what sums have for a key
	// where that is not what the peer is presumed to hold; see direction.go.
	mirrored map[itemKey]lwwmap.Digest
}

type itemKey struct {
	kind lwwmap.Kind
	key  string
}

// maxOverlay bounds the records that an overlay keeps, 10 MB or so. Variable
// for tests.
var maxOverlay = 128 << 10

func (v *overlay) init(snap *lwwmap.Snapshot, when hlc.Timestamp) {
	v.snap, v.when, v.sums = snap, when, snap.SumsAt(when)
	v.changed = map[itemKey]lwwmap.Record{}
	v.drops = map[itemKey]lwwmap.Drop{}
	v.mirrored = map[itemKey]lwwmap.Digest{}
}

// get returns what the join holds for a key, as far as it is known.
func (v *overlay) get(k itemKey) lwwmap.Record {
	if r, ok := v.changed[k]; ok {
		return r
	}
	return v.snap.Get(k.kind, k.key)
}

// set makes now the join's record of a key that held was; either may be zero.
func (v *overlay) set(k itemKey, was, now lwwmap.Record) {
	bucket := lwwmap.BucketOf(k.kind, k.key)
	if !was.IsZero() && !was.Dead(v.when) {
		v.sums.Sub(bucket, was.Hash())
	}
	if !now.IsZero() && !now.Dead(v.when) {
		v.sums.Add(bucket, now.Hash())
	}
	v.keep(k, now)
}

// keep is set without the digest.
func (v *overlay) keep(k itemKey, now lwwmap.Record) {
	if v.full {
		return
	}
	if len(v.changed) >= maxOverlay {
		v.full, v.changed = true, nil
		return
	}
	v.changed[k] = now
}

// drop notes that was goes at the end of the session, and now takes its place.
func (v *overlay) drop(k itemKey, was, now lwwmap.Record) {
	if d, ok := v.drops[k]; ok {
		was = d.Was
	}
	v.drops[k] = lwwmap.Drop{Was: was, Now: now}
}

// dropList returns the drops in an order that is the same in every run.
func (v *overlay) dropList() []lwwmap.Drop {
	list := make([]lwwmap.Drop, 0, len(v.drops))
	for _, d := range v.drops {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b lwwmap.Drop) int { return compareRecords(a.Was, b.Was) })
	return list
}

// bucketItems calls fn for each record of the join in the wanted buckets.
func (v *overlay) bucketItems(want map[lwwmap.Bucket]bool, fn func(itemKey, lwwmap.Record)) {
	v.snap.Buckets(func(b lwwmap.Bucket) bool { return want[b] }, func(_ lwwmap.Bucket, r lwwmap.Record) {
		k := itemKey{r.Kind(), r.Key()}
		if _, changed := v.changed[k]; !changed {
			fn(k, r)
		}
	})
	for k, r := range v.changed {
		if !r.IsZero() && want[lwwmap.BucketOf(k.kind, k.key)] {
			fn(k, r)
		}
	}
}
