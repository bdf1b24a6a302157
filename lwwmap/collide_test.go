package lwwmap_test

import (
	"encoding/binary"
	"math/bits"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
)

// The primes of XXH64, as its specification names them.
const (
	prime1 = 0x9E3779B185EBCA87
	prime2 = 0xC2B2AE3D27D4EB4F
	prime3 = 0x165667B19E3779F9
	prime4 = 0x85EBCA77C2B2AE63
	prime5 = 0x27D4EB2F165667C5
)

// inverse returns the x for which a*x is 1 modulo 2^64; a must be odd.
func inverse(a uint64) uint64 {
	x := a
	for range 6 { // Newton: each round doubles the bits that are right
		x *= 2 - a*x
	}
	return x
}

// keyWithHash returns the 16-byte key that begins with head and has the given
// XXH64. It is how an attacker aims keys at one slot or bucket: every step of
// the hash of a short key can be undone.
func keyWithHash(head, want uint64) string {
	p1, p2, p3 := uint64(prime1), uint64(prime2), uint64(prime3)
	round := func(x uint64) uint64 { return bits.RotateLeft64(x*p2, 31) * p1 }
	h := want
	h ^= h >> 32
	h *= inverse(p3)
	h ^= h>>29 ^ h>>58
	h *= inverse(p2)
	h ^= h >> 33
	h = bits.RotateLeft64((h-prime4)*inverse(p1), -27) // what the second word's round was mixed into
	h ^= bits.RotateLeft64((prime5+16)^round(head), 27)*p1 + prime4
	tail := bits.RotateLeft64(h*inverse(p1), -31) * inverse(p2)
	key := binary.LittleEndian.AppendUint64(nil, head)
	return string(binary.LittleEndian.AppendUint64(key, tail))
}

func TestKeysCanBeAimedAtAHash(t *testing.T) {
	for _, want := range []uint64{0, 1, 1 << 63, 0xdeadbeefdeadbeef} {
		for head := range uint64(100) {
			require.Equal(t, want, xxhash.Sum64String(keyWithHash(head, want)))
		}
	}
}

// entry is the seq-th write of an actor, stamped alike.
func entry(key, value string, actor crdt.Actor, seq uint64) lwwmap.Entry {
	return lwwmap.Entry{
		Kind: lwwmap.Data, Key: key, Value: []byte(value),
		Dot: crdt.Dot{Actor: actor, Seq: seq}, Stamp: hlc.Timestamp(seq),
	}
}

func TestAKeyOutlivesTheOneThatHeldItsSlotFirst(t *testing.T) {
	first, second, third := keyWithHash(1, 42), keyWithHash(2, 42), keyWithHash(3, 42)
	m := lwwmap.New(nil)
	for i, k := range []string{first, second, third} {
		m.Apply(entry(k, "v", 1, uint64(i+1)))
	}
	m.Forget(m.Get(lwwmap.Data, first))
	require.True(t, m.Get(lwwmap.Data, first).IsZero())
	require.False(t, m.Get(lwwmap.Data, second).IsZero())
	require.Equal(t, 2, m.Len(lwwmap.Data))

	m.Apply(entry(second, "w", 1, 4))
	m.Apply(entry(first, "x", 1, 5))
	require.Equal(t, "w", string(m.Get(lwwmap.Data, second).Value()))
	require.Equal(t, "x", string(m.Get(lwwmap.Data, first).Value()))
	require.Equal(t, 3, m.Len(lwwmap.Data))
	for _, k := range []string{second, first, third} {
		m.Forget(m.Get(lwwmap.Data, k))
		require.True(t, m.Get(lwwmap.Data, k).IsZero())
	}
	require.Zero(t, m.Len(lwwmap.Data))
	require.True(t, m.Root().IsZero())
}

func TestAWriteOverASpilledKeyLeavesNoSecondCopy(t *testing.T) {
	first, second := keyWithHash(1, 42), keyWithHash(2, 42)
	m := lwwmap.New(nil)
	m.Apply(entry(first, "v", 1, 1))
	m.Apply(entry(second, "old", 1, 2))
	m.Forget(m.Get(lwwmap.Data, first))
	m.Scan(lwwmap.Data) // makes the next write take a new place
	m.Apply(entry(second, "new", 1, 3))
	m.Forget(m.Get(lwwmap.Data, second))
	require.True(t, m.Get(lwwmap.Data, second).IsZero())
}
