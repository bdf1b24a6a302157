package minikv_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/minikv/minikv"
)

type city struct {
	Name  string
	Pop   int
	Tags  []string
	Since time.Time
	More  map[string]int
}

func TestTyped(t *testing.T) {
	r := offline(t)
	cities := minikv.NewTyped[city](r, nil)
	want := city{"Hamburg", 1_900_000, []string{"port"}, time.Date(1189, 5, 7, 1, 2, 3, 4, time.UTC), map[string]int{"b": 2, "a": 1}}
	rev, err := cities.Put(ctx, "de/hamburg", want, minikv.TTL(time.Hour))
	require.NoError(t, err)
	got, err := cities.Get(ctx, "de/hamburg")
	require.NoError(t, err)
	require.Equal(t, want, got)
	e, err := cities.Entry(ctx, "de/hamburg")
	require.NoError(t, err)
	require.Equal(t, rev, e.Rev)
	require.False(t, e.Expires.IsZero())
	require.Equal(t, want, e.V)
	_, err = cities.Get(ctx, "de/atlantis")
	require.ErrorIs(t, err, minikv.ErrNotFound)
	require.Same(t, r, cities.Raw())
	require.NoError(t, cities.Delete(ctx, "de/hamburg"))
	require.Empty(t, keysOf(t, r, ""))
}

func TestTypedWalkAndWatchGoOnPastDamage(t *testing.T) {
	r := offline(t)
	numbers := minikv.NewTyped[int](r, nil)
	for i, key := range []string{"a", "b", "d"} {
		_, err := numbers.Put(ctx, key, i)
		require.NoError(t, err)
	}
	put(t, r, "c", "no number")
	var keys []string
	for e, err := range numbers.Prefix(ctx, "") {
		keys = append(keys, e.Key)
		if e.Key == "c" {
			require.ErrorIs(t, err, minikv.ErrCodec)
			require.Equal(t, "no number", string(e.Value))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, map[string]int{"a": 0, "b": 1, "d": 2}[e.Key], e.V)
	}
	require.Equal(t, []string{"a", "b", "c", "d"}, keys)
	damaged, seen := 0, 0
	for ev, err := range numbers.Watch(ctx, "") {
		if ev.Kind == minikv.EventSynced {
			break
		}
		seen++
		if err != nil {
			require.ErrorIs(t, err, minikv.ErrCodec)
			damaged++
		}
	}
	require.Equal(t, 4, seen)
	require.Equal(t, 1, damaged)
	_, err := numbers.Get(ctx, "c")
	require.ErrorIs(t, err, minikv.ErrCodec)
	require.ErrorContains(t, err, "get test/c: value does not match its codec")
	for range numbers.Prefix(ctx, "") {
		break
	}
	for range numbers.Watch(ctx, "") {
		break
	}
}

func TestTypedCannotEncode(t *testing.T) {
	_, err := minikv.NewTyped[chan int](offline(t), nil).Put(ctx, "k", nil)
	require.ErrorIs(t, err, minikv.ErrCodec)
}

type jsonCodec[T any] struct{}

func (jsonCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}
func (jsonCodec[T]) Decode(src []byte, v *T) error { return json.Unmarshal(src, v) }

func TestOwnCodec(t *testing.T) {
	r := offline(t)
	cities := minikv.NewTyped[city](r, jsonCodec[city]{})
	_, err := cities.Put(ctx, "k", city{Name: "Ulm"})
	require.NoError(t, err)
	require.Contains(t, value(t, r, "k"), `"Name":"Ulm"`)
	got, err := cities.Get(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, "Ulm", got.Name)
}

// CBOR that a peer may send and that is refused, at little cost.
func TestCBORIsStrict(t *testing.T) {
	for name, in := range map[string]string{
		"unknown field":     "\xa1\x65Hello\x01",
		"duplicate key":     "\xa2\x63Pop\x01\x63Pop\x02",
		"indefinite length": "\xbf\x63Pop\x01\xff",
		"tag":               "\xa1\x65Since\xc1\x00",
		"other case":        "\xa1\x63pop\x01",
		"deep":              strings.Repeat("\x81", 100) + "\x00",
		"long array":        "\xa1\x64Tags\x9b\x00\x00\x00\x01\x00\x00\x00\x00",
		"trailing":          "\xa0\xa0",
		"cut":               "\xa1\x63Pop",
		"bad text":          "\xa1\x64Name\x61\xff",
	} {
		t.Run(name, func(t *testing.T) {
			var c city
			require.Error(t, minikv.CBOR[city]().Decode([]byte(in), &c))
			var v any
			if name == "deep" || name == "long array" || name == "trailing" || name == "tag" {
				require.Error(t, minikv.CBOR[any]().Decode([]byte(in), &v))
			}
		})
	}
	bomb := []byte("\x9a\x00\x01\x86\xa0" + strings.Repeat("\xa0", 100_000))
	var v any
	allocs := testing.AllocsPerRun(1, func() { _ = minikv.CBOR[any]().Decode(bomb, &v) })
	require.Less(t, allocs, 50.0, "100,000 empty maps are refused before they are made")
}

// Equal values give equal bytes, and what is decoded is what was encoded.
func TestCBORIsDeterministic(t *testing.T) {
	codec := minikv.CBOR[city]()
	rapid.Check(t, func(t *rapid.T) {
		in := city{
			Name: rapid.String().Draw(t, "name"), Pop: rapid.Int().Draw(t, "pop"),
			Tags:  rapid.SliceOfN(rapid.String(), 1, 5).Draw(t, "tags"),
			Since: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).UTC(),
			More:  rapid.MapOfN(rapid.String(), rapid.Int(), 1, 10).Draw(t, "more"),
		}
		first, err := codec.Append([]byte("pre"), in)
		require.NoError(t, err)
		require.Equal(t, "pre", string(first[:3]))
		in.Since = in.Since.In(time.FixedZone("elsewhere", 3600))
		again := city{in.Name, in.Pop, in.Tags, in.Since, map[string]int{}}
		for k, v := range in.More {
			again.More[k] = v
		}
		second, err := codec.Append(nil, again)
		require.NoError(t, err)
		require.Equal(t, first[3:], second)
		require.NoError(t, cbor.Wellformed(second))
		var out city
		require.NoError(t, codec.Decode(second, &out))
		in.Since = in.Since.UTC()
		require.Equal(t, in, out)
	})
}

var orders = minikv.Declare[string]("orders", minikv.Public())

func TestDeclared(t *testing.T) {
	require.Equal(t, "orders", orders.Name())
	a, b := openNode(t, minikv.Config{}), openNode(t, minikv.Config{})
	_, err := orders.In(a).Put(ctx, "k", "on a")
	require.NoError(t, err)
	_, err = orders.In(b).Get(ctx, "k")
	require.ErrorIs(t, err, minikv.ErrNotFound, "one registry on each node")
	require.Same(t, orders.In(a).Raw(), orders.In(a).Raw())
}

func TestDeclaredThatCannotBeOpened(t *testing.T) {
	n := openNode(t, minikv.Config{})
	openRegistry(t, n, "wallets")
	w := wallets.In(n) // declared with a default TTL
	_, err := w.Get(ctx, "k")
	require.ErrorIs(t, err, minikv.ErrInvalid)
	require.ErrorContains(t, err, "minikv: get wallets/k: the registry is open with other options")
	_, err = w.Put(ctx, "k", wallet{})
	require.ErrorIs(t, err, minikv.ErrInvalid)
	raw := w.Raw()
	require.ErrorIs(t, raw.Delete(ctx, "k"), minikv.ErrInvalid)
	_, err = raw.Len(ctx)
	require.ErrorIs(t, err, minikv.ErrInvalid)
	_, err = raw.Lock(ctx, "k")
	require.ErrorIs(t, err, minikv.ErrInvalid)
	_, _, err = raw.LockInfo(ctx, "k")
	require.ErrorIs(t, err, minikv.ErrInvalid)
	_, _, err = raw.TTL(ctx, "k")
	require.ErrorIs(t, err, minikv.ErrInvalid)
	_, err = raw.Has(ctx, "k")
	require.ErrorIs(t, err, minikv.ErrInvalid)
	b := raw.NewBatch()
	b.Put("k", nil)
	_, err = b.Commit(ctx)
	require.ErrorIs(t, err, minikv.ErrInvalid)
	require.ErrorIs(t, raw.WaitSynced(ctx, 1), minikv.ErrInvalid)
	for _, err := range raw.All(ctx) {
		require.ErrorIs(t, err, minikv.ErrInvalid)
	}
	for _, err := range raw.WatchLocks(ctx, "") {
		require.ErrorIs(t, err, minikv.ErrInvalid)
	}
	for _, err := range raw.Locks(ctx, "") {
		require.ErrorIs(t, err, minikv.ErrInvalid)
	}
	require.Zero(t, raw.Root())
	require.Zero(t, raw.Metrics())
	require.Same(t, n, raw.Node())
}

func TestDeclareRefusesMistakes(t *testing.T) {
	require.Panics(t, func() { minikv.Declare[int]("", minikv.Public()) })
	require.Panics(t, func() { minikv.Declare[int]("r", minikv.Public(), minikv.DefaultTTL(-1)) })
	require.NotPanics(t, func() { minikv.Declare[int]("r") })
}
