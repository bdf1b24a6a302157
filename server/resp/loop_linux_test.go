package resp_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/resp"
)

// inLoops waits until so many connections are served by loops.
func (s *served) inLoops(n int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.s.InLoops() == n }, patience, time.Millisecond)
}

// TestLeavingALoop: a command that may take long is run by a goroutine of its own, after what came before it and before
// what came behind.
func TestLeavingALoop(t *testing.T) {
	s := serveLoops(t, 1, "", minikv.Config{}, resp.Config{})
	c, stays := s.dial(), s.dial()
	require.Equal(t, "+OK", stays.do("SET other 1"))
	require.Equal(t, "+OK", c.do("SET k 1"))
	s.inLoops(2)
	var in strings.Builder
	for _, command := range []string{"SET k 2", "SET k 3", "KEYS k*", "GET k", "SET k 4", "LOCK l 1000", "GET k", "SET k 5", "SET k2 5", "KEYS k*", "PING"} {
		in.Write(encode(strings.Fields(command)...))
	}
	c.raw(in.String())
	for _, want := range []string{"+OK", "+OK", "[$k]", "$3", "+OK", "", "$4", "+OK", "+OK", "[$k, $k2]", "+PONG"} {
		if got := c.answer(); want != "" {
			require.Equal(t, want, got)
		}
	}
	s.inLoops(1)
	require.Equal(t, "$5", c.do("GET k"), "goes on")
	require.Equal(t, "$5", stays.do("GET k"))
	require.Equal(t, ":1", c.do("DEL k"))
}

// TestARunOfManyClients: SETs of clients that come at once are one batch, and each client has its own answers, errors
// included.
func TestARunOfManyClients(t *testing.T) {
	s := serveLoops(t, 1, "", minikv.Config{MaxValueLen: 1000}, resp.Config{MaxValue: 1000})
	const clients, rounds = 20, 30
	var wg sync.WaitGroup
	for i := range clients {
		c := s.dial()
		wg.Go(func() {
			for round := range rounds {
				var in strings.Builder
				long := round%3 == 0 && i%4 == 0
				for j := range 5 {
					value := fmt.Sprintf("%d-%d-%d", i, round, j)
					if long && j == 2 {
						value = strings.Repeat("x", 1500)
					}
					in.Write(encode("SET", fmt.Sprintf("k%d", i), value))
				}
				in.Write(encode("GET", fmt.Sprintf("k%d", i)))
				c.raw(in.String())
				for j := range 5 {
					answer := c.answer()
					if long && j == 2 {
						require.Contains(t, answer, "-TOOLARGE")
						continue
					}
					require.Equal(t, "+OK", answer)
				}
				require.Equal(t, fmt.Sprintf("$%d-%d-4", i, round), c.answer())
			}
		})
	}
	wg.Wait()
	s.inLoops(clients)
}

// TestARunThatFails: where a batch of several clients' SETs cannot be written each is tried alone, and each client told
// what became of its own.
func TestARunThatFails(t *testing.T) {
	s := serveLoops(t, 1, "", minikv.Config{}, resp.Config{})
	held, err := s.reg.TryLock(context.Background(), "held", minikv.TTL(time.Minute), minikv.NoRenew())
	require.NoError(t, err)
	var wg sync.WaitGroup
	for i := range 10 {
		c := s.dial()
		wg.Go(func() {
			for range 30 {
				c.raw(string(encode("SET", fmt.Sprintf("a%d", i), "1")) + string(encode("SET", "held", "1")) + string(encode("SET", fmt.Sprintf("b%d", i), "2")))
				require.Equal(t, "+OK", c.answer())
				require.Contains(t, c.answer(), "-LOCKED")
				require.Equal(t, "+OK", c.answer())
				require.Equal(t, "$1", c.do("GET a%d", i))
				require.Equal(t, "$2", c.do("GET b%d", i))
				require.Equal(t, "nil", c.do("GET held"))
			}
		})
	}
	wg.Wait()
	s.inLoops(10)
	require.NoError(t, held.Unlock(context.Background()))
}

// TestOneWhoDoesNotRead keeps nobody else of its loop waiting, and has its answers when it reads after all.
func TestOneWhoDoesNotRead(t *testing.T) {
	s := serveLoops(t, 1, "", minikv.Config{}, resp.Config{})
	value := strings.Repeat("x", 900_000)
	s.put("large", value)
	lazy, other := s.dial(), s.dial()
	require.Equal(t, "+PONG", lazy.do("PING"))
	require.Equal(t, "+PONG", other.do("PING"))
	s.inLoops(2)
	const asked = 40
	lazy.raw(strings.Repeat(string(encode("GET", "large")), asked))
	s.inLoops(1)
	require.Equal(t, "+OK", other.do("SET k v"))
	for range asked {
		require.Equal(t, "$"+value, lazy.answer())
	}
	require.Equal(t, "$v", lazy.do("GET k"))
}

// TestClosingWithLoops: what has come is answered, then the connection ends.
func TestClosingWithLoops(t *testing.T) {
	s := serveLoops(t, 2, "", minikv.Config{}, resp.Config{})
	var all []*client
	for range 10 {
		c := s.dial()
		require.Equal(t, "+PONG", c.do("PING"))
		all = append(all, c)
	}
	s.inLoops(10)
	for i, c := range all {
		c.send("SET", fmt.Sprintf("k%d", i), "v")
	}
	require.NoError(t, s.s.Close())
	for i, c := range all {
		answer, err := readAnswer(c.r)
		if err == nil { // it had come before the server was closed
			require.Equal(t, "+OK", answer)
			require.Equal(t, "v", s.value(fmt.Sprintf("k%d", i)))
		}
		c.gone()
	}
}

// TestComingAndGoing: a loop forgets those that leave, in whatever way.
func TestComingAndGoing(t *testing.T) {
	s := serveLoops(t, 2, "", minikv.Config{}, resp.Config{})
	stays := s.dial()
	require.Equal(t, "+PONG", stays.do("PING"))
	for i := range 100 {
		c := s.dial()
		require.Equal(t, "+PONG", c.do("PING"))
		switch i % 4 {
		case 0:
			c.nc.Close()
		case 1:
			require.Equal(t, "+OK", c.do("QUIT"))
			c.gone()
		case 2:
			require.NoError(t, c.nc.(*net.TCPConn).SetLinger(0)) // with a reset
			c.raw("*1\r\n$4\r\nPI")
			c.nc.Close()
		case 3:
			c.raw("*1\r\nx")
			require.Contains(t, c.answer(), "-ERR Protocol error")
			c.gone()
		}
	}
	s.inLoops(1)
	require.Contains(t, stays.do("INFO clients"), "connected_clients:1\r\n")
}
