package property_test

import (
	"encoding/json"
	"testing"

	"github.com/minikv/minikv/crdt/crdttest"
	"pgregory.net/rapid"
)

// An application that keeps more in a value than one writer's last word, such as
// a shopping basket edited on two devices, has to merge values itself: read,
// join, put. Whether its own join converges is for its own test to show. This is
// all such a test takes; copy it.

// Basket is how many of each article went in and came out, per device. Counts
// only grow, so the higher of two is the later.
type Basket map[string]map[int]Count

// Count is what one device did with one article.
type Count struct{ In, Out int }

// Join takes the higher count of each device.
func (b Basket) Join(o Basket) Basket {
	joined := Basket{}
	for _, from := range []Basket{b, o} {
		for article, counts := range from {
			if joined[article] == nil {
				joined[article] = map[int]Count{}
			}
			for device, c := range counts {
				has := joined[article][device]
				joined[article][device] = Count{In: max(has.In, c.In), Out: max(has.Out, c.Out)}
			}
		}
	}
	return joined
}

// Equal says whether both baskets hold the same counts.
func (b Basket) Equal(o Basket) bool {
	x, errX := json.Marshal(b)
	y, errY := json.Marshal(o)
	return errX == nil && errY == nil && string(x) == string(y)
}

func TestBasketsConverge(t *testing.T) {
	crdttest.Check(t, crdttest.Spec[Basket]{
		New: func(int) Basket { return Basket{} },
		Mutate: func(t *rapid.T, b Basket, device int) (next, delta Basket) {
			article := rapid.SampledFrom([]string{"apple", "pear"}).Draw(t, "article")
			c := b[article][device]
			if rapid.Bool().Draw(t, "put in") {
				c.In++
			} else {
				c.Out++
			}
			delta = Basket{article: {device: c}}
			return b.Join(delta), delta
		},
		Encode:    func(b Basket) ([]byte, error) { return json.Marshal(b) },
		Decode:    func(data []byte) (b Basket, err error) { return b, json.Unmarshal(data, &b) },
		Canonical: true,
		Require:   map[string]float64{"concurrent": 0.5}, // most joins must have something to merge
	})
}
