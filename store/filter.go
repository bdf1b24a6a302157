package store

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/minikv/minikv/lwwmap"
)

// filter knows of most keys that were never written that they were not: so a new
// key is put without looking for it on disk. It is a Bloom filter whose blocks
// are a cache line (Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient
// Bloom Filters", 2007), in layers, each four times the one before, as keys come.
// Keys are never taken out. One adds, any number may ask meanwhile.
type filter struct {
	layers atomic.Pointer[[]*filterLayer]
	added  atomic.Int64 // to the last layer
}

type filterLayer struct {
	words []atomic.Uint64
	keys  int // that it is meant for
}

const (
	filterBits  = 12 // a key: one of 100 keys that were never written passes
	filterHash  = 6  // bits set for a key
	blockWords  = 8
	layerGrowth = 4
)

var firstLayer = 1 << 16 // keys

func newFilter() *filter { return new(filter) }

func newFilterLayer(keys int) *filterLayer {
	blocks := max(1, keys*filterBits/64/blockWords)
	return &filterLayer{words: make([]atomic.Uint64, blocks*blockWords), keys: keys}
}

func filterSum(kind lwwmap.Kind, key string) uint64 {
	return xxhash.Sum64String(key) + uint64(kind)*0x9e3779b97f4a7c15
}

// block returns the words of the block of a hash.
func (l *filterLayer) block(h uint64) []atomic.Uint64 {
	blocks := uint64(len(l.words) / blockWords)
	at := (h >> 32) * blocks >> 32
	return l.words[at*blockWords : (at+1)*blockWords]
}

// each calls fn with the word and bit of each hash of a key, until it says no.
func each(h uint64, fn func(word int, bit uint64) bool) bool {
	x := h * 0xff51afd7ed558ccd
	for range filterHash {
		if !fn(int(x>>6&7), 1<<(x&63)) {
			return false
		}
		x >>= 9
	}
	return true
}

func (l *filterLayer) has(h uint64) bool {
	b := l.block(h)
	return each(h, func(word int, bit uint64) bool { return b[word].Load()&bit != 0 })
}

func (l *filterLayer) add(h uint64) {
	b := l.block(h)
	each(h, func(word int, bit uint64) bool { b[word].Or(bit); return true })
}

// mayHave says no only for keys that were never added.
func (f *filter) mayHave(kind lwwmap.Kind, key string) bool { return f.has(filterSum(kind, key)) }

func (f *filter) has(h uint64) bool {
	layers := f.layers.Load()
	if layers == nil {
		return false
	}
	for _, l := range *layers {
		if l.has(h) {
			return true
		}
	}
	return false
}

// add adds a key. Only one may add at a time.
func (f *filter) add(kind lwwmap.Kind, key string) {
	h := filterSum(kind, key)
	if f.has(h) {
		return
	}
	var layers []*filterLayer
	if p := f.layers.Load(); p != nil {
		layers = *p
	}
	n := len(layers)
	if n == 0 || f.added.Load() >= int64(layers[n-1].keys) {
		keys := firstLayer
		if n > 0 {
			keys = layers[n-1].keys * layerGrowth
		}
		grown := append(layers[:n:n], newFilterLayer(keys))
		f.added.Store(0)
		f.layers.Store(&grown)
		layers = grown
	}
	layers[len(layers)-1].add(h)
	f.added.Add(1)
}

func (f *filter) isSmall() bool {
	layers := f.layers.Load()
	return layers == nil || len(*layers) == 1
}

// rows calls fn with parts of the filter that load takes.
func (f *filter) rows(fn func(row []byte) error) error {
	layers := f.layers.Load()
	if layers == nil {
		return nil
	}
	for i, l := range *layers {
		added := l.keys
		if i == len(*layers)-1 {
			added = int(f.added.Load())
		}
		for from := 0; from < len(l.words); from += filterRow {
			row := binary.LittleEndian.AppendUint64(nil, uint64(l.keys))
			row = binary.LittleEndian.AppendUint64(row, uint64(added))
			for j := from; j < min(from+filterRow, len(l.words)); j++ {
				row = binary.LittleEndian.AppendUint64(row, l.words[j].Load())
			}
			if err := fn(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// filterRow is how many words a row has.
const filterRow = 8 << 10

// filterLoader makes a filter of its rows.
type filterLoader struct {
	layers []*filterLayer
	filled int // words of the last layer
	added  int64
	bad    bool
}

func (f *filterLoader) row(row []byte) {
	if len(row) < 24 || len(row)%8 != 0 {
		f.bad = true
		return
	}
	keys, added := binary.LittleEndian.Uint64(row), binary.LittleEndian.Uint64(row[8:])
	if n := len(f.layers); n == 0 || f.filled == len(f.layers[n-1].words) {
		if keys == 0 || keys > 1<<40 {
			f.bad = true
			return
		}
		f.layers, f.filled = append(f.layers, newFilterLayer(int(keys))), 0
	}
	last := f.layers[len(f.layers)-1]
	for row = row[16:]; len(row) > 0 && f.filled < len(last.words); row = row[8:] {
		last.words[f.filled].Store(binary.LittleEndian.Uint64(row))
		f.filled++
	}
	f.added = int64(added)
	f.bad = f.bad || len(row) > 0 || last.keys != int(keys)
}

// filter returns what was loaded, nil if it is not whole.
func (f *filterLoader) filter() *filter {
	n := len(f.layers)
	if f.bad || n == 0 || f.filled != len(f.layers[n-1].words) {
		return nil
	}
	out := newFilter()
	out.layers.Store(&f.layers)
	out.added.Store(f.added)
	return out
}

// keeper is the filter of a table: there, or on its way.
type keeper struct {
	ready atomic.Pointer[filter] // nil while it is being built

	mu   sync.Mutex // of what is being built
	next *filter
}

// mayHave says no only for keys that the table never held.
func (k *keeper) mayHave(kind lwwmap.Kind, key string) bool {
	f := k.ready.Load()
	return f == nil || f.mayHave(kind, key)
}

// add is called by the table's writer.
func (k *keeper) add(kind lwwmap.Kind, key string) {
	if f := k.ready.Load(); f != nil {
		f.add(kind, key)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.next == nil { // it came while we waited
		k.ready.Load().add(kind, key)
		return
	}
	k.next.add(kind, key)
}

// build adds keys of a scan, a page at a time.
func (k *keeper) build(keys []place) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range keys {
		k.next.add(p.kind, p.key)
	}
}

// built makes the filter ready.
func (k *keeper) built() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ready.Store(k.next)
	k.next = nil
}
