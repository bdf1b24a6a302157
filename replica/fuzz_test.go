package replica_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

// requireCheap measures what fn allocates; a fuzzing process does other things
// meanwhile, so the least of a few runs counts.
func requireCheap(t testing.TB, limit int, fn func()) {
	t.Helper()
	var got uint64
	for range 5 {
		if got = allocated(fn); got <= uint64(limit) {
			return
		}
	}
	require.LessOrEqual(t, got, uint64(limit))
}

// What is accepted is small in memory, and encodes to the same bytes again.
func FuzzDecodeDelta(f *testing.F) {
	minimizeBriefly(f)
	for _, bomb := range bombs() {
		f.Add(bomb)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d *replica.Delta
		var err error
		requireCheap(t, 64<<10+costFactor*len(data), func() { d, err = replica.DecodeDelta(data) })
		if err != nil {
			require.True(t, isProtocol(err), err)
			return
		}
		again, err := replica.EncodeDelta(nil, d)
		require.NoError(t, err)
		require.Equal(t, data, again)
		a := newNode(t, "a", 1)
		a.put("k", "v")
		a.Receive(a.now(), "liar", "liar", d)
		requireWell(t, a)
	})
}

func FuzzDecodeFrame(f *testing.F) {
	minimizeBriefly(f)
	for _, bomb := range bombs() {
		for kind := byte(1); kind <= 8; kind++ {
			f.Add(append([]byte{kind}, bomb...))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var frame replica.Frame
		var err error
		requireCheap(t, 64<<10+costFactor*len(data), func() { frame, err = replica.DecodeFrame(data) })
		if err != nil {
			require.True(t, isProtocol(err), err)
			return
		}
		again, err := replica.EncodeFrame(nil, frame)
		require.NoError(t, err)
		require.Equal(t, data, again)
	})
}

// FuzzSession drives a session with whatever frames the input holds, each
// behind its length in two bytes. The first byte says which role the node has, and
// which way entries go.
func FuzzSession(f *testing.F) {
	minimizeBriefly(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		a := attacked(t)
		requireCheap(t, sessionCost(len(data)), func() {
			a = attacked(t)
			l := lieTo(a, data[0]%2 == 0)
			l.s.Only(replica.Direction(data[0] / 2 % 3))
			for rest := data[1:]; len(rest) >= 2 && l.state() == replica.Running; {
				l.hear()
				n := min(int(binary.BigEndian.Uint16(rest)), len(rest)-2)
				frame, err := replica.DecodeFrame(rest[2 : 2+n])
				rest = rest[2+n:]
				if err != nil {
					break
				}
				_ = l.s.Handle(a.now(), frame)
			}
			l.hear()
			l.s.Abort(a.now(), errCut)
		})
		requireWell(t, a)
	})
}

// sessionCost bounds what a session with the node under attack may allocate:
// most of it for the node itself, its snapshot and what it has to tell.
func sessionCost(n int) int { return 4<<20 + 256*n }

// attacked is a node with a bit of everything.
func attacked(t testing.TB) *node {
	a := newNode(t, "a", 1)
	a.fill(0, 20)
	a.putFor("expires", time.Minute)
	token := a.claim("key 000003", 5)
	require.NoError(t, a.putFenced("key 000003", "fenced", token))
	a.del("key 000001")
	a.del("key 000002")
	a.Map().Collect(a.latest(), 1)
	return a
}

// requireWell checks that a node goes on as if nothing had been: it writes, and
// a peer that meets it gets what it writes.
func requireWell(t testing.TB, a *node) {
	t.Helper()
	a.put("well", "yes")
	require.Equal(t, "yes", a.get("well"))
	b := newNode(t, "b", 2)
	wait(a.latest().Sub(b.latest()), b)
	for range 3 { // a liar's writes may have to meet a clock first
		pipe(t, b, a)
		if b.get("well") == "yes" {
			break
		}
		wait(time.Minute, a, b)
	}
	require.Equal(t, "yes", b.get("well"))
	n := 0
	a.Map().Ascend(lwwmap.Data, "", "", func(r lwwmap.Record) bool {
		n++
		require.Equal(t, r, a.Map().Get(lwwmap.Data, r.Key()))
		return true
	})
	require.GreaterOrEqual(t, n, a.Map().Len(lwwmap.Data))
}
