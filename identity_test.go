package minikv_test

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// sevens is a system that draws nothing but sevens.
type sevens struct{}

func (sevens) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 7
	}
	return len(b), nil
}

// What draws actors keeps nothing of what it drew before: a copy of the machine would keep it, too, and mint
// the same ones.
func TestActorsAreDrawnFromTheSystemEachTime(t *testing.T) {
	r := minikv.NewRand()
	require.NotEqual(t, r.Uint64(), r.Uint64())
	system := rand.Reader
	rand.Reader = sevens{}
	defer func() { rand.Reader = system }()
	require.Equal(t, uint64(0x0707070707070707), r.Uint64())
}
