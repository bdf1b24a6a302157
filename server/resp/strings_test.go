package resp_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/server/resp"
)

// step is a command and its answer. ~ in front of the answer's text: it begins so.
type step struct{ command, want string }

func (c *client) walk(steps []step) {
	c.t.Helper()
	for _, s := range steps {
		got := c.do("%s", s.command)
		if want, begins := strings.CutPrefix(s.want, "~"); begins {
			require.True(c.t, strings.HasPrefix(got, want), "%s: %s", s.command, got)
			continue
		}
		require.Equal(c.t, s.want, got, s.command)
	}
}

func TestStrings(t *testing.T) {
	s := serve(t, resp.Config{})
	s.dial().walk([]step{
		{"GET k", "nil"},
		{"SET k v", "+OK"},
		{"GET k", "$v"},
		{"get k", "$v"},
		{"STRLEN k", ":1"},
		{"STRLEN absent", ":0"},
		{"SET k w GET", "$v"},
		{"SET fresh w GET", "nil"},
		{"GETSET k x", "$w"},
		{"GETSET new x", "nil"},
		{"GETDEL new", "$x"},
		{"GETDEL new", "nil"},
		{"MSET a 1 b 2", "+OK"},
		{"MGET a absent b", "[$1, nil, $2]"},
		{"MSET a 3 a 4", "+OK"},
		{"GET a", "$4"},
		{"GETEX a", "$4"},
		{"GETEX absent EX 0", "nil"},
	})
	require.Equal(t, "4", s.value("a"), "the library sees what clients write")
	s.put("a", "5")
	require.Equal(t, "$5", s.dial().do("GET a"), "and the other way round")
}

func TestStringsRefuse(t *testing.T) {
	s := serve(t, resp.Config{})
	s.dial().walk([]step{
		{"GET", "-ERR wrong number of arguments for 'get' command"},
		{"GET a b", "-ERR wrong number of arguments for 'get' command"},
		{"SET k", "-ERR wrong number of arguments for 'set' command"},
		{"MSET a", "-ERR wrong number of arguments for 'mset' command"},
		{"MSET a b c", "-ERR wrong number of arguments for 'mset' command"},
		{"SET k v EX", "-ERR syntax error"},
		{"SET k v WHAT", "-ERR syntax error"},
		{"SET k v EX 10 PX 10", "-ERR syntax error"},
		{"SET k v KEEPTTL EX 10", "-ERR syntax error"},
		{"SET k v EX ten", "-ERR value is not an integer or out of range"},
		{"SET k v EX 0", "-ERR invalid expire time in 'set' command"},
		{"SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command"},
		{"SETEX k 0 v", "-ERR invalid expire time in 'setex' command"},
		{"PSETEX k -1 v", "-ERR invalid expire time in 'psetex' command"},
		{"GETEX k EX", "-ERR syntax error"},
		{"GETEX k PERSIST EX 10", "-ERR syntax error"},
		{"SET k v NX", "~-ERR SET with NX or XX is not offered: each node would decide by what it knows"},
		{"SET k v XX", "~-ERR SET with NX or XX is not offered"},
		{"SETNX k v", "~-ERR SETNX is not offered: each node would decide by what it knows"},
		{"INCR k", "~-ERR INCR is not offered: nodes that count at the same time"},
		{"NOSUCH a b", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' "},
		{"DBSIZE", ":0"},
	})
}

func TestKeysThatCannotBe(t *testing.T) {
	c := serve(t, resp.Config{}).dial()
	long := strings.Repeat("k", 1025)
	for _, key := range []string{"", long} {
		require.Equal(t, "nil", c.words("GET", key))
		require.Equal(t, ":0", c.words("EXISTS", key))
		require.Equal(t, ":0", c.words("DEL", key))
		require.Equal(t, ":-2", c.words("TTL", key))
		require.Contains(t, c.words("SET", key, "v"), "it can have 1 to 1024")
		require.Contains(t, c.words("MSET", "a", "1", key, "v"), "it can have 1 to 1024")
	}
	require.Equal(t, "nil", c.do("GET a"), "an MSET sets all or nothing")
	require.Equal(t, "+OK", c.words("SET", long[1:], "v"))
	require.Equal(t, "$v", c.words("GET", long[1:]))
}

func TestExpiry(t *testing.T) {
	c := serve(t, resp.Config{}).dial()
	at := time.Now().Add(time.Hour).Unix()
	c.walk([]step{
		{"SET k v EX 100", "+OK"},
		{"TTL k", ":100"},
		{"SET k w", "+OK"},
		{"TTL k", ":-1"},
		{"SET k v PX 100000", "+OK"},
		{"SET k w KEEPTTL", "+OK"},
		{"TTL k", ":100"},
		{"PERSIST k", ":1"},
		{"PERSIST k", ":0"},
		{"PERSIST absent", ":0"},
		{"TTL k", ":-1"},
		{"PTTL k", ":-1"},
		{"EXPIRETIME k", ":-1"},
		{"TTL absent", ":-2"},
		{"EXPIRE absent 10", ":0"},
		{"EXPIREAT k " + strconv.FormatInt(at, 10), ":1"},
		{"EXPIRETIME k", ":" + strconv.FormatInt(at, 10)},
		{"PEXPIREAT k " + strconv.FormatInt(at*1000+7, 10), ":1"},
		{"PEXPIRETIME k", ":" + strconv.FormatInt(at*1000+7, 10)},
		{"SET k v PXAT " + strconv.FormatInt(at*1000+8, 10), "+OK"},
		{"PEXPIRETIME k", ":" + strconv.FormatInt(at*1000+8, 10)},
		{"GETEX k EXAT " + strconv.FormatInt(at, 10), "$v"},
		{"EXPIRETIME k", ":" + strconv.FormatInt(at, 10)},
		{"GETEX k PERSIST", "$v"},
		{"TTL k", ":-1"},
		{"EXPIRE k 100 XX", ":0"},
		{"EXPIRE k 100 GT", ":0"},
		{"EXPIRE k 100 LT", ":1"},
		{"EXPIRE k 200 NX", ":0"},
		{"EXPIRE k 50 GT", ":0"},
		{"EXPIRE k 200 GT", ":1"},
		{"EXPIRE k 300 LT", ":0"},
		{"TTL k", ":200"},
		{"EXPIRE k 100 NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible"},
		{"EXPIRE k 100 GT LT", "-ERR GT and LT options at the same time are not compatible"},
		{"EXPIRE k 100 WHEN", "-ERR Unsupported option WHEN"},
		{"EXPIRE k soon", "-ERR value is not an integer or out of range"},
		{"EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command"},
		{"PEXPIRE k 50000000000000", "-ERR invalid expire time in 'pexpire' command"},
		{"EXPIRE k 0", ":1"},
		{"EXISTS k", ":0"},
		{"SET k v EXAT 1", "+OK"},
		{"GET k", "nil"},
		{"SETEX k 100 v", "+OK"},
		{"PSETEX k 200000 v", "+OK"},
		{"TTL k", ":200"},
	})
	require.Equal(t, "+OK", c.do("SET soon v PX 20"))
	require.Eventually(t, func() bool { return c.do("GET soon") == "nil" }, patience, time.Millisecond)
}
