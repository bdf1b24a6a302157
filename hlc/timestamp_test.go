package hlc_test

import (
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const maxMillis = 1<<48 - 1

// stamps draws from the whole range, with a preference for what lies at its edges.
func stamps() *rapid.Generator[hlc.Timestamp] {
	return rapid.OneOf(
		rapid.Map(rapid.Uint64(), func(n uint64) hlc.Timestamp { return hlc.Timestamp(n) }),
		rapid.SampledFrom([]hlc.Timestamp{0, 1, 0xffff, 0x10000, hlc.Max, hlc.Max - 1, hlc.Max - 0xffff, hlc.Max - 0x10000}),
		rapid.Custom(func(t *rapid.T) hlc.Timestamp {
			return hlc.Make(rapid.Uint64Range(1_600_000_000_000, 1_900_000_000_000).Draw(t, "ms"), rapid.Uint16().Draw(t, "logical"))
		}),
	)
}

func TestMakeSplitsIntoMillisAndLogical(t *testing.T) {
	ts := hlc.Make(1_700_000_000_123, 0xabcd)
	require.Equal(t, uint64(1_700_000_000_123), ts.Millis())
	require.EqualValues(t, 0xabcd, ts.Logical())
	require.Equal(t, time.Date(2023, 11, 14, 22, 13, 20, 123e6, time.UTC), ts.Time())
	require.EqualValues(t, uint64(math.MaxUint64), hlc.Make(maxMillis, 0xffff))
	require.Equal(t, hlc.Max, hlc.Make(maxMillis+1, 0), "what does not fit is the highest stamp, not a low one")
	require.Equal(t, hlc.Max, hlc.Make(math.MaxUint64, 0))
}

func TestFromTime(t *testing.T) {
	last := time.UnixMilli(maxMillis)
	require.Equal(t, 10889, last.UTC().Year())
	for _, c := range []struct {
		name string
		time time.Time
		want hlc.Timestamp
	}{
		{"epoch", time.Unix(0, 0), 0},
		{"one nanosecond before the epoch", time.Unix(0, -1), 0},
		{"zero time", time.Time{}, 0},
		{"the first millisecond", time.UnixMilli(1), hlc.Make(1, 0)},
		{"just before the first millisecond", time.UnixMilli(1).Add(-1), 0},
		{"parts of a millisecond are cut", time.UnixMilli(5).Add(999_999), hlc.Make(5, 0)},
		{"the last millisecond", last, hlc.Make(maxMillis, 0)},
		{"its end", last.Add(time.Millisecond - 1), hlc.Make(maxMillis, 0)},
		{"one millisecond after the end", last.Add(time.Millisecond), hlc.Max},
		{"one second after the end", last.Add(time.Second), hlc.Max},
		{"further than milliseconds can count", time.Unix(math.MaxInt64/2, 0), hlc.Max},
		{"another zone", time.UnixMilli(1_700_000_000_000).In(time.FixedZone("", 3600)), hlc.Make(1_700_000_000_000, 0)},
	} {
		require.Equal(t, c.want, hlc.FromTime(c.time), c.name)
	}
}

func TestFromTimeOfTimeGivesTheMillisecondBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts := stamps().Draw(t, "stamp")
		require.Equal(t, hlc.Make(ts.Millis(), 0), hlc.FromTime(ts.Time()))
		part := time.Duration(rapid.IntRange(0, 999_999).Draw(t, "ns"))
		require.Equal(t, hlc.Make(ts.Millis(), 0), hlc.FromTime(ts.Time().Add(part)))
	})
}

func TestIsZero(t *testing.T) {
	require.True(t, hlc.Timestamp(0).IsZero())
	require.False(t, hlc.Make(0, 1).IsZero())
}

func TestCompare(t *testing.T) {
	a, b := hlc.Make(7, 1), hlc.Make(7, 2)
	require.Equal(t, -1, a.Compare(b))
	require.Equal(t, 0, a.Compare(a))
	require.Equal(t, 1, b.Compare(a))
	require.Equal(t, -1, hlc.Make(7, 0xffff).Compare(hlc.Make(8, 0)))
}

func TestAdd(t *testing.T) {
	ts := hlc.Make(1000, 42)
	for _, c := range []struct {
		from hlc.Timestamp
		d    time.Duration
		want hlc.Timestamp
	}{
		{ts, 0, ts},
		{ts, 1, hlc.Make(1001, 42)},
		{ts, time.Millisecond - 1, hlc.Make(1001, 42)},
		{ts, time.Millisecond, hlc.Make(1001, 42)},
		{ts, time.Millisecond + 1, hlc.Make(1002, 42)},
		{ts, -1, ts},
		{ts, -time.Millisecond + 1, ts},
		{ts, -time.Millisecond, hlc.Make(999, 42)},
		{ts, -time.Second, hlc.Make(0, 42)},
		{ts, -time.Second - time.Millisecond, 0},
		{ts, math.MinInt64, 0},
		{hlc.Max, 0, hlc.Max},
		{hlc.Max, 1, hlc.Max},
		{hlc.Make(maxMillis, 3), time.Millisecond, hlc.Max},
		{hlc.Make(maxMillis-1, 3), time.Millisecond, hlc.Make(maxMillis, 3)},
		{hlc.Max, math.MaxInt64, hlc.Max},
		{0, math.MaxInt64, hlc.Make(math.MaxInt64/1_000_000+1, 0)},
	} {
		require.Equal(t, c.want, c.from.Add(c.d), "%v + %v", c.from, c.d)
	}
}

// The same in arithmetic without limits.
func TestAddAgainstBigIntegers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts, d := stamps().Draw(t, "stamp"), time.Duration(rapid.Int64().Draw(t, "d"))
		ms, rest := new(big.Int).DivMod(big.NewInt(int64(d)), big.NewInt(1_000_000), new(big.Int))
		if rest.Sign() > 0 {
			ms.Add(ms, big.NewInt(1))
		}
		ms.Add(ms, new(big.Int).SetUint64(ts.Millis()))
		want := hlc.Max
		switch {
		case ms.Sign() < 0:
			want = 0
		case ms.Cmp(big.NewInt(maxMillis)) <= 0:
			want = hlc.Make(ms.Uint64(), ts.Logical())
		}
		require.Equal(t, want, ts.Add(d))
	})
}

func TestSub(t *testing.T) {
	require.Equal(t, 5*time.Millisecond, hlc.Make(12, 9).Sub(hlc.Make(7, 0)))
	require.Equal(t, -5*time.Millisecond, hlc.Make(7, 0).Sub(hlc.Make(12, 9)))
	require.Equal(t, time.Duration(0), hlc.Make(7, 0).Sub(hlc.Make(7, 9)))
	require.Equal(t, time.Duration(math.MaxInt64), hlc.Max.Sub(0))
	require.Equal(t, time.Duration(math.MinInt64), hlc.Timestamp(0).Sub(hlc.Max))

	const most = math.MaxInt64 / 1_000_000
	require.Equal(t, time.Duration(most*1_000_000), hlc.Make(most, 0).Sub(0))
	require.Equal(t, time.Duration(math.MaxInt64), hlc.Make(most+1, 0).Sub(0))
	require.Equal(t, -time.Duration(most*1_000_000), hlc.Timestamp(0).Sub(hlc.Make(most, 0)))
	require.Equal(t, time.Duration(math.MinInt64), hlc.Timestamp(0).Sub(hlc.Make(most+1, 0)))
}

func TestSubUndoesAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts := hlc.Make(rapid.Uint64Range(0, maxMillis/2).Draw(t, "ms"), rapid.Uint16().Draw(t, "logical"))
		d := time.Duration(rapid.Int64Range(0, math.MaxInt64/1_000_000).Draw(t, "d")) * time.Millisecond
		require.Equal(t, d, ts.Add(d).Sub(ts))
	})
}

func TestTextRoundTripsAndSortsAsStampsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := stamps().Draw(t, "a"), stamps().Draw(t, "b")
		back, err := hlc.Parse(a.String())
		require.NoError(t, err)
		require.Equal(t, a, back)
		require.Len(t, a.String(), 16)
		require.Equal(t, a.Compare(b), strings.Compare(a.String(), b.String()))
		bytesOf := func(ts hlc.Timestamp) []byte { return binary.BigEndian.AppendUint64(nil, uint64(ts)) }
		require.Equal(t, a.Compare(b), slices.Compare(bytesOf(a), bytesOf(b)))
	})
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "0 characters, want 16"},
		{"too short", "018bcfe56800000", "15 characters, want 16"},
		{"too long", "018bcfe5680000070", "17 characters, want 16"},
		{"capitals", "018bcfE568000007", "'E' at position 6"},
		{"a sign", "+18bcfe568000007", "'+' at position 0"},
		{"a space", "018bcfe56800000 ", "' ' at position 15"},
		{"after f", "018bcfe56800000g", "'g' at position 15"},
		{"before 0", "018bcfe56800000/", "'/' at position 15"},
		{"after 9", "018bcfe56800000:", "':' at position 15"},
		{"before a", "018bcfe56800000`", "'`' at position 15"},
		{"0x", "0x8bcfe568000007", "'x' at position 1"},
	} {
		_, err := hlc.Parse(c.text)
		require.ErrorContains(t, err, c.want, c.name)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "0000000000000000", "ffffffffffffffff", "018bcfe568000007", "018BCFE568000007", "+18bcfe568000007",
		"018bcfe56800000", "018bcfe5680000070", "0x8bcfe568000007", "018bcfe5_8000007", "018bcfe56800000\x00", "٠١٢٣٤٥٦٧"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ts, err := hlc.Parse(s)
		if err == nil && ts.String() != s {
			t.Fatalf("Parse(%q) = %s: a stamp has one spelling", s, ts)
		}
		if err != nil && ts != 0 {
			t.Fatalf("Parse(%q) failed and still returned %s", s, ts)
		}
	})
}
