package crdttest_test

import (
	"cmp"
	"encoding/json"
	"testing"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/crdt/crdttest"
	"github.com/minikv/minikv/hlc"
	"pgregory.net/rapid"
)

// Register is a last-writer-wins register: a value, its stamp, and its writer for stamps that tie.
type Register struct {
	Value  string
	Stamp  hlc.Timestamp
	Writer crdt.Actor
}

func (r Register) order(o Register) int {
	return cmp.Or(r.Stamp.Compare(o.Stamp), r.Writer.Compare(o.Writer))
}

// registers is the specification of a register with the given join.
func registers(join func(a, b Register) Register) crdttest.Spec[Register] {
	return crdttest.Spec[Register]{
		New: func(int) Register { return Register{} },
		Mutate: func(t *rapid.T, r Register, replica int) (next, delta Register) {
			next = Register{
				Value:  rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "value"),
				Stamp:  r.Stamp.Add(time.Duration(rapid.IntRange(1, 2).Draw(t, "later")) * time.Millisecond),
				Writer: crdt.Actor(replica),
			}
			return next, next
		},
		Join:      join,
		Equal:     func(a, b Register) bool { return a == b },
		Encode:    func(r Register) ([]byte, error) { return json.Marshal(r) },
		Decode:    func(b []byte) (r Register, err error) { return r, json.Unmarshal(b, &r) },
		Canonical: true,
		Classify: func(a, b Register) []string {
			if a.Stamp == b.Stamp && a.Writer != b.Writer {
				return []string{"tie"}
			}
			return nil
		},
		Require: map[string]float64{"tie": 0.3},
	}
}

func later(a, b Register) Register {
	if a.order(b) >= 0 {
		return a
	}
	return b
}

func TestRegister(t *testing.T) {
	crdttest.Check(t, registers(later))
}
