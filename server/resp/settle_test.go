package resp_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/resp"
)

// TestAPipelineWaitsOnce: however many writes come together, the disk is waited for once, before the answers go out.
func TestAPipelineWaitsOnce(t *testing.T) {
	s := serve(t, resp.Config{})
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

// TestADiskThatFails: from the first write on the answers of a pipeline are errors; what was read may not be true
// either.
func TestADiskThatFails(t *testing.T) {
	s := serve(t, resp.Config{})
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
