package main

import "math/rand/v2"

const (
	keyLen   = 16
	valueLen = 100
	payload  = keyLen + valueLen // what the user asked to keep, per entry
)

// keyStream makes keys of 16 random bytes. The same seed gives the same keys in every process.
type keyStream struct{ rng *rand.ChaCha8 }

func newKeyStream(seed uint64) *keyStream {
	var s [32]byte
	s[0], s[1], s[2], s[3] = byte(seed), byte(seed>>8), byte(seed>>16), byte(seed>>24)
	return &keyStream{rng: rand.NewChaCha8(s)}
}

func (k *keyStream) next() string {
	var b [keyLen]byte
	k.rng.Read(b[:]) // never fails
	return string(b[:])
}

// makeKeys returns n keys of a seed.
func makeKeys(seed uint64, n int) []string {
	s := newKeyStream(seed)
	keys := make([]string, n)
	for i := range keys {
		keys[i] = s.next()
	}
	return keys
}

// shuffled returns the keys in another random order.
func shuffled(keys []string, seed uint64) []string {
	out := make([]string, len(keys))
	for i, j := range rand.New(rand.NewPCG(seed, 2)).Perm(len(keys)) {
		out[i] = keys[j]
	}
	return out
}

// valuePool gives values without the cost of making them: overlapping windows of random bytes.
type valuePool []byte

func newValuePool() valuePool {
	p := make(valuePool, 1<<20)
	rand.NewChaCha8([32]byte{1}).Read(p)
	return p
}

// at returns value number i. The caller must not change it.
func (p valuePool) at(i int) []byte {
	from := i * 61 % (len(p) - valueLen)
	return p[from : from+valueLen : from+valueLen]
}
