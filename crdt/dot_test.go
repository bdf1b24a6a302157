package crdt_test

import (
	"math"
	"strings"
	"testing"

	"github.com/minikv/minikv/crdt"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func dots() *rapid.Generator[crdt.Dot] {
	return rapid.Custom(func(t *rapid.T) crdt.Dot {
		return crdt.Dot{
			Actor: crdt.Actor(rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 3)).Draw(t, "actor")),
			Seq:   rapid.OneOf(rapid.Uint64Min(1), rapid.Uint64Range(1, 12)).Draw(t, "seq"),
		}
	})
}

func TestDotIsZero(t *testing.T) {
	require.True(t, crdt.Dot{}.IsZero())
	require.False(t, crdt.Dot{Seq: 1}.IsZero())
	require.False(t, crdt.Dot{Actor: 1}.IsZero())
}

func TestCompareOrdersByActorThenNumber(t *testing.T) {
	ordered := []crdt.Dot{{}, {Actor: 1, Seq: 1}, {Actor: 1, Seq: 2}, {Actor: 2, Seq: 1}, {Actor: math.MaxUint64, Seq: 1}}
	for i, a := range ordered {
		for j, b := range ordered {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			require.Equal(t, want, a.Compare(b), "%v %v", a, b)
		}
	}
}

func TestTextOfActorsAndDots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, e := dots().Draw(t, "d"), dots().Draw(t, "e")
		back, err := crdt.ParseDot(d.String())
		require.NoError(t, err)
		require.Equal(t, d, back)
		actor, err := crdt.ParseActor(d.Actor.String())
		require.NoError(t, err)
		require.Equal(t, d.Actor, actor)
		require.Equal(t, d.Actor.Compare(e.Actor), strings.Compare(d.Actor.String(), e.Actor.String()))
	})
}

func TestParseActorRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "0 characters, want 16"},
		{"a1", "2 characters, want 16"},
		{"00000000000000a1f", "17 characters, want 16"},
		{"00000000000000A1", "'A' at position 14"},
		{"+0000000000000a1", "'+' at position 0"},
		{"0000_000000000a1", "'_' at position 4"},
		{"00000000000000é", "at position 14"},
	} {
		_, err := crdt.ParseActor(c.text)
		require.ErrorContains(t, err, c.want, c.text)
	}
}

func TestParseDotRefuses(t *testing.T) {
	const number = "is not a decimal number from 1"
	for _, c := range []struct{ text, want string }{
		{"", "has no colon"},
		{"00000000000000a1", "has no colon"},
		{"a1:1", "2 characters, want 16"},
		{"00000000000000a1:", number},
		{"00000000000000a1:0", number},
		{"00000000000000a1:01", number},
		{"00000000000000a1:+1", number},
		{"00000000000000a1:-1", number},
		{"00000000000000a1:1_0", number},
		{"00000000000000a1:1:2", number},
		{"00000000000000a1:18446744073709551616", number},
	} {
		d, err := crdt.ParseDot(c.text)
		require.ErrorContains(t, err, c.want, c.text)
		require.True(t, d.IsZero())
	}
}

func FuzzParseDot(f *testing.F) {
	for _, s := range []string{"", ":", "00000000000000a1:42", "ffffffffffffffff:18446744073709551615", "00000000000000a1:0",
		"00000000000000a1:07", "00000000000000A1:7", "00000000000000a1:+7", "00000000000000a1:1_0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := crdt.ParseDot(s)
		if err == nil && (d.String() != s || d.Seq == 0) {
			t.Fatalf("ParseDot(%q) = %v: a dot has one spelling and a number from 1", s, d)
		}
	})
}
