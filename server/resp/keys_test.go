package resp_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/resp"
)

func TestKeys(t *testing.T) {
	s := serve(t, resp.Config{})
	c := s.dial()
	c.walk([]step{
		{"RANDOMKEY", "nil"},
		{"SCAN 0", "[$0, []]"},
		{"MSET user:1 a user:2 b user:30 c other d", "+OK"},
		{"DBSIZE", ":4"},
		{"KEYS user:?", "[$user:1, $user:2]"},
		{"KEYS user:[12]", "[$user:1, $user:2]"},
		{"KEYS *0", "[$user:30]"},
		{"KEYS other", "[$other]"},
		{"KEYS nothing", "[]"},
		{"EXISTS user:1 user:1 absent other", ":3"},
		{"TOUCH user:1 absent", ":1"},
		{"TYPE user:1", "+string"},
		{"TYPE absent", "+none"},
		{"DEL user:1 user:1 absent", ":1"},
		{"UNLINK user:2", ":1"},
		{"SCAN 0 COUNT 100", "[$0, [$other, $user:30]]"},
		{"SCAN 0 COUNT 100 MATCH u*", "[$0, [$user:30]]"},
		{"SCAN 0 COUNT 100 TYPE string", "[$0, [$other, $user:30]]"},
		{"SCAN 0 COUNT 100 TYPE list", "[$0, []]"},
		{"SCAN x", "-ERR invalid cursor"},
		{"SCAN 0 COUNT 0", "-ERR syntax error"},
		{"SCAN 0 COUNT x", "-ERR value is not an integer or out of range"},
		{"SCAN 0 COUNT", "-ERR syntax error"},
		{"FLUSHDB WHEN", "-ERR syntax error"},
		{"FLUSHDB ASYNC", "+OK"},
		{"DBSIZE", ":0"},
		{"FLUSHALL", "+OK"},
	})
	c.do("SET only v")
	require.Equal(t, "$only", c.do("RANDOMKEY"))
	require.Equal(t, "v", s.value("only"))
}

// scanAll goes through all keys, with something done between the pages.
func scanAll(c *client, count int, between func()) (keys []string, pages int) {
	cursor := "0"
	for {
		reply := c.do("SCAN %s COUNT %d", cursor, count)
		head, rest, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(reply, "[$"), "]]"), ", [")
		require.True(c.t, ok, reply)
		for _, k := range strings.Split(rest, ", ") {
			if k != "" {
				keys = append(keys, strings.TrimPrefix(k, "$"))
			}
		}
		pages++
		if cursor = head; cursor == "0" {
			return keys, pages
		}
		between()
	}
}

// TestScanIsCompleteUnderWrites: whatever comes and goes between the pages, the keys that stay are all found,
// each once.
func TestScanIsCompleteUnderWrites(t *testing.T) {
	s := serve(t, resp.Config{})
	c, writer := s.dial(), s.dial()
	var stay []string
	for i := range 500 {
		key := fmt.Sprintf("stay:%03d", i)
		stay = append(stay, key)
		s.put(key, "v")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	n := 0
	keys, pages := scanAll(c, 7, func() {
		for range 5 {
			k := rng.IntN(1000)
			switch rng.IntN(3) {
			case 0:
				writer.do("SET stay:%03d.%d v", k, k)
			case 1:
				writer.do("DEL stay:%03d.%d", k, k)
			case 2:
				writer.do("SET stay:%03d w", k%500)
			}
			n++
		}
	})
	require.Greater(t, pages, 70)
	require.Greater(t, n, 300)
	seen := map[string]int{}
	for _, k := range keys {
		seen[k]++
	}
	for _, k := range stay {
		require.Equal(t, 1, seen[k], k)
	}
}

// TestScanGoesOnWithoutItsState: a cursor that the server has forgotten is searched; one whose key has gone begins
// anew, so that nothing is left out.
func TestScanGoesOnWithoutItsState(t *testing.T) {
	s := serve(t, resp.Config{})
	for i := range 3000 {
		s.put(fmt.Sprintf("k%04d", i), "v")
	}
	c := s.dial()
	cursorOf := func(reply string) string {
		cursor, _, _ := strings.Cut(strings.TrimPrefix(reply, "[$"), ",")
		return cursor
	}
	old := cursorOf(c.do("SCAN 0 COUNT 1000"))
	forget := func() { scanAll(c, 1, func() {}) } // 3,000 cursors; 1,024 are kept
	forget()
	require.Contains(t, c.do("SCAN %s COUNT 1", old), "$k1000")
	forget()
	require.NoError(t, s.reg.Delete(context.Background(), "k1000"))
	require.Contains(t, c.do("SCAN %s COUNT 1", old), "$k0000")
	require.Contains(t, c.do("SCAN 18446744073709551615 COUNT 1"), "$k0000", "one that never was")
}

func TestRandomKeyIsAnyOfThem(t *testing.T) {
	c := serve(t, resp.Config{}).dial()
	c.do("MSET a 1 b 2 c 3")
	seen := map[string]bool{}
	for i := 0; len(seen) < 3; i++ {
		require.Less(t, i, 1000)
		seen[c.do("RANDOMKEY")] = true
	}
	require.Equal(t, map[string]bool{"$a": true, "$b": true, "$c": true}, seen)
}

// TestFlushKeepsWhatIsLocked: FLUSHDB deletes the rest, and says so.
func TestFlushKeepsWhatIsLocked(t *testing.T) {
	s := serve(t, resp.Config{})
	for i := range 2500 {
		s.put(fmt.Sprintf("k%04d", i), "v")
	}
	l, err := s.reg.Lock(context.Background(), "k1500")
	require.NoError(t, err)
	c := s.dial()
	require.Equal(t, "-LOCKED 1 keys are locked and were kept; all others are deleted", c.do("FLUSHDB"))
	require.Equal(t, "[$k1500]", c.do("KEYS *"))
	require.NoError(t, l.Unlock(context.Background()))
	require.Equal(t, "+OK", c.do("FLUSHDB"))
	require.Equal(t, ":0", c.do("DBSIZE"))
}

func TestDatabases(t *testing.T) {
	s := serve(t, resp.Config{Databases: map[int]string{0: "default", 3: "cities"}})
	c := s.dial()
	c.walk([]step{
		{"SET k zero", "+OK"},
		{"SELECT 3", "+OK"},
		{"GET k", "nil"},
		{"SET k three", "+OK"},
		{"SELECT 1", "~-ERR DB index is out of range: database 1 is no registry here"},
		{"SELECT 16", "-ERR DB index is out of range"},
		{"SELECT -1", "-ERR DB index is out of range"},
		{"SELECT x", "-ERR value is not an integer or out of range"},
		{"GET k", "$three"},
		{"SELECT 0", "+OK"},
		{"GET k", "$zero"},
		{"FLUSHALL", "+OK"},
		{"SELECT 3", "+OK"},
		{"DBSIZE", ":0"},
	})
	// A registry may be dropped and opened again behind the server's back.
	require.NoError(t, s.node.DropRegistry(context.Background(), "cities"))
	require.Equal(t, c.do("SET k v"), c.do("GET k"), "the first one finds out")
	require.Equal(t, c.do("GET k"), `-ERR database 3 is the registry "cities", which is not open on this node`)
	_, err := s.node.Registry(context.Background(), "cities", minikv.Public())
	require.NoError(t, err)
	require.Equal(t, "+OK", c.do("SET k v"))
	require.Equal(t, "$v", c.do("GET k"))
}

func TestKeysOfManyAreOfOneMoment(t *testing.T) {
	s := serve(t, resp.Config{})
	const n = 2000
	for i := range n {
		s.put(fmt.Sprintf("k%04d", i), "v")
	}
	reply := s.dial().do("KEYS k*")
	keys := strings.Split(strings.Trim(reply, "[]"), ", ")
	require.Len(t, keys, n)
	require.True(t, slices.IsSorted(keys))
}
