package store

import (
	"fmt"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// builder fills a new registry with records. Indexes, digest tree and totals
// come of the records alone.
type builder struct {
	t     *table
	state lwwmap.State
	step  lwwmap.Step
	bytes int
}

// build makes a new registry. Its context and horizons are those given.
func (s *Store) build(name string, about []byte, from *lwwmap.State) (*builder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names[name] != nil {
		return nil, fmt.Errorf("store: registry %q is there already", name)
	}
	r, err := s.create(name, about)
	if err != nil {
		return nil, err
	}
	t, _, err := s.openTable(r.number)
	if err != nil {
		return nil, err
	}
	b := &builder{t: t, state: lwwmap.State{Context: new(crdt.Context), Horizons: from.Horizons, Clock: from.Clock}}
	b.step = lwwmap.Step{Seen: from.Context.Spans(), Horizons: from.Horizons, Clock: from.Clock}
	b.state.Context.Join(from.Context)
	return b, nil
}

// add adds a record, whose key must hold nothing yet.
func (b *builder) add(r lwwmap.Record) error {
	place := lwwmap.NewPlace(r.Kind(), r.Key(), lwwmap.Record{})
	b.t.Set(&place, r)
	b.state.Counts.Add(r, 1)
	if !r.Deleted() {
		delta := lwwmap.BucketDelta{Bucket: lwwmap.BucketOf(r.Kind(), r.Key()), Delta: r.Hash()}
		b.state.Sums.Add(delta.Bucket, delta.Delta)
		b.step.Sums = append(b.step.Sums, delta)
	}
	if b.bytes += r.Size(); b.bytes < gatherBytes {
		return nil
	}
	return b.commit()
}

func (b *builder) commit() error {
	b.step.Counts = b.state.Counts
	err := b.t.Commit(&b.step, func() *lwwmap.State { return &b.state })
	b.step.Seen, b.step.Sums, b.bytes = nil, b.step.Sums[:0], 0
	return err
}
