package resp_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/server/resp"
)

// tool returns the path of one of Redis's programs, and skips the test where it is not installed.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("NOT TESTED: %s is not installed (on Debian: apt-get install redis-server redis-tools)", name)
	}
	return path
}

// startRedis runs a redis-server on a unix socket until the end of the test, and returns the socket.
func startRedis(t testing.TB) string {
	t.Helper()
	path := tool(t, "redis-server")
	dir, err := os.MkdirTemp("", "redis") // t.TempDir may be too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir)
	out := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	require.Eventually(t, func() bool {
		nc, err := net.Dial("unix", socket)
		if err == nil {
			nc.Close()
		}
		return err == nil
	}, patience, 5*time.Millisecond)
	return socket
}

// TestEveryCommandOfRedisHasAnAnswer: each is served or refused with a reason, whatever version of Redis is
// installed here.
func TestEveryCommandOfRedisHasAnAnswer(t *testing.T) {
	redis := dial(t, "unix", startRedis(t))
	names := strings.Split(strings.Trim(redis.do("COMMAND LIST"), "[]"), ", ")
	require.Greater(t, len(names), 200)
	c := serve(t, resp.Config{}).dial()
	refused := resp.Refused()
	served := map[string]bool{}
	for _, name := range resp.SpecNames() {
		served[name] = true
	}
	for _, name := range names {
		name = strings.TrimPrefix(name, "$")
		if served[name] || strings.Contains(name, "|") {
			continue // a subcommand is its command's business
		}
		require.NotEmpty(t, refused[name], name)
		require.Contains(t, c.do("%s a b", name), "-ERR "+strings.ToUpper(name)+" is not offered: ")
	}
}

// TestArityIsThatOfRedis: of every command that Redis has, too.
func TestArityIsThatOfRedis(t *testing.T) {
	redis, c := dial(t, "unix", startRedis(t)), serve(t, resp.Config{}).dial()
	for _, name := range resp.SpecNames() {
		theirs, ours := redis.do("COMMAND INFO %s", name), c.do("COMMAND INFO %s", name)
		if theirs == "[nil]" {
			continue
		}
		head := func(s string) string { return strings.Join(strings.SplitN(s, ", ", 3)[:2], ", ") }
		require.Equal(t, head(theirs), head(ours))
	}
}

// TestRedisCLI: the program that everyone has.
func TestRedisCLI(t *testing.T) {
	path := tool(t, "redis-cli")
	s := serve(t, resp.Config{Password: "secret"})
	host, port, err := net.SplitHostPort(s.addr)
	require.NoError(t, err)
	run := func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.Command(path, append([]string{"-h", host, "-p", port, "--no-auth-warning"}, args...)...)
		cmd.Env = append(os.Environ(), "REDISCLI_AUTH=secret")
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	require.Equal(t, "PONG\n", run("", "PING"))
	require.Equal(t, "OK\n", run("", "SET", "k", "a b"))
	require.Equal(t, "a b\n", run("", "GET", "k"))
	require.Equal(t, "\n", run("", "GET", "absent"))
	require.Equal(t, "OK\n\"a b\"\n(nil)\n(integer) -1\n", strings.ReplaceAll(run("SET k \"a b\"\nGET k\nGET absent\nTTL k\n", "--no-raw"), "\r", ""))
	require.Contains(t, run("HELLO\nCONFIG GET databases\n", "-3", "--no-raw"), `1# "databases" => "16"`)
	require.Contains(t, run("", "INFO", "server"), "server_name:minikv")

	var mass strings.Builder
	for i := range 20_000 {
		mass.Write(encode("SET", "mass:"+string(rune('a'+i%26))+strings.Repeat("x", i%100), "v"))
	}
	require.Contains(t, run(mass.String(), "--pipe"), "errors: 0, replies: 20000\n")
	scanned := strings.Fields(run("", "--scan", "--pattern", "mass:*"))
	require.Len(t, scanned, 26*100/2) // i%26 and i%100 have a parity in common
}

// TestRedisBenchmark: it runs to its end with pipelines and without.
func TestRedisBenchmark(t *testing.T) {
	path := tool(t, "redis-benchmark")
	s := serve(t, resp.Config{})
	host, port, err := net.SplitHostPort(s.addr)
	require.NoError(t, err)
	for _, pipeline := range []string{"1", "16"} {
		out, err := exec.Command(path, "-h", host, "-p", port, "-n", "5000", "-P", pipeline, "-r", "1000", "-t", "ping,set,get,mset", "--csv").CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, 6, strings.Count(string(out), "\n"), "%s", out)
	}
	require.Contains(t, s.dial().do("DBSIZE"), ":1")
}
