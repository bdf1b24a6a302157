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
// additions). Copying is lazy: Fork is cheap, the first write behind it to
// each of the 256 tops copies 4 KiB.
type HashTree struct {
	root Digest
	tops [Fanout]*top
	gen  *byte // who may write a top in place: those made under this mark
}

type top struct {
	sum    Digest
	leaves [Fanout]Digest
	gen    *byte
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
	t.root, top.sum = t.root.Add(h), top.sum.Add(h)
	top.leaves[byte(b)] = top.leaves[byte(b)].Add(h)
}

// Sub takes a hash out of a bucket.
func (t *HashTree) Sub(b Bucket, h Digest) {
	top := t.writable(b)
	t.root, top.sum = t.root.Sub(h), top.sum.Sub(h)
	top.leaves[byte(b)] = top.leaves[byte(b)].Sub(h)
}

func (t *HashTree) writable(b Bucket) *top {
	p := &t.tops[b>>8]
	switch {
	case *p == nil:
		*p = &top{gen: t.gen}
	case (*p).gen != t.gen:
		c := **p
		c.gen = t.gen
		*p = &c
	}
	return *p
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
	return t.tops[b>>8].leaves[byte(b)]
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
	p := t.tops[i]
	if p == nil {
		p = new(top)
	}
	for _, d := range p.leaves {
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
