package lwwmap_test

import (
	"maps"
	"testing"

	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// sums is a digest tree the dumb way.
type sums map[lwwmap.Bucket]lwwmap.Digest

func (s sums) add(b lwwmap.Bucket, d lwwmap.Digest) { s[b] = s[b].Add(d) }

func requireSums(t *rapid.T, want sums, tree *lwwmap.HashTree) {
	tops := map[byte]lwwmap.Digest{}
	var root lwwmap.Digest
	for b, d := range want {
		require.Equal(t, d, tree.Leaf(b))
		root = root.Add(d)
		tops[byte(b>>8)] = tops[byte(b>>8)].Add(d)
	}
	require.Equal(t, root, tree.Root())
	for i, d := range tops {
		require.Equal(t, d, tree.Top(i))
	}
	last := -1
	for i, d := range tree.Tops() {
		require.Greater(t, int(i), last)
		require.False(t, d.IsZero())
		require.Equal(t, tops[i], d)
		last = int(i)
	}
	require.True(t, tree.Top(255).IsZero())
	require.True(t, tree.Leaf(0xffff).IsZero())
}

// Forks of forks change on their own.
func TestForkedTreesShareNothingThatChanges(t *testing.T) {
	bucket := rapid.SampledFrom([]lwwmap.Bucket{0, 1, 255, 256, 511, 0x1234, 0xfe00, 0xfeff})
	rapid.Check(t, func(t *rapid.T) {
		trees, models := []*lwwmap.HashTree{new(lwwmap.HashTree)}, []sums{{}}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, len(trees)-1).Draw(t, "tree")
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				if len(trees) < 5 {
					f := trees[i].Fork()
					trees, models = append(trees, &f), append(models, maps.Clone(models[i]))
				}
			case 1, 2:
				b, d := bucket.Draw(t, "bucket"), anyDigest().Draw(t, "digest")
				trees[i].Add(b, d)
				models[i].add(b, d)
			default:
				b, d := bucket.Draw(t, "bucket"), anyDigest().Draw(t, "digest")
				trees[i].Sub(b, d)
				models[i].add(b, lwwmap.Digest{}.Sub(d))
			}
		}
		for i, tree := range trees {
			requireSums(t, models[i], tree)
		}
	})
}

func TestTopsCanBeLeftEarly(t *testing.T) {
	var tree lwwmap.HashTree
	tree.Add(0x0100, lwwmap.Digest{1})
	tree.Add(0x0200, lwwmap.Digest{1})
	n := 0
	for range tree.Tops() {
		n++
		break
	}
	require.Equal(t, 1, n)
}
