package replica_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

func (n *node) putFor(key string, ttl time.Duration) {
	n.t.Helper()
	_, _, err := n.Write(n.now(), replica.Write{Key: key, Value: []byte("v"), Expires: n.Now(n.now()).Add(ttl)})
	require.NoError(n.t, err)
}

func keysOf(d *replica.Delta) (keys []string) {
	for _, e := range d.Entries {
		if e.Kind == lwwmap.Data {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

func TestAKeyWrittenOftenTravelsOnce(t *testing.T) {
	a := newNode(t, "a", 1)
	for i := range 1000 {
		a.put("often", fmt.Sprint(i))
		a.put("seldom", "v")
	}
	require.True(t, a.Pending())
	d := a.Outbox()
	require.Equal(t, []string{"often", "seldom"}, keysOf(d))
	require.Equal(t, crdt.Ranges{{Lo: 1, Hi: 2001}}, d.Seqs)
	require.False(t, a.Pending())
	require.Nil(t, a.Outbox())
	require.EqualValues(t, 1, a.Stats().Sent)
}

func TestLongValuesAreAnnounced(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	b.PeerUp(b.now(), "a")
	b.Tick(b.now())
	a.put("short", "v")
	a.put("long", strings.Repeat("v", replica.MaxGossipValue+1))
	a.put("short", "w")
	d := a.Outbox()
	require.Equal(t, []string{"short"}, keysOf(d))
	require.Equal(t, crdt.Ranges{{Lo: 3, Hi: 3}}, d.Announced)
	require.Equal(t, crdt.Ranges{{Lo: 1, Hi: 2}, {Lo: 4, Hi: 4}}, d.Seqs)
	require.Equal(t, 1, b.Receive(b.now(), "a", "a", d).Stored-1) // and the origin
	b.elapsed += 5 * time.Second
	dial, _ := b.Tick(b.now())
	require.Equal(t, []string{"a"}, dial, "to fetch it")
	sync(t, b, a)
	require.Len(t, b.get("long"), replica.MaxGossipValue+1)
}

func TestManyWritesMakeSeveralDeltas(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.fill(0, 3000)
	n := 0
	for a.Pending() {
		d := a.Outbox()
		size := 0
		for i := range d.Entries {
			size += len(d.Entries[i].Key) + len(d.Entries[i].Value)
		}
		require.LessOrEqual(t, size, 2*replica.MaxDelta)
		require.NoError(t, b.Receive(b.now(), "a", "a", d).Refused)
		n++
	}
	require.Greater(t, n, 1)
	require.Equal(t, a.root(), b.root())
	require.True(t, a.Map().Context().Equal(b.Map().Context()))
}

// What another's write overtook travels as that write: whoever gets the delta
// has then seen all of its seqs.
func TestAnOvertakenWriteTravelsAsWhatOvertookIt(t *testing.T) {
	a, b, c := newNode(t, "a", 1), newNode(t, "b", 2), newNode(t, "c", 3)
	a.put("k", "of a")
	a.put("k", "of a again")
	b.elapsed = time.Second
	b.put("k", "of b")
	gossip(t, b, a)
	d := a.Outbox()
	require.Equal(t, crdt.Ranges{{Lo: 1, Hi: 3}}, d.Seqs)
	require.NoError(t, c.Receive(c.now(), "a", "a", d).Refused)
	require.Equal(t, "of b", c.get("k"))
	require.EqualValues(t, 3, c.Map().Context().Of(a.Actor()).Count())

	a.elapsed = 2 * time.Second
	a.put("l", "1")
	b.elapsed = 3 * time.Second
	b.put("l", "2")
	gossip(t, b, a)
	a.elapsed = 4 * time.Second
	a.put("l", "3") // over b's: it covers the first one, too
	d = a.Outbox()
	require.Equal(t, []string{"l"}, keysOf(d))
	require.Equal(t, crdt.Ranges{{Lo: 4, Hi: 5}}, d.Seqs)
}

// Dots whose entries are gone stay out of deltas: sessions settle them.
func TestWhatExpiredUnsentIsLeftOut(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.putFor("short", time.Millisecond)
	a.put("k", "v")
	a.elapsed = time.Second
	a.Tick(a.now())
	d := a.Outbox()
	require.Equal(t, crdt.Ranges{{Lo: 1, Hi: 1}, {Lo: 3, Hi: 3}}, d.Seqs)
	require.NoError(t, b.Receive(b.now(), "a", "a", d).Refused)
	b.elapsed = a.elapsed
	sync(t, b, a)
	require.EqualValues(t, 3, b.Map().Context().Max(a.Actor()))
	require.Len(t, b.Map().Context().Of(a.Actor()), 1)
}

func TestSkipGivesUpWhatIsUnsent(t *testing.T) {
	a := newNode(t, "a", 1)
	a.fill(0, 10)
	a.Skip()
	require.False(t, a.Pending())
	require.Nil(t, a.Outbox())
	a.put("k", "v")
	require.Equal(t, crdt.Ranges{{Lo: 12, Hi: 12}}, a.Outbox().Seqs)
}

// Alternating what travels and what does not makes each seq a range of its own.
func TestADeltaOfManyRangesCanBeRead(t *testing.T) {
	for name, gap := range map[string]func(*node, int){
		"expired":   func(n *node, i int) { n.putFor(fmt.Sprint("e", i), time.Millisecond) },
		"announced": func(n *node, i int) { n.put(fmt.Sprint("e", i), strings.Repeat("v", replica.MaxGossipValue+1)) },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newNode(t, "a", 1), newNode(t, "b", 2)
			for i := range 4400 {
				gap(a, i)
				if i%10 == 0 {
					a.put(fmt.Sprint("once", i), "v")
				} else {
					a.put("often", "v")
				}
			}
			a.elapsed = time.Minute
			b.elapsed = a.elapsed
			for more := true; more; {
				_, more = a.Tick(a.now())
			}
			for a.Pending() {
				d := a.Outbox()
				if d == nil {
					continue
				}
				data, err := replica.EncodeDelta(nil, d)
				require.NoError(t, err)
				require.LessOrEqual(t, len(data), replica.FrameLimit(0))
				got, err := replica.DecodeDelta(data)
				require.NoError(t, err)
				require.NoError(t, b.Receive(b.now(), "a", "a", got).Refused)
			}
			require.Equal(t, "v", b.get("often"))
			require.Equal(t, "v", b.get("once4390"))
		})
	}
}

// What was written while nobody was there must not use up for ever the room
// for what later deltas cover.
func TestRoomForCoversComesBack(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	for i := range 5000 { // each delete covers a put; then it is collected
		a.put(fmt.Sprint(i), "v")
		a.del(fmt.Sprint(i))
	}
	a.Map().Collect(a.latest(), 10_000)
	gossip(t, a, b)
	for range 10 {
		a.put("k", "v")
	}
	require.Equal(t, crdt.Ranges{{Lo: 10_002, Hi: 10_011}}, a.Outbox().Seqs)
}

func TestARefusedDeltaIsNotTakenForSeen(t *testing.T) {
	a, b := newNode(t, "a", 1), newNode(t, "b", 2)
	a.put("k", "v")
	a.elapsed = 2 * time.Minute
	a.put("l", "w")
	d := a.Outbox()
	receipt := b.Receive(b.now(), "a", "a", d)
	require.Error(t, receipt.Refused)
	require.Equal(t, 2, receipt.Stored)
	require.EqualValues(t, 1, b.Stats().Refused.Skew)
	require.Equal(t, crdt.Ranges{{Lo: 1, Hi: 2}}, b.Map().Context().Of(a.Actor()))
	b.elapsed = 90 * time.Second
	require.NoError(t, b.Receive(b.now(), "a", "a", d).Refused)
	require.Equal(t, "w", b.get("l"))
}
