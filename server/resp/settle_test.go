package resp_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/resp"
)

// TestAPipelineWaitsOnce: however many writes come together, the disk is waited for once, before the answers go out.
func TestAPipelineWaitsOnce(t *testing.T) {
	s := serveLoops(t, 0, "", minikv.Config{}, resp.Config{})
	var waits atomic.Int32
	s.s.Settle(func(r *minikv.Registry) error { waits.Add(1); return nil })
	c := s.dial()
	var in strings.Builder
	for range 20 {
		in.Write(encode("SET", "k", "v"))
		in.Write(encode("EXPIRE", "k", "100"))
		in.Write(encode("DEL", "k"))
	}
	c.raw(in.String())
	for range 20 {
		require.Equal(t, "+OK", c.answer())
		require.Equal(t, ":1", c.answer())
		require.Equal(t, ":1", c.answer())
	}
	require.LessOrEqual(t, waits.Load(), int32(4), "one for each part in which it arrived")
	before := waits.Load()
	require.Equal(t, "nil", c.do("GET k"))
	require.Equal(t, before, waits.Load(), "reads do not wait")
}

// TestAPipelineWritesAKeyOnce: of SETs of one key that come together the last one is written, and all are answered.
func TestAPipelineWritesAKeyOnce(t *testing.T) {
	s := serveNode(t, "", minikv.Config{MaxValueLen: 1000}, resp.Config{MaxValue: 1000})
	c := s.dial()
	puts := func(words ...[]string) (n uint64, answers []string) {
		t.Helper()
		before := s.reg.Metrics().Puts
		var in strings.Builder
		for _, w := range words {
			in.Write(encode(w...))
		}
		c.raw(in.String()) // comes as a whole: a write of some hundred bytes over loopback is not parted
		for range words {
			answers = append(answers, c.answer())
		}
		return s.reg.Metrics().Puts - before, answers
	}
	set := func(words ...string) []string { return append([]string{"SET"}, words...) }

	n, answers := puts(set("a", "1"), set("b", "1"), set("a", "2"), set("a", "3"), set("b", "2"), set("c", "1"))
	require.Equal(t, slices.Repeat([]string{"+OK"}, 6), answers)
	require.Equal(t, uint64(3), n)
	require.Equal(t, "[$3, $2, $1]", c.do("MGET a b c"))

	// What lies between them sees each as written.
	n, answers = puts(set("a", "4"), []string{"GET", "a"}, set("a", "5"), []string{"GET", "a"}, set("a", "6"))
	require.Equal(t, []string{"+OK", "$4", "+OK", "$5", "+OK"}, answers)
	require.Equal(t, uint64(3), n)

	// An expiry that a later one keeps is that of an earlier one.
	_, answers = puts(set("a", "7"), set("a", "8", "EX", "100"), set("a", "9", "KEEPTTL"), set("b", "3", "EX", "100"), set("b", "4"))
	require.Equal(t, slices.Repeat([]string{"+OK"}, 5), answers)
	require.Equal(t, ":100", c.do("TTL a"))
	require.Equal(t, "$9", c.do("GET a"))
	require.Equal(t, ":-1", c.do("TTL b"))

	// One that is refused is told so, though a later one takes its place.
	_, answers = puts(set("a", "10"), set("a", strings.Repeat("x", 1500)), set("a", "11"))
	require.Equal(t, "+OK", answers[0])
	require.Contains(t, answers[1], "-TOOLARGE")
	require.Equal(t, "+OK", answers[2])
	require.Equal(t, "$11", c.do("GET a"))
}

// TestADiskThatFails: from the first write on the answers of a pipeline are errors; what was read may not be true
// either.
func TestADiskThatFails(t *testing.T) {
	s := serveLoops(t, 0, "", minikv.Config{}, resp.Config{})
	var failing atomic.Bool
	s.s.Settle(func(*minikv.Registry) error {
		if failing.Load() {
			return minikv.ErrStorage
		}
		return nil
	})
	c := s.dial()
	require.Equal(t, "+OK", c.do("SET k v"))
	failing.Store(true)
	c.raw(string(encode("GET", "k")) + string(encode("SET", "k", "w")) + string(encode("GET", "k")) + string(encode("NOSUCH")) + string(encode("SET", "a", "1")) + string(encode("SET", "b", "2")))
	require.Equal(t, "$v", c.answer(), "before it")
	for range 5 {
		require.Equal(t, "-STORAGE storage failed", c.answer())
	}
	require.Equal(t, "$w", c.do("GET k"), "reads go on")

	// Where a part of the answers is out already the connection ends.
	s.put("large", strings.Repeat("x", 100_000))
	c.raw(string(encode("SET", "k", "w")) + string(encode("GET", "large")))
	c.gone()
}
