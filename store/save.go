package store

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// Save writes all registries, as they stand at one moment, and the clock's
// ceiling. The owner's notes are left out: they say who the node is, and a copy
// is another. Writes and reads go on meanwhile. What was committed before Save
// is in it. The locks of maps that gather must not be held.
//
// The stream is verified by [CheckSave], and read by [Restore].
func (s *Store) Save(ctx context.Context, w io.Writer) error {
	if err := s.Flush(); err != nil {
		return err
	}
	v := &view{s: s}
	err := s.use(func() error {
		v.snap = s.db.NewSnapshot()
		s.viewMu.Lock()
		s.views[v] = true
		s.viewMu.Unlock()
		return nil
	})
	if err != nil {
		return err
	}
	defer v.Close()
	v.reader = func() (pebble.Reader, error) { return v.snap, nil }
	f, err := newFrameWriter(w)
	if err != nil {
		return err
	}
	return v.save(ctx, f)
}

func (v *view) save(ctx context.Context, f *frameWriter) error {
	var ceiling []byte
	var names []string
	var rows [][]byte
	err := v.s.use(func() (err error) {
		if ceiling, err = v.s.getFrom(v.snap, keyCeiling); err != nil {
			return err
		}
		return v.s.rows(v.snap, keyNames, after(keyNames), func(k, val []byte) error {
			names, rows = append(names, string(k[prefixLen:])), append(rows, append([]byte(nil), val...))
			return nil
		})
	})
	if err != nil {
		return err
	}
	if len(ceiling) != 8 {
		ceiling = make([]byte, 8)
	}
	if err := f.write(frameStore, ceiling); err != nil {
		return err
	}
	for i, name := range names {
		head := append(binary.AppendUvarint(nil, uint64(len(name))), name...)
		if err := f.write(frameRegistry, head, rows[i][4:]); err != nil {
			return err
		}
		v.number = number(binary.BigEndian.Uint32(rows[i]))
		if err := v.saveRegistry(ctx, f); err != nil {
			return err
		}
	}
	return f.end()
}

func (v *view) saveRegistry(ctx context.Context, f *frameWriter) error {
	var state lwwmap.State
	err := v.s.use(func() (err error) {
		t := &table{view: view{s: v.s, number: v.number}}
		state, err = t.loadState(v.snap)
		return err
	})
	if err != nil {
		return err
	}
	root := state.Sums.Root()
	row := appendStep(nil, &lwwmap.Step{Seen: state.Context.Spans(), Horizons: state.Horizons, Counts: state.Counts, Clock: state.Clock})
	if err := f.write(frameState, row, root[:]); err != nil {
		return err
	}
	prefix := appendPrefix(nil, v.number, classEntry)
	var buf []byte
	v.pages(prefix, after(prefix), func(_ pebble.Reader, k, val []byte) (lwwmap.Record, error) {
		kind, key, _ := splitKind(k[prefixLen:])
		return v.parse(kind, key, val)
	}, func(r lwwmap.Record) bool {
		if len(buf) > 0 && len(buf)+r.Size() > frameRoom {
			if err = f.write(frameRecords, buf); err == nil {
				err = ctx.Err()
			}
			buf = buf[:0]
		}
		buf = append(binary.AppendUvarint(buf, uint64(r.Size())), r.Packed()...)
		return err == nil
	})
	if err = errors.Join(err, v.Err()); err == nil && len(buf) > 0 {
		err = f.write(frameRecords, buf)
	}
	return err
}

// saved takes the parts of a saved store.
type saved interface {
	ceiling(hlc.Timestamp) error
	registry(name string, about []byte, state *lwwmap.State) error
	record(lwwmap.Record) error
	end() error // of a registry
}

// Saved says what a saved store holds.
type Saved struct {
	Registries []SavedRegistry
	Bytes      int64 // of the stream
}

// SavedRegistry is one of its registries.
type SavedRegistry struct {
	Name       string
	About      []byte // what its owner said of it
	Keys       int    // of data
	Entries    int    // of any kind, not tombstones
	Tombstones int
}

// CheckSave verifies what [Store.Save] has written: all of it is there, as it
// was, and fits together. ErrCorrupt says where it is not, ErrFormat that it is
// something else. That nobody has forged it, it cannot say.
func CheckSave(r io.Reader) (Saved, error) { return readSave(context.Background(), r, nil) }

// maxName is how long a registry's name may be in a saved store.
const maxName = 64 << 10

// saveReader reads a saved store.
type saveReader struct {
	*frameReader
	to    saved // nil: nobody
	found Saved
	names map[string]bool

	open  bool          // in a registry whose state is known
	head  *savedHead    // of the registry
	state *lwwmap.State // as saved
	root  lwwmap.Digest
	kind  lwwmap.Kind // of the last record
	key   string
	sums  lwwmap.Digest
	held  lwwmap.Counts
}

type savedHead struct {
	name  string
	about []byte
}

func readSave(ctx context.Context, r io.Reader, to saved) (Saved, error) {
	f, err := newFrameReader(r)
	if err != nil {
		return Saved{}, err
	}
	s := &saveReader{frameReader: f, to: to, names: map[string]bool{}}
	for {
		if err := ctx.Err(); err != nil {
			return Saved{}, err
		}
		kind, data, err := f.next()
		if err == nil {
			err = s.frame(kind, data)
		}
		if err != nil {
			return Saved{}, err
		}
		if kind == frameEnd {
			s.found.Bytes = f.at
			return s.found, nil
		}
	}
}

func (s *saveReader) frame(kind byte, data []byte) error {
	first := s.frames == 1 && kind != frameEnd
	switch {
	case first != (kind == frameStore):
	case kind == frameStore && len(data) == 8:
		if s.to == nil {
			return nil
		}
		return s.to.ceiling(hlc.Timestamp(binary.BigEndian.Uint64(data)))
	case kind == frameRegistry:
		return s.registryFrame(data)
	case kind == frameState && s.head != nil:
		return s.stateFrame(data)
	case kind == frameRecords && s.open:
		return s.recordsFrame(data)
	case kind == frameEnd && s.head == nil && s.frames > 0:
		return s.endRegistry()
	}
	return s.damaged("a part where none is expected")
}

func (s *saveReader) registryFrame(data []byte) error {
	if s.head != nil {
		return s.damaged("a registry without a state")
	}
	if err := s.endRegistry(); err != nil {
		return err
	}
	n, size := binary.Uvarint(data)
	if size <= 0 || n > maxName || n > uint64(len(data)-size) {
		return s.damaged("the name of a registry")
	}
	data = data[size:]
	s.head = &savedHead{string(data[:n]), append([]byte(nil), data[n:]...)}
	if s.names[s.head.name] {
		return s.damaged("registry %q comes twice", s.head.name)
	}
	s.names[s.head.name] = true
	return nil
}

func (s *saveReader) stateFrame(data []byte) error {
	n := len(data) - len(lwwmap.Digest{})
	if n < 0 {
		return s.damaged("the state of registry %q", s.head.name)
	}
	step, err := readStep(data[:n])
	if err != nil || len(step.Sums) > 0 {
		return s.damaged("the state of registry %q", s.head.name)
	}
	s.state, s.root = newState(), lwwmap.Digest(data[n:])
	s.state.Apply(step)
	head := s.head
	s.head, s.open, s.kind, s.key, s.sums, s.held = nil, true, 0, "", lwwmap.Digest{}, lwwmap.Counts{}
	s.found.Registries = append(s.found.Registries, SavedRegistry{Name: head.name, About: head.about})
	if s.to == nil {
		return nil
	}
	return s.to.registry(head.name, head.about, s.state)
}

func (s *saveReader) recordsFrame(data []byte) error {
	for len(data) > 0 {
		n, size := binary.Uvarint(data)
		if size <= 0 || n > uint64(len(data)-size) {
			return s.damaged("the length of a record")
		}
		r, err := lwwmap.ParseRecord(append([]byte(nil), data[size:size+int(n)]...))
		if err != nil {
			return s.damaged("%v", err)
		}
		if err := s.recordIn(r); err != nil {
			return err
		}
		data = data[size+int(n):]
	}
	return nil
}

func (s *saveReader) recordIn(r lwwmap.Record) error {
	if r.Kind() < s.kind || r.Kind() == s.kind && r.Key() <= s.key {
		return s.damaged("%s %q is out of order", r.Kind(), r.Key())
	}
	if !s.state.Context.Has(r.Dot()) {
		return s.damaged("%s %q was written by %s, which its registry has not seen", r.Kind(), r.Key(), r.Dot())
	}
	s.kind, s.key = r.Kind(), r.Key()
	s.held.Add(r, 1)
	if !r.Deleted() {
		s.sums = s.sums.Add(r.Hash())
	}
	if s.to == nil {
		return nil
	}
	return s.to.record(r)
}

// endRegistry compares what came with what was to come.
func (s *saveReader) endRegistry() error {
	if !s.open {
		return nil
	}
	s.open = false
	r := &s.found.Registries[len(s.found.Registries)-1]
	if s.held != s.state.Counts || s.sums != s.root {
		return s.damaged("the records of registry %q are not those that it had", r.Name)
	}
	for _, n := range s.held.Live {
		r.Entries += n
	}
	r.Keys, r.Tombstones = s.held.Live[0], s.held.Tombstones
	if s.to == nil {
		return nil
	}
	return s.to.end()
}
