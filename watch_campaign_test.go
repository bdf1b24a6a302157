package minikv_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/minikv/minikv"
)

// The promises of a watch, after the nine that etcd checks of its own: only keys under the prefix; changes
// of a key in order; no change told twice by one watch; the last state of each key delivered; one synced
// event, after all that was present; a resumed watch misses nothing; a slow consumer holds up nobody.
func TestWatchCampaign(t *testing.T) {
	tally := map[string]int{}
	for i := range 10 {
		t.Run(fmt.Sprint(i), func(t *testing.T) { watchCampaign(t, tally) })
	}
	for _, what := range []string{"put", "delete", "expire", "resume", "merged"} {
		require.GreaterOrEqual(t, tally[what], 50, "the campaign saw too few of %q: %v", what, tally)
	}
	t.Log(tally)
}

func watchCampaign(t *testing.T, tally map[string]int) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			node, err := minikv.Open(ctx, "", minikv.Config{})
			require.NoError(t, err)
			defer node.Close()
			r, err := node.Registry(ctx, "r", minikv.Public())
			require.NoError(t, err)
			c := &watchChecker{r: r, view: map[string]string{}, mortal: map[string]bool{}, tally: tally}
			for i := range rapid.IntRange(0, 20).Draw(t, "present") {
				_, err := r.Put(ctx, campaignKey(t), fmt.Append(nil, "early", i))
				require.NoError(t, err)
			}
			c.start(t)
			defer func() { c.stop() }()
			t.Repeat(map[string]func(*rapid.T){
				"put":    c.put,
				"expire": c.putExpiring,
				"delete": c.delete,
				"batch":  c.batch,
				"take":   c.take,
				"resume": c.resume,
				"wait":   func(t *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(1, 30).Draw(t, "ms")) * time.Millisecond) },
			})
			c.drain(t)
			c.check(t)
		})
	})
}

func campaignKey(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "p/1", "p/2", "p/3", "p/4", "q"}).Draw(t, "key")
}

type watchChecker struct {
	r      *minikv.Registry
	next   func() (minikv.Event, error, bool)
	stop   func()
	view   map[string]string // what the consumer knows
	revs   map[string]minikv.Revision
	mortal map[string]bool // keys that were ever given a TTL
	told   map[string]bool
	syncs  int
	at     minikv.Position
	writes,
	marks int
	tally map[string]int
}

func (c *watchChecker) start(t *rapid.T) {
	opts := []minikv.WatchOption{}
	if !c.at.IsZero() {
		opts = append(opts, minikv.After(c.at))
	} else {
		clear(c.view) // from the beginning: what is gone is not told
	}
	timeout, cancel := context.WithTimeout(ctx, time.Hour) // of the bubble: an event that does not come fails the check
	next, stop := iter.Pull2(c.r.Watch(timeout, "p/", opts...))
	c.next, c.stop = next, func() { cancel(); stop() }
	c.revs, c.told, c.syncs = map[string]minikv.Revision{}, map[string]bool{}, 0
}

func (c *watchChecker) put(t *rapid.T) {
	c.writes++
	_, err := c.r.Put(ctx, campaignKey(t), fmt.Append(nil, c.writes))
	require.NoError(t, err)
}

func (c *watchChecker) putExpiring(t *rapid.T) {
	c.writes++
	ttl := time.Duration(rapid.IntRange(1, 20).Draw(t, "ttl")) * time.Millisecond
	key := campaignKey(t)
	c.mortal[key] = true
	_, err := c.r.Put(ctx, key, fmt.Append(nil, c.writes), minikv.TTL(ttl))
	require.NoError(t, err)
}

func (c *watchChecker) delete(t *rapid.T) {
	require.NoError(t, c.r.Delete(ctx, campaignKey(t)))
}

func (c *watchChecker) batch(t *rapid.T) {
	b := c.r.NewBatch()
	for range rapid.IntRange(1, 5).Draw(t, "size") {
		c.writes++
		if rapid.Bool().Draw(t, "delete") {
			b.Delete(campaignKey(t))
		} else {
			b.Put(campaignKey(t), fmt.Append(nil, c.writes))
		}
	}
	_, err := b.Commit(ctx)
	require.NoError(t, err)
}

// take takes some events; a mark written before makes sure that there is one to take.
func (c *watchChecker) take(t *rapid.T) {
	for range rapid.IntRange(1, 4).Draw(t, "events") {
		if c.takeUpTo(t, c.mark(t)) {
			return
		}
	}
}

func (c *watchChecker) mark(t *rapid.T) string {
	c.marks++
	key := fmt.Sprintf("p/~%06d", c.marks)
	_, err := c.r.Put(ctx, key, nil)
	require.NoError(t, err)
	return key
}

// takeUpTo takes one event and says whether it was the mark.
func (c *watchChecker) takeUpTo(t *rapid.T, mark string) bool {
	ev, err, ok := c.next()
	require.True(t, ok)
	require.NoError(t, err)
	if ev.Kind == minikv.EventSynced {
		c.syncs++
		require.Equal(t, 1, c.syncs)
		c.forgetExpired(t)
	} else {
		c.learn(t, ev)
	}
	if p := ev.Position(); !p.IsZero() {
		c.at = p
	}
	return ev.Entry.Key == mark
}

func (c *watchChecker) learn(t *rapid.T, ev minikv.Event) {
	e := ev.Entry
	require.True(t, strings.HasPrefix(e.Key, "p/"), "told of %q", e.Key)
	id := fmt.Sprint(ev.Kind, e.Key, e.Rev)
	require.False(t, c.told[id], "told twice: %s", id)
	c.told[id] = true
	require.GreaterOrEqual(t, e.Rev.Compare(c.revs[e.Key]), 0, "%s went back", e.Key)
	c.revs[e.Key] = e.Rev
	c.tally[ev.Kind.String()]++
	if ev.Kind == minikv.EventPut {
		c.view[e.Key] = string(e.Value)
	} else {
		delete(c.view, e.Key)
	}
}

// forgetExpired does what the documentation of After asks of a consumer: what expired between two watches
// is not told. Only keys that were ever given a TTL are looked at, so that a lost delete would still show.
func (c *watchChecker) forgetExpired(t *rapid.T) {
	for key := range c.view {
		if !c.mortal[key] {
			continue
		}
		present, err := c.r.Has(ctx, key)
		require.NoError(t, err)
		if !present {
			delete(c.view, key)
		}
	}
}

func (c *watchChecker) resume(t *rapid.T) {
	c.tally["resume"]++
	c.stop()
	c.start(t)
}

func (c *watchChecker) drain(t *rapid.T) {
	time.Sleep(time.Second) // all that expires has
	for mark, seen := c.mark(t), false; !seen || c.syncs == 0; {
		seen = c.takeUpTo(t, mark) || seen
	}
	c.tally["merged"] += max(0, c.writes-len(c.told))
}

func (c *watchChecker) check(t *rapid.T) {
	require.LessOrEqual(t, c.syncs, 1)
	want := map[string]string{}
	for e, err := range c.r.Prefix(ctx, "p/") {
		require.NoError(t, err)
		want[e.Key] = string(e.Value)
	}
	require.Equal(t, want, c.view)
	require.Zero(t, c.r.Metrics().WatchBacklog)
}
