package replica_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the seeds of the fuzz targets anew")

// transcript records what b says to a in a session that a or b dials, as
// FuzzSession reads it.
func transcript(t testing.TB, a, b *node, aDials bool) (input []byte, frames [][]byte) {
	x, y := a.Accept(a.now(), b.name), (*replica.Session)(nil)
	role := byte(0)
	if aDials {
		x.Abort(a.now(), errCut)
		x, y, role = a.Dial(a.now(), b.name), b.Accept(b.now(), a.name), 1
	} else {
		y = b.Dial(b.now(), a.name)
	}
	input = []byte{role}
	for more := true; more; {
		more = false
		for f, ok := x.Next(a.now()); ok; f, ok = x.Next(a.now()) {
			require.NoError(t, y.Handle(b.now(), f))
			more = true
		}
		if f, ok := y.Next(b.now()); ok {
			data, err := replica.EncodeFrame(nil, f)
			require.NoError(t, err)
			input = append(binary.BigEndian.AppendUint16(input, uint16(len(data))), data...)
			frames = append(frames, data)
			_ = x.Handle(a.now(), f)
			more = true
		}
	}
	return input, frames
}

// meetings are peers of the node under attack in all sorts of states.
func meetings(t testing.TB) map[string]func(a *node) *node {
	return map[string]func(a *node) *node{
		"empty": func(*node) *node { return newNode(t, "b", 2) },
		"equal": func(a *node) *node {
			b := newNode(t, "b", 2)
			sync(t, a, b)
			return b
		},
		"apart": func(a *node) *node {
			b := newNode(t, "b", 2)
			b.fill(5, 30)
			b.putFor("expires", time.Second)
			return b
		},
		"damaged": func(a *node) *node {
			b := newNode(t, "b", 2)
			sync(t, a, b)
			return b.damaged(func(key string) bool { return strings.HasSuffix(key, "5") })
		},
		"deleted": func(a *node) *node {
			b := newNode(t, "b", 2)
			sync(t, a, b)
			wait(time.Second, a, b)
			for i := range 10 {
				b.del(fmt.Sprintf("key %06d", i+5))
			}
			b.Map().Collect(b.latest(), 100)
			return b
		},
		"locked": func(a *node) *node {
			b := newNode(t, "b", 2)
			token := b.claim("key 000003", 6)
			require.NoError(t, b.putFenced("key 000003", "other", token))
			return b
		},
	}
}

// seeds are inputs that lead deep into each fuzz target.
func seeds(t testing.TB) map[string]map[string][]byte {
	out := map[string]map[string][]byte{"FuzzDecodeDelta": {}, "FuzzDecodeFrame": {}, "FuzzSession": {}}
	for name, meet := range meetings(t) {
		for _, aDials := range []bool{true, false} {
			a := attacked(t)
			input, frames := transcript(t, a, meet(a), aDials)
			role := map[bool]string{true: "dialled", false: "dials"}[aDials]
			out["FuzzSession"][name+"-"+role] = input
			for i, f := range frames {
				out["FuzzDecodeFrame"][fmt.Sprintf("%s-%s-%d", name, role, i)] = f
			}
		}
	}
	a := attacked(t)
	a.put("long", strings.Repeat("v", replica.MaxGossipValue+1))
	d := a.Outbox()
	data, err := replica.EncodeDelta(nil, d)
	require.NoError(t, err)
	out["FuzzDecodeDelta"]["everything"] = data
	a.put("k", "v")
	a.put("k", "w")
	data, err = replica.EncodeDelta(nil, a.Outbox())
	require.NoError(t, err)
	out["FuzzDecodeDelta"]["covering"] = data
	return out
}

// The seeds are made by the code; after a change of messages, make them anew:
// go test ./replica -run Seeds -update. Old ones do no harm, but lead less deep.
func TestTheFuzzTargetsHaveSeeds(t *testing.T) {
	for target, inputs := range seeds(t) {
		dir := filepath.Join("testdata", "fuzz", target)
		if *update {
			require.NoError(t, os.MkdirAll(dir, 0o755))
		}
		for name, input := range inputs {
			file := filepath.Join(dir, name)
			if *update {
				text := "go test fuzz v1\n[]byte(" + strconv.Quote(string(input)) + ")\n"
				require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
			}
			require.FileExists(t, file)
		}
	}
}
