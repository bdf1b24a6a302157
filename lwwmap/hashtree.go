package lwwmap

import (
	"iter"

	"github.com/cespare/xxhash/v2"
)

// Fanout is the width of each of the two levels of the digest tree.
const Fanout = 256

// Bucket is a leaf of the digest tree: the high byte names its top.
type Bucket uint16

// slot is the hash by which a key is found; its high bits name the bucket.
// Its seed is public: that a writer may aim many keys at one slot or bucket
// costs time in that bucket, never truth.
func slot(kind Kind, key string) uint64 {
	return xxhash.Sum64String(key) ^ uint64(kind-Data)*0x9e3779b97f4a7c15
}

func bucketOf(slot uint64) Bucket { return Bucket(slot >> 48) }

// BucketOf returns the leaf of the digest tree to which a key belongs.
func BucketOf(kind Kind, key string) Bucket { return bucketOf(slot(kind, key)) }

// HashTree keeps the digests of the 65,536 buckets of a map in two levels of
// 256, so that two replicas find the buckets in which they differ in two
// steps (Merkle, 1987; summed instead of hashed, so that a write costs three
// additions). Copying is lazy: Fork is cheap, and the first write behind it to
// each block of 16 leaves copies 256 bytes, to each top 160. Empty blocks take
// no memory.
type HashTree struct {
	root Digest
	tops [Fanout]*top
	gen  *byte // who may write a top in place: those made under this mark
}

const (
	blockBits = 4 // of a bucket, say which leaf of its block it is
	blocks    = Fanout >> blockBits
)

// block is neighbouring leaves.
type block [1 << blockBits]Digest

// top has first what each write looks at: one line of the processor's cache.
type top struct {
	sum    Digest
	gen    *byte
	own    uint16 // a bit for each block that no other top shares
	blocks [blocks]*block
}

// Root sums up the whole map.
func (t *HashTree) Root() Digest { return t.root }

// Fork returns a tree that changes on its own from here on.
func (t *HashTree) Fork() HashTree {
	t.gen = new(byte)
	f := *t
	f.gen = new(byte)
	return f
}

// Add puts a hash into a bucket.
func (t *HashTree) Add(b Bucket, h Digest) {
	top := t.writable(b)
	leaf := top.writable(b)
	t.root, top.sum, *leaf = t.root.Add(h), top.sum.Add(h), leaf.Add(h)
}

// Sub takes a hash out of a bucket.
func (t *HashTree) Sub(b Bucket, h Digest) {
	top := t.writable(b)
	leaf := top.writable(b)
	t.root, top.sum, *leaf = t.root.Sub(h), top.sum.Sub(h), leaf.Sub(h)
}

func (t *HashTree) writable(b Bucket) *top {
	p := &t.tops[b>>8]
	switch {
	case *p == nil:
		*p = &top{gen: t.gen}
	case (*p).gen != t.gen:
		c := **p
		c.gen, c.own = t.gen, 0
		*p = &c
	}
	return *p
}

// writable returns a leaf in a block of the top's own.
func (p *top) writable(b Bucket) *Digest {
	i := byte(b) >> blockBits
	if p.own&(1<<i) == 0 {
		mine := new(block)
		if p.blocks[i] != nil {
			*mine = *p.blocks[i]
		}
		p.blocks[i] = mine
		p.own |= 1 << i
	}
	return &p.blocks[i][b%(1<<blockBits)]
}

// Top returns the digest of the 256 buckets with the high byte i.
func (t *HashTree) Top(i byte) Digest {
	if t.tops[i] == nil {
		return Digest{}
	}
	return t.tops[i].sum
}

// Leaf returns the digest of one bucket.
func (t *HashTree) Leaf(b Bucket) Digest {
	if t.tops[b>>8] == nil {
		return Digest{}
	}
	if leaves := t.tops[b>>8].blocks[byte(b)>>blockBits]; leaves != nil {
		return leaves[b%(1<<blockBits)]
	}
	return Digest{}
}

// Tops yields the tops that are not empty.
func (t *HashTree) Tops() iter.Seq2[byte, Digest] {
	return func(yield func(byte, Digest) bool) {
		for i, p := range t.tops {
			if p != nil && !p.sum.IsZero() && !yield(byte(i), p.sum) {
				return
			}
		}
	}
}

// TopSize is the length of what AppendTop appends.
const TopSize = Fanout * len(Digest{})

// AppendTop appends the digests of the 256 buckets with the high byte i.
func (t *HashTree) AppendTop(b []byte, i byte) []byte {
	for n := range Fanout {
		d := t.Leaf(Bucket(i)<<8 | Bucket(n))
		b = append(b, d[:]...)
	}
	return b
}

// SetTop takes over what AppendTop made, TopSize bytes.
func (t *HashTree) SetTop(i byte, b []byte) {
	for n := range Fanout {
		bucket := Bucket(i)<<8 | Bucket(n)
		t.Sub(bucket, t.Leaf(bucket))
		t.Add(bucket, Digest(b[n*len(Digest{}):]))
	}
}
