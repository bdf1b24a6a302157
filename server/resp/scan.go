package resp

import (
	"hash/maphash"
	"strconv"
	"sync"

	"github.com/minikv/minikv"
)

// cursors knows which key a cursor of SCAN stands for. A cursor is the hash of the key at which the next page
// begins; what is kept here only saves looking for it. So a cursor is good for ever: of one that was forgotten
// the key is searched and, if it went meanwhile, the walk begins anew. Either way no key is left out that was
// there all the while.
type cursors struct {
	mu    sync.Mutex
	of    map[uint64]string
	order []uint64 // a ring of those in of
	next  int
}

// maxCursors bounds what is kept, of all scans of a database that are under way: 1 MiB of keys at most.
const maxCursors = 1024

var cursorSeed = maphash.MakeSeed()

// cursorOf is the cursor that stands for a key; never 0, which is the beginning and the end.
func cursorOf(key string) uint64 {
	return max(maphash.String(cursorSeed, key), 1)
}

// keep remembers a key, and returns its cursor.
func (k *cursors) keep(key string) uint64 {
	n := cursorOf(key)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of == nil {
		k.of = map[uint64]string{}
	}
	if _, ok := k.of[n]; !ok {
		if len(k.order) < maxCursors {
			k.order = append(k.order, n)
		} else {
			delete(k.of, k.order[k.next])
			k.order[k.next] = n
			k.next = (k.next + 1) % maxCursors
		}
	}
	k.of[n] = key
	return n
}

// key returns where a cursor stands.
func (k *cursors) key(r *minikv.Registry, n uint64) (string, error) {
	if n == 0 {
		return "", nil
	}
	k.mu.Lock()
	key, ok := k.of[n]
	k.mu.Unlock()
	if ok {
		return key, nil
	}
	for key, err := range r.Keys(background, "") {
		if err != nil {
			return "", err
		}
		if cursorOf(key) == n {
			return key, nil
		}
	}
	return "", nil
}

// scanOptions are those of SCAN.
type scanOptions struct {
	cursor  uint64
	pattern string
	count   int
	kind    string // empty: all
}

const (
	defaultScan = 10
	maxScan     = 100_000 // keys of one page; whoever asks for more gets this
)

func (c *conn) scanOptions() (o scanOptions, err error) {
	o.count, o.pattern = defaultScan, "*"
	if o.cursor, err = strconv.ParseUint(c.str(1), 10, 64); err != nil {
		return o, errCursor
	}
	for i := 2; i < c.cmd.len(); i += 2 {
		more := i+1 < c.cmd.len()
		switch {
		case more && c.is(i, "match"):
			o.pattern = c.str(i + 1)
		case more && c.is(i, "type"):
			o.kind = string(lower(nil, c.cmd.arg(i+1)))
		case more && c.is(i, "count"):
			n, err := c.number(i + 1)
			if err != nil {
				return o, err
			}
			if n < 1 {
				return o, errSyntax
			}
			o.count = int(min(n, maxScan))
		default:
			return o, errSyntax
		}
	}
	return o, nil
}

// scan goes through the keys in their order, so that a page is where it was whatever is written meanwhile.
func (c *conn) scan() {
	o, err := c.scanOptions()
	if err != nil {
		c.failWith(err)
		return
	}
	r := c.registry()
	if r == nil {
		return
	}
	from, err := c.db.cursors.key(r, o.cursor)
	var keys []string
	var next string
	if err == nil {
		keys, next, err = r.KeysFrom(background, from, o.count)
	}
	if err != nil {
		c.failed(r, err)
		return
	}
	var cursor uint64
	if next != "" {
		cursor = c.db.cursors.keep(next)
	}
	keys = o.choose(keys)
	c.array(2)
	c.text(strconv.FormatUint(cursor, 10))
	c.array(len(keys))
	for _, key := range keys {
		c.text(key)
	}
}

// choose returns the keys that are asked for, in the same array.
func (o *scanOptions) choose(keys []string) []string {
	if o.kind != "" && o.kind != "string" {
		return nil
	}
	if o.pattern == "*" {
		return keys
	}
	out := keys[:0]
	for _, key := range keys {
		if glob(o.pattern, key) {
			out = append(out, key)
		}
	}
	return out
}
