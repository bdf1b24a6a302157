package resp_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/resp"
)

func TestConnection(t *testing.T) {
	c := serve(t, resp.Config{Version: "v1"}).dial()
	c.walk([]step{
		{"PING", "+PONG"},
		{"PING hi", "$hi"},
		{"PING a b", "-ERR wrong number of arguments for 'ping' command"},
		{"ECHO hi", "$hi"},
		{"CLIENT ID", ":1"},
		{"CLIENT GETNAME", "nil"},
		{"CLIENT SETNAME me", "+OK"},
		{"CLIENT GETNAME", "$me"},
		{"CLIENT SETINFO LIB-NAME lib", "+OK"},
		{"CLIENT SETINFO LIB-VER 1.2", "+OK"},
		{"CLIENT SETINFO WHAT 1.2", "-ERR Unrecognized option 'WHAT'"},
		{"CLIENT INFO", "~$id=1 addr=127.0.0.1:"},
		{"CLIENT LIST TYPE normal", "~$id=1 "},
		{"CLIENT LIST TYPE pubsub", "$"},
		{"CLIENT LIST TYPE what", "-ERR Unknown client type 'what'"},
		{"CLIENT LIST ID 1", "~$id=1 "},
		{"CLIENT LIST ID 7", "$"},
		{"CLIENT LIST ID x", "-ERR Invalid client ID"},
		{"CLIENT LIST what", "-ERR syntax error"},
		{"CLIENT ID 2", "-ERR wrong number of arguments for 'client|id' command"},
		{"CLIENT KILL", "-ERR unknown subcommand 'KILL'. Try CLIENT HELP."},
		{"CONFIG GET maxcl* databases", "[$databases, $16, $maxclients, $10000]"},
		{"CONFIG GET", "-ERR wrong number of arguments for 'config|get' command"},
		{"CONFIG SET notify-keyspace-events KEx", "+OK"},
		{"CONFIG SET notify-keyspace-events KEA", "~-ERR CONFIG SET failed - notify-keyspace-events is KEg$x here"},
		{"CONFIG SET maxmemory 1", "~-ERR CONFIG SET is not offered"},
		{"CONFIG WHAT", "-ERR unknown subcommand 'WHAT'. Try CONFIG HELP."},
		{"COMMAND COUNT", fmt.Sprintf(":%d", len(resp.SpecNames()))},
		{"COMMAND INFO get nosuch", "[[$get, :2, [+readonly], :1, :1, :1, [], [], [], []], nil]"},
		{"COMMAND DOCS get nosuch", "[$get, [$summary, $The value of a key, $group, $string, $arguments, [[$name, $key, $type, $string]]]]"},
		{"COMMAND LIST", "[$" + strings.Join(resp.SpecNames(), ", $") + "]"},
		{"AUTH x", "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"},
		{"AUTH default x", "+OK"},
		{"AUTH other x", "-WRONGPASS invalid username-password pair or user is disabled."},
		{"RESET", "+RESET"},
		{"CLIENT GETNAME", "nil"},
		{"HELLO", "[$server, $minikv, $version, $7.0.15, $proto, :2, $id, :1, $mode, $standalone, $role, $master, $modules, []]"},
		{"HELLO 4", "-NOPROTO unsupported protocol version"},
		{"HELLO x", "-ERR Protocol version is not an integer or out of range"},
		{"HELLO 3 WHAT", "-ERR Syntax error in HELLO option 'WHAT'"},
		{"HELLO 3 SETNAME you", "{$server: $minikv, $version: $7.0.15, $proto: :3, $id: :1, $mode: $standalone, $role: $master, $modules: []}"},
		{"CLIENT GETNAME", "$you"},
		{"GET absent", "nil"},
		{"CONFIG GET databases", "{$databases: $16}"},
		{"CLIENT INFO", "~=txt:id=1 "},
		{"TIME", "~[$1"},
		{"QUIT", "+OK"},
	})
	c.gone()
}

func TestInfo(t *testing.T) {
	s := serve(t, resp.Config{Version: "v1"})
	c := s.dial()
	c.do("SET k v")
	c.do("GET k")
	c.do("GET absent")
	all := c.do("INFO")
	for _, want := range []string{"# Server\r\n", "minikv_version:v1\r\n", "connected_clients:1\r\n", "keyspace_hits:1\r\n", "keyspace_misses:1\r\n",
		"total_commands_processed:4\r\n", "db0:keys=1,registry=default\r\n", "puts:1\r\n", "role:master\r\n", "node_id:" + string(s.node.ID())} {
		require.Contains(t, all, want)
	}
	require.Equal(t, "$# Keyspace\r\ndb0:keys=1,registry=default\r\n", c.do("INFO keyspace"))
}

func TestPipeline(t *testing.T) {
	s := serve(t, resp.Config{})
	c := s.dial()
	var in, want []string
	for i := range 3000 {
		in = append(in, string(encode("SET", fmt.Sprintf("k%d", i%700), fmt.Sprint(i))))
		want = append(want, "+OK")
		switch i % 7 {
		case 3:
			in = append(in, string(encode("GET", fmt.Sprintf("k%d", i%700))))
			want = append(want, fmt.Sprintf("$%d", i))
		case 5:
			in = append(in, string(encode("SET", "", "v")))
			want = append(want, "-ERR put default: the key has 0 bytes; it can have 1 to 1024")
		case 6:
			in = append(in, string(encode("SET", "k")))
			want = append(want, "-ERR wrong number of arguments for 'set' command")
		}
	}
	go func() { _, _ = c.nc.Write([]byte(strings.Join(in, ""))) }()
	for i, w := range want {
		require.Equal(t, w, c.answer(), i)
	}
}

// TestPipelineOnDisk: what a pipeline wrote is there after the node was closed.
func TestPipelineOnDisk(t *testing.T) {
	dir := t.TempDir()
	s := serveNode(t, dir, minikv.Config{}, resp.Config{})
	c := s.dial()
	var in string
	for i := range 100 {
		in += string(encode("SET", fmt.Sprintf("k%d", i), "v")) + string(encode("DEL", fmt.Sprintf("k%d", i-1)))
	}
	c.raw(in)
	for i := range 100 {
		require.Equal(t, "+OK", c.answer())
		require.Equal(t, fmt.Sprintf(":%d", min(i, 1)), c.answer())
	}
	require.NoError(t, s.s.Close())
	require.NoError(t, s.node.Close())
	n, err := minikv.Open(context.Background(), dir, minikv.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	r, err := n.Registry(context.Background(), "default", minikv.Public())
	require.NoError(t, err)
	have, err := r.Len(context.Background())
	require.NoError(t, err)
	require.Equal(t, 1, have)
}

func TestLargeValues(t *testing.T) {
	s := serve(t, resp.Config{})
	c := s.dial()
	large := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	require.Equal(t, "+OK", c.words("SET", "large", large))
	require.Equal(t, "$"+large, c.do("GET large"))
	require.Equal(t, "[$"+large+", nil, $"+large+"]", c.do("MGET large absent large"))
	require.Equal(t, "-TOOLARGE an argument has 1048577 bytes; values can have 1048576 here, and keys 1,024", c.words("SET", "large", large+"x"))
	require.Equal(t, ":1048576", c.do("STRLEN large"), "the connection goes on")
}

func TestPassword(t *testing.T) {
	s := serve(t, resp.Config{Password: "secret"})
	c := s.dial()
	c.walk([]step{
		{"GET k", "-NOAUTH Authentication required."},
		{"PING", "-NOAUTH Authentication required."},
		{"NOSUCH", "-NOAUTH Authentication required."},
		{"INCR k", "-NOAUTH Authentication required."},
		{"HELLO 3", "~-NOAUTH HELLO must be called with the client already authenticated"},
		{"AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled."},
		{"AUTH root secret", "-WRONGPASS invalid username-password pair or user is disabled."},
		{"AUTH default wrong more", "-ERR syntax error"},
		{"AUTH secret", "+OK"},
		{"PING", "+PONG"},
		{"RESET", "+RESET"},
		{"PING", "-NOAUTH Authentication required."},
		{"AUTH default secret", "+OK"},
		{"PING", "+PONG"},
	})
	require.Contains(t, s.dial().do("HELLO 3 AUTH default secret SETNAME me"), "$proto: :3")
	c = s.dial()
	require.Equal(t, "-WRONGPASS invalid username-password pair or user is disabled.", c.do("HELLO 3 AUTH default wrong"))
	require.Equal(t, "-ERR Protocol error: unauthenticated bulk length", c.words("AUTH", strings.Repeat("x", 20_000)))
	c.gone()
}

func TestListenKeepsOthersOut(t *testing.T) {
	ctx := context.Background()
	_, err := resp.Listen(ctx, "0.0.0.0:0", "")
	require.ErrorIs(t, err, resp.ErrNoPassword)
	_, err = resp.Listen(ctx, ":0", "")
	require.ErrorIs(t, err, resp.ErrNoPassword)
	_, err = resp.Listen(ctx, "nonsense", "")
	require.ErrorContains(t, err, "use HOST:PORT")
	l, err := resp.Listen(ctx, "0.0.0.0:0", "secret")
	require.NoError(t, err)
	s := serve(t, resp.Config{})
	require.ErrorIs(t, s.s.Serve(l), resp.ErrNoPassword, "a server without one does not take it either")
	require.NoError(t, l.Close())
}

func TestUnixSocket(t *testing.T) {
	s := serve(t, resp.Config{})
	path := t.TempDir() + "/redis.sock"
	l, err := resp.Listen(context.Background(), "unix:"+path, "")
	require.NoError(t, err)
	require.Equal(t, path, l.Addr().String(), "where clients reach it, not where it was made")
	go func() { _ = s.s.Serve(l) }()
	c := dial(t, "unix", path)
	require.Equal(t, "+PONG", c.do("PING"))
	require.Contains(t, c.do("CLIENT INFO"), " addr=unix:0 ")
}

func TestConfigErrors(t *testing.T) {
	node, err := minikv.Open(context.Background(), "", minikv.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, node.Close()) })
	for _, cfg := range []resp.Config{
		{Databases: map[int]string{16: "a"}}, {Databases: map[int]string{-1: "a"}}, {Databases: map[int]string{0: ""}},
		{MaxValue: -1}, {MaxValue: 17 << 20}, {MaxClients: -1}, {IdleTimeout: -1}, {SlowTimeout: -1}, {MaxBacklog: -1},
	} {
		_, err := resp.New(node, cfg)
		require.Error(t, err, "%+v", cfg)
	}
}

// TestCloseLetsCommandsEnd: what has arrived is answered, and idle connections end at once.
func TestCloseLetsCommandsEnd(t *testing.T) {
	s := serve(t, resp.Config{})
	idle, busy := s.dial(), s.dial()
	require.Equal(t, "+PONG", idle.do("PING"))
	require.Equal(t, "+OK", busy.do("SET k v"))
	began := time.Now()
	require.NoError(t, s.s.Close())
	require.Less(t, time.Since(began), 4*time.Second)
	idle.gone()
	busy.gone()
	_, err := net.Dial("tcp", s.addr)
	require.Error(t, err)
	require.NoError(t, s.s.Close(), "again")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, s.s.Serve(l), "over before it began")
}
