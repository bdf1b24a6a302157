package lwwmap_test

import (
	"math/big"
	"slices"
	"testing"

	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// number is a digest as an integer.
func number(d lwwmap.Digest) *big.Int {
	b := d[:]
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

func anyDigest() *rapid.Generator[lwwmap.Digest] {
	edge := rapid.SampledFrom([]byte{0, 1, 0x7f, 0x80, 0xff})
	return rapid.Custom(func(t *rapid.T) lwwmap.Digest {
		return lwwmap.Digest(rapid.SliceOfN(rapid.OneOf(edge, rapid.Byte()), 16, 16).Draw(t, "bytes"))
	})
}

func TestDigestsAddAsIntegersModulo(t *testing.T) {
	modulus := new(big.Int).Lsh(big.NewInt(1), 128)
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyDigest().Draw(t, "a"), anyDigest().Draw(t, "b")
		sum := new(big.Int).Add(number(a), number(b))
		require.Zero(t, number(a.Add(b)).Cmp(sum.Mod(sum, modulus)))
		diff := new(big.Int).Sub(number(a), number(b))
		require.Zero(t, number(a.Sub(b)).Cmp(diff.Mod(diff, modulus)))
		require.Equal(t, a, a.Add(b).Sub(b))
		require.True(t, a.Sub(a).IsZero())
	})
}

func TestDigestsHaveText(t *testing.T) {
	require.Equal(t, "0100000000000000000000000000000f", lwwmap.Digest{0: 1, 15: 15}.String())
}
