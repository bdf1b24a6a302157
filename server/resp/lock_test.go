package resp_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/resp"
)

func TestLocks(t *testing.T) {
	s := serve(t, resp.Config{})
	a, b := s.dial(), s.dial()
	token := strings.TrimPrefix(a.do("LOCK job 60000"), "$")
	require.Len(t, token, 48)
	for _, command := range []string{"LOCK job 1000", "SET job v", "MSET other v job v", "GETSET job v", "SETEX job 10 v"} {
		got := b.do("%s", command)
		require.True(t, strings.HasPrefix(got, `-LOCKED "job" is locked by `+string(s.node.ID())+" for another "), "%s: %s", command, got)
		require.Contains(t, got, " ms unless it renews; try again then, or write under its lease with UNDER")
	}
	b.walk([]step{
		{"GET job", "nil"},
		{"UNDER " + token + " SET job v", "+OK"},
		{"EXPIRE job 10", "~-LOCKED "},
		{"DEL job", "~-LOCKED "},
		{"DEL other job", "~-LOCKED "},
		{"GETDEL job", "~-LOCKED "},
		{"UNDER " + token + " EXPIRE job 10", ":1"},
		{"UNDER " + token + " PERSIST job", ":1"},
		{"UNDER " + token + " GETSET job w", "$v"},
		{"UNDER " + token + " SET job x GET", "$w"},
		{"UNDER " + token + " MSET job y", "+OK"},
		{"UNDER " + token + " GETEX job EX 100", "$y"},
		{"UNDER " + token + " DEL job", ":1"},
		{"UNDER " + token + " SET other v", "~-LEASELOST "},
		{"UNDER " + token + " GET job", "-ERR UNDER token takes a write of keys, as SET or DEL, not 'GET'"},
		{"UNDER " + token + " SET job", "-ERR wrong number of arguments for 'set' command"},
		{"UNDER " + token + " SET", "-ERR wrong number of arguments for 'under' command"},
		{"UNDER abc SET job v", "-ERR a token has 48 hexadecimal digits, as LOCK answers it"},
		{"RENEW job " + token + " 120000", "$" + token},
		{"RENEW job " + token + " 1", "-ERR a lock lasts 100 to 86400000 ms"},
		{"RENEW other " + token + " 1000", "~-LEASELOST "},
		{"LOCK job x", "-ERR value is not an integer or out of range"},
		{"LOCK job 99", "-ERR a lock lasts 100 to 86400000 ms"},
		{"UNLOCK job abc", "-ERR a token has 48 hexadecimal digits, as LOCK answers it"},
		{"UNLOCK job " + token, ":1"},
		{"UNLOCK job " + token, "~-LEASELOST "},
		{"SET job v", "+OK"},
	})
}

func TestALockLapses(t *testing.T) {
	c := serve(t, resp.Config{}).dial()
	require.Contains(t, c.do("LOCK job 100"), "$")
	require.Contains(t, c.do("SET job v"), "-LOCKED ")
	require.Eventually(t, func() bool { return c.do("SET job v") == "+OK" }, patience, 1e6)
}

// TestALockedKeyInAPipeline: the other SETs that came with it are done, each with its own answer.
func TestALockedKeyInAPipeline(t *testing.T) {
	s := serve(t, resp.Config{})
	_, err := s.reg.Lock(context.Background(), "job")
	require.NoError(t, err)
	c := s.dial()
	c.raw(string(encode("SET", "a", "1")) + string(encode("SET", "job", "2")) + string(encode("SET", "b", "3")) + string(encode("GET", "a")) + string(encode("SET", "k")))
	require.Equal(t, "+OK", c.answer())
	require.Contains(t, c.answer(), `-LOCKED "job"`)
	require.Equal(t, "+OK", c.answer())
	require.Equal(t, "$1", c.answer())
	require.Contains(t, c.answer(), "-ERR wrong number")
	require.Equal(t, "3", s.value("b"))
}

func TestReadOnlyRegistry(t *testing.T) {
	s := serve(t, resp.Config{Databases: map[int]string{0: "default", 1: "follow"}})
	require.NoError(t, s.node.DropRegistry(context.Background(), "follow"))
	_, err := s.node.Registry(context.Background(), "follow", minikv.Public(), minikv.ReadOnly())
	require.NoError(t, err)
	c := s.dial()
	c.walk([]step{
		{"SELECT 1", "+OK"},
		{"GET k", "nil"},
		{"SET k v", "~-READONLY "},
		{"LOCK k 1000", "~-READONLY "},
	})
}
