package property_test

import (
	"fmt"

	"github.com/minikv/minikv/lwwmap"
)

// witness follows one replica and tells when it breaks a promise. The rules:
//
//  1. Nothing is invented: what is held under a dot is what was written under
//     it, and the context holds only dots that were issued.
//  2. The invariant of contexts: for each write in the context the key holds
//     that write or a higher one, or the context also holds a write at least as
//     high that is dead: a tombstone, an entry expired by the latest clock, an
//     old lease record. So no write is lost but to a higher one, to its expiry,
//     or to a delete.
//  3. What a replica has once seen and no longer holds (overtaken, deleted,
//     expired) it never holds again. So no delete comes undone on a replica that
//     has seen it together with what it deleted. What is not promised: that an
//     older write which the replica has never seen stays away once its tombstone
//     is collected. That is a late write; it is kept, on all replicas alike.
//  4. A local write stands above everything its writer has seen of the key.
//  5. The changes told are exact: each names as Was what the last one left, and
//     together they give the entries held.
//
// A witness belongs to the state: it is copied, saved and rolled back with it.
type witness struct {
	book *ledger
	seen bits // the context, as of the last check
	lost bits // seen once and not held at some check after
	held map[slotKey]lwwmap.Record
}

func newWitness(book *ledger) *witness {
	return &witness{book: book, held: map[slotKey]lwwmap.Record{}}
}

func (w *witness) clone() *witness {
	c := &witness{book: w.book, seen: append(bits(nil), w.seen...), lost: append(bits(nil), w.lost...)}
	c.held = make(map[slotKey]lwwmap.Record, len(w.held))
	for k, r := range w.held {
		c.held[k] = r
	}
	return c
}

// changed takes note that a key went from was to now, rules 1, 3 and 5.
func (w *witness) changed(was, now lwwmap.Record) error {
	k := keyOf(was, now)
	if mirror := w.held[k]; !mirror.Same(was) && !(was.IsZero() && mayVanish(mirror)) {
		return fmt.Errorf("rule 5: change of %q from %s, but the last change left %s", k.key, show(was), show(mirror))
	}
	if now.IsZero() {
		delete(w.held, k)
		return nil
	}
	w.held[k] = now
	return w.checkHeld(now)
}

// mayVanish says what is collected without a change being told.
func mayVanish(r lwwmap.Record) bool {
	return !r.IsZero() && (r.Deleted() || r.Kind() == lwwmap.Lease)
}

func keyOf(rs ...lwwmap.Record) slotKey {
	for _, r := range rs {
		if !r.IsZero() {
			return slotKey{r.Kind(), r.Key()}
		}
	}
	return slotKey{}
}

func (w *witness) checkHeld(r lwwmap.Record) error {
	o := w.book.find(r.Dot())
	switch {
	case o == nil:
		return fmt.Errorf("rule 1: holds %s, which nobody wrote", show(r))
	case o.hash != r.Hash():
		return fmt.Errorf("rule 1: holds %s, but something else was written under that dot", show(r))
	case w.lost.has(o.id):
		return fmt.Errorf("rule 3: holds %s again, which it had seen and lost", show(r))
	}
	return nil
}

// wrote checks rule 4 for a write that is about to be entered in the ledger.
func (w *witness) wrote(r lwwmap.Record) error {
	slot, mine := w.book.slot(slotKey{r.Kind(), r.Key()}), rankOf(r)
	for _, o := range w.book.bySlot[slot] {
		if w.seen.has(o.id) && o.rank >= mine {
			return fmt.Errorf("rule 4: %s is not above %s, which its writer has seen", show(r), o)
		}
	}
	return nil
}

// check looks at the whole state, rules 1 to 3 and 5.
func (w *witness) check(m *lwwmap.Map) error {
	if err := w.readContext(m); err != nil {
		return err
	}
	words := (len(w.book.ops) + 63) / 64
	w.lost.grow(words)
	held, count := make(bits, words), 0
	var err error
	top := make([]rank, len(w.book.names))
	for kind := lwwmap.Data; kind <= lwwmap.Origin; kind++ {
		m.Ascend(kind, "", "", func(r lwwmap.Record) bool {
			if err = w.checkHeld(r); err != nil {
				return false
			}
			o := w.book.find(r.Dot())
			held.set(o.id)
			top[o.slot] = o.rank
			count++
			if !w.held[slotKey{kind, r.Key()}].Same(r) {
				err = fmt.Errorf("rule 5: holds %s, of which no change told", show(r))
			}
			return err == nil
		})
		if err != nil {
			return err
		}
	}
	if err := w.checkMirror(m, count); err != nil {
		return err
	}
	for i := range w.lost {
		w.lost[i] |= w.seen[i] &^ held[i]
	}
	return w.checkInvariant(top)
}

// readContext turns the context into seen.
func (w *witness) readContext(m *lwwmap.Map) error {
	w.seen.grow((len(w.book.ops) + 63) / 64)
	w.seen.reset()
	known := 0
	for _, a := range w.book.actors {
		seqs := w.book.byActor[a]
		ranges := m.Context().Of(a)
		if len(ranges) > 0 {
			known++
		}
		for _, r := range ranges {
			if r.Hi > uint64(len(seqs)) {
				return fmt.Errorf("rule 1: the context holds %s:%d, which nobody issued", a, r.Hi)
			}
			for _, o := range seqs[r.Lo-1 : r.Hi] {
				w.seen.set(o.id)
			}
		}
	}
	if n := m.Context().Len(); n != known {
		return fmt.Errorf("rule 1: the context holds %d actors, of which %d exist", n, known)
	}
	return nil
}

// checkMirror drops what was collected from the mirror; then it must be as
// large as the map.
func (w *witness) checkMirror(m *lwwmap.Map, count int) error {
	if len(w.held) == count {
		return nil
	}
	for k, r := range w.held {
		if mayVanish(r) && m.Get(k.kind, k.key).IsZero() {
			delete(w.held, k)
		}
	}
	if len(w.held) != count {
		return fmt.Errorf("rule 5: holds %d entries, the changes told leave %d", count, len(w.held))
	}
	return nil
}

// checkInvariant checks rule 2; top is the rank held for each key.
func (w *witness) checkInvariant(top []rank) error {
	dead := make([]rank, len(top))
	for _, o := range w.book.ops {
		if w.seen.has(o.id) && w.book.dead(o) {
			dead[o.slot] = max(dead[o.slot], o.rank)
		}
	}
	for _, o := range w.book.ops {
		if w.seen.has(o.id) && o.rank > top[o.slot] && o.rank > dead[o.slot] {
			return fmt.Errorf("rule 2: %s is lost: seen, but the key holds nothing as high and nothing as high was deleted", o)
		}
	}
	return nil
}

func (o *op) String() string {
	return fmt.Sprintf("write %d under dot %s, rank %x, deleted %t, expires %s", o.id, o.dot, string(o.rank), o.deleted, o.expires)
}

func show(r lwwmap.Record) string {
	if r.IsZero() {
		return "nothing"
	}
	e := r.Entry()
	text := fmt.Sprintf("%s %q dot %s stamp %s", e.Kind, e.Key, e.Dot, e.Stamp)
	if !e.Fence.IsZero() {
		text += fmt.Sprintf(" fence %s base %s", e.Fence, e.Base)
	}
	if e.Deleted {
		text += " deleted"
	}
	if e.Expires != 0 {
		text += " expires " + e.Expires.String()
	}
	return text
}

// forgive allows an entry to be held again, and says whether it was lost before.
func (w *witness) forgive(r lwwmap.Record) bool {
	o := w.book.find(r.Dot())
	if o == nil || !w.lost.has(o.id) {
		return false
	}
	w.lost[o.id>>6] &^= 1 << (o.id & 63)
	return true
}
