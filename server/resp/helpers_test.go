package resp_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/resp"
)

// TestMain fails the run when a goroutine is left over after every server and node has been closed.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second // for what takes milliseconds on a quiet machine

// served is a node with a server for Redis clients.
type served struct {
	t    testing.TB
	node *minikv.Node
	reg  *minikv.Registry // database 0
	s    *resp.Server
	addr string
}

// serve starts a node in memory and a server of it.
func serve(t testing.TB, cfg resp.Config) *served { return serveNode(t, "", minikv.Config{}, cfg) }

// wantLoops is how many loops serve the clients of a node in memory. By default chance decides for each server: none,
// where each connection has a goroutine of its own, one, or two.
var wantLoops = flag.Int("resp.loops", -1, "loops that serve the clients; -1: 0 to 2, by chance")

// serveNode starts a node with the registries that the databases are.
func serveNode(t testing.TB, dir string, nc minikv.Config, cfg resp.Config) *served {
	t.Helper()
	loops := *wantLoops
	if loops < 0 {
		loops = rand.IntN(3)
		t.Logf("-resp.loops=%d", loops)
	}
	return serveLoops(t, loops, dir, nc, cfg)
}

func serveLoops(t testing.TB, loops int, dir string, nc minikv.Config, cfg resp.Config) *served {
	t.Helper()
	node, err := minikv.Open(context.Background(), dir, nc)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, node.Close()) })
	names := cfg.Databases
	if names == nil {
		names = map[int]string{0: "default"}
	}
	regs := map[int]*minikv.Registry{}
	for n, name := range names {
		regs[n], err = node.Registry(context.Background(), name, minikv.Public())
		require.NoError(t, err)
	}
	s := &served{t: t, node: node, reg: regs[0]}
	s.s, err = resp.New(node, cfg)
	require.NoError(t, err)
	if dir == "" {
		s.s.Loops(loops)
	}
	l, err := resp.Listen(context.Background(), "127.0.0.1:0", cfg.Password)
	require.NoError(t, err)
	s.addr = l.Addr().String()
	ended := make(chan error, 1)
	go func() { ended <- s.s.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, s.s.Close())
		require.NoError(t, <-ended)
	})
	return s
}

// client is a connection that shows answers as text: +simple, -error, :integer, $bulk, nil, [array], {map}, ~set,
// >push, =verbatim.
type client struct {
	t  testing.TB
	nc net.Conn
	r  *bufio.Reader
}

func (s *served) dial() *client {
	s.t.Helper()
	return dial(s.t, "tcp", s.addr)
}

func dial(t testing.TB, network, addr string) *client {
	t.Helper()
	nc, err := net.Dial(network, addr)
	require.NoError(t, err)
	t.Cleanup(func() { nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
	return &client{t: t, nc: nc, r: bufio.NewReader(nc)}
}

// send sends a command as an array.
func (c *client) send(words ...string) {
	c.t.Helper()
	require.NoError(c.t, c.nc.SetDeadline(time.Now().Add(patience)))
	_, err := c.nc.Write(encode(words...))
	require.NoError(c.t, err)
}

func (c *client) raw(text string) {
	c.t.Helper()
	_, err := io.WriteString(c.nc, text)
	require.NoError(c.t, err)
}

func encode(words ...string) []byte {
	var b []byte
	b = fmt.Appendf(b, "*%d\r\n", len(words))
	for _, w := range words {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b
}

// do sends a command, its words parted by blanks, and returns the answer.
func (c *client) do(format string, args ...any) string {
	c.t.Helper()
	c.send(strings.Fields(fmt.Sprintf(format, args...))...)
	return c.answer()
}

// words is do for words with blanks in them.
func (c *client) words(words ...string) string {
	c.t.Helper()
	c.send(words...)
	return c.answer()
}

func (c *client) answer() string {
	c.t.Helper()
	s, err := readAnswer(c.r)
	require.NoError(c.t, err)
	return s
}

// gone waits for the server to close the connection.
func (c *client) gone() {
	c.t.Helper()
	_, err := io.Copy(io.Discard, c.r)
	if ne, ok := err.(net.Error); ok {
		require.False(c.t, ne.Timeout(), "the server did not close the connection")
	}
}

func readAnswer(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	kind, rest := line[0], line[1:]
	switch kind {
	case '+', '-', ':', ',', '#':
		return line, nil
	case '_':
		return "nil", nil
	}
	n, err := strconv.Atoi(rest)
	if err != nil {
		return "", fmt.Errorf("%q: %w", line, err)
	}
	if n < 0 {
		return "nil", nil
	}
	if kind == '$' || kind == '=' {
		b := make([]byte, n+2)
		if _, err := io.ReadFull(r, b); err != nil {
			return "", err
		}
		if string(b[n:]) != "\r\n" {
			return "", fmt.Errorf("%q does not end its line", b)
		}
		return string(kind) + string(b[:n]), nil
	}
	parts := make([]string, 0, n)
	for range n {
		p, err := readAnswer(r)
		if err != nil {
			return "", err
		}
		if kind == '%' {
			v, err := readAnswer(r)
			if err != nil {
				return "", err
			}
			p += ": " + v
		}
		parts = append(parts, p)
	}
	text := strings.Join(parts, ", ")
	switch kind {
	case '*':
		return "[" + text + "]", nil
	case '%':
		return "{" + text + "}", nil
	}
	return string(kind) + "[" + text + "]", nil
}

// put and value go around the server.
func (s *served) put(key, value string) {
	s.t.Helper()
	_, err := s.reg.Put(context.Background(), key, []byte(value))
	require.NoError(s.t, err)
}

func (s *served) value(key string) string {
	s.t.Helper()
	e, err := s.reg.Get(context.Background(), key)
	if err != nil {
		require.ErrorIs(s.t, err, minikv.ErrNotFound)
		return ""
	}
	return string(e.Value)
}
