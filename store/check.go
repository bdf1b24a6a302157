package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// Report says what Check has found.
type Report struct {
	Registries []RegistryReport
	// Faults are the first of them, at most MaxFaults, and Found how many there
	// are of each sort.
	Faults []Fault
	Found  map[string]int
	// Repaired says that a store without them has taken the old one's place, whose
	// files are in the directory Kept.
	Repaired bool
	Kept     string
}

// RegistryReport is what Check has read of a registry.
type RegistryReport struct {
	Name       string
	Keys       int // whole ones of data, not tombstones
	Entries    int // the same of any kind
	Tombstones int
	// Lost is how many writes were held and are not any more. A repair takes them
	// out of what the registry has seen, so that peers offer them again.
	Lost int
	// Unknown says that more may be lost than can be named: a repair leaves in
	// what was seen nothing but what is held.
	Unknown bool
}

// Fault is something that is not as it should be.
type Fault struct {
	Sort     string // one of the Fault constants
	Registry string // empty: the store itself
	What     string
}

// Sorts of faults.
const (
	FaultUnreadable = "unreadable"  // part of a file
	FaultLog        = "log"         // its end cannot be read: what was written last is missing, nobody knows how much
	FaultEntry      = "entry"       // a record that is none, or not the one that was written
	FaultIndex      = "index"       // a row that leads nowhere, or is missing
	FaultContext    = "context"     // an entry is held that was not seen
	FaultDigest     = "digest"      // digest or totals are not those of the entries
	FaultState      = "state"       // context, horizons and digest cannot be read
	FaultStore      = "store"       // a row of the store's own
	FaultUnknownRow = "unknown row" // a row of no known kind
)

// MaxFaults is how many faults a Report lists.
const MaxFaults = 100

// OK says whether there was nothing wrong.
func (r *Report) OK() bool { return len(r.Found) == 0 }

func (r *Report) fault(sort, registry, what string, args ...any) {
	if r.Found == nil {
		r.Found = map[string]int{}
	}
	if r.Found[sort]++; len(r.Faults) < MaxFaults {
		r.Faults = append(r.Faults, Fault{sort, registry, fmt.Sprintf(what, args...)})
	}
}

// Check verifies the store in a directory, which no process must have open:
// every entry, every row of an index in both directions, digest, totals and
// context. digestKey returns the digest key of a registry, nil if it is not
// known: then entries are not compared with their hashes. Nothing is changed.
//
// With repair, and if something is wrong, a new store is made of what is right,
// which takes the old one's place in the directory; the files of the old one are
// kept in a directory there. It needs as much room again. A write that was lost is taken out of the
// registry's context, so that peers offer it again; nothing is invented.
//
// A directory that the engine cannot open is an error, ErrCorrupt, that names
// the damaged files; then only a saved store or peers have the data, and a repair
// leaves a store without registries.
func Check(ctx context.Context, dir string, o Options, digestKey func(registry string) []byte, repair bool) (Report, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if names, err := o.FS.List(dir); err != nil || !slices.ContainsFunc(names, isOfNode) {
		return Report{}, fmt.Errorf("%w: %s holds no store", ErrFormat, dir)
	}
	o.readOnly = true
	s, err := Open(dir, o)
	if err != nil {
		if err = blame(o.FS, dir, err); !errors.Is(err, ErrCorrupt) {
			return Report{}, err
		}
		if repair {
			return beginAnew(dir, o, err)
		}
		return Report{}, fmt.Errorf("%w; check cannot go on: restore a snapshot to another directory, or let minikv check --repair begin anew here and get the data from peers", err)
	}
	c := &checker{ctx: ctx, s: s, digestKey: digestKey}
	err = c.check()
	if err == nil && repair && !c.report.OK() {
		err = c.repair(o)
	}
	lock := s.lock
	s.lock = nil // nobody else is to open the directory before all is done
	err = errors.Join(err, s.Close())
	if err == nil && c.repaired {
		c.report.Kept, err = install(o.FS, s.dir)
		c.report.Repaired = err == nil
	}
	return c.report, errors.Join(err, lock.Close())
}

// checker checks a store.
type checker struct {
	ctx       context.Context
	s         *Store
	digestKey func(string) []byte
	report    Report
	found     []*checked
	ceiling   hlc.Timestamp // not below anything in the store
	repaired  bool
}

// checked is what is right in a registry.
type checked struct {
	r       RegistryReport
	number  number
	about   []byte
	key     []byte
	digests *lwwmap.Map
	state   *lwwmap.State // as it says; nil: not readable
	sums    lwwmap.HashTree
	counts  lwwmap.Counts
	held    *crdt.Context         // the dots of all entries
	lost    map[crdt.Dot]struct{} // that were held
	rows    [3]int                // of entries: by dot, by expiry, of tombstones
	between map[string]bool       // rows of entries that only an index leads to
}

func (c *checker) check() error {
	if c.s.cut != "" {
		c.report.fault(FaultLog, "", "%s", c.s.cut)
		c.ceiling = hlc.FromTime(time.Now()).Add(hlc.DefaultAhead) // what it was may be in the missing part
	}
	if err := c.own(); err != nil {
		return err
	}
	for _, name := range c.s.Names() {
		r := c.s.names[name]
		one := &checked{
			r: RegistryReport{Name: name}, number: r.number, about: r.about,
			held: new(crdt.Context), lost: map[crdt.Dot]struct{}{},
		}
		if one.key = c.digestKey(name); one.key != nil {
			one.digests = lwwmap.New(one.key)
		}
		if err := c.registry(one); err != nil {
			return err
		}
		c.found = append(c.found, one)
		c.report.Registries = append(c.report.Registries, one.r)
	}
	return c.strays()
}

// own checks the rows of the store itself.
func (c *checker) own() error {
	from := binary.BigEndian.AppendUint32(nil, 0)
	return c.each("", from, after(from), func(k, v []byte) {
		switch class := k[prefixLen-1]; {
		case bytes.Equal(k, keyCeiling):
			if len(v) != 8 {
				c.report.fault(FaultStore, "", "the ceiling of the clock has %d bytes", len(v))
				return
			}
			c.ceiling = max(c.ceiling, hlc.Timestamp(binary.BigEndian.Uint64(v)))
		case bytes.Equal(k, keyFormat), bytes.Equal(k, keyNext), class == 'r', class == 'o':
		default:
			c.report.fault(FaultUnknownRow, "", "%q", k)
		}
	})
}

// each calls fn for all rows that can be read: from the start to where they
// cannot, and from the end back to there.
func (c *checker) each(registry string, from, to []byte, fn func(k, v []byte)) error {
	n, last, err := 0, []byte(nil), error(nil)
	ended := func() bool {
		if n++; n%1024 == 0 {
			err = c.ctx.Err()
		}
		return err != nil
	}
	it, failed := c.s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if failed != nil {
		c.report.fault(FaultUnreadable, registry, "%s", firstLine(failed))
		return nil
	}
	for ok := it.First(); ok && !ended(); ok = it.Next() {
		last = append(last[:0], it.Key()...)
		fn(it.Key(), it.Value())
	}
	failed = it.Close()
	if failed == nil || err != nil {
		return err
	}
	c.report.fault(FaultUnreadable, registry, "behind row %q: %s", last, firstLine(failed))
	if it, failed = c.s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to}); failed != nil {
		return nil
	}
	for ok := it.Last(); ok && bytes.Compare(it.Key(), last) > 0 && !ended(); ok = it.Prev() {
		fn(it.Key(), it.Value())
	}
	_ = it.Close() // it has been reported
	return err
}

// strays looks for rows of registries that are not there.
func (c *checker) strays() error {
	known := map[number]bool{0: true}
	for _, one := range c.found {
		known[one.number] = true
	}
	numbers := make([]number, 0, len(known))
	for n := range known {
		numbers = append(numbers, n)
	}
	sort.Slice(numbers, func(i, j int) bool { return numbers[i] < numbers[j] })
	for i, n := range numbers {
		from := after(binary.BigEndian.AppendUint32(nil, uint32(n)))
		to := bytes.Repeat([]byte{0xff}, prefixLen)
		if i+1 < len(numbers) {
			to = binary.BigEndian.AppendUint32(nil, uint32(numbers[i+1]))
		}
		err := c.each("", from, to, func(k, _ []byte) { c.report.fault(FaultUnknownRow, "", "of no registry: %q", k) })
		if err != nil {
			return err
		}
	}
	return nil
}
