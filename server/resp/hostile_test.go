package resp_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/server/resp"
)

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestAnnouncedGigabytes: a client that announces 2 GB is sent away, and many that announce what is allowed and send
// nothing cost next to nothing.
func TestAnnouncedGigabytes(t *testing.T) {
	s := serve(t, resp.Config{})
	c := s.dial()
	c.raw("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2147483648\r\n")
	require.Equal(t, "-ERR Protocol error: invalid bulk length", c.answer())
	c.gone()

	before := heap()
	var all []*client
	for range 100 {
		c := s.dial()
		c.raw("*200001\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\n")
		all = append(all, c)
	}
	last := all[99]
	require.Eventually(t, func() bool { return s.clientCount() == 100 }, patience, time.Millisecond)
	require.Less(t, int64(heap())-int64(before), int64(100*32<<10))
	last.nc.Close()
}

// clientCount asks on a connection of its own, which it leaves out.
func (s *served) clientCount() int {
	c := s.dial()
	defer c.nc.Close()
	return strings.Count(c.do("CLIENT LIST"), "\n") - 1
}

// TestHalfACommand: whoever begins a command has to get on with it; whoever has not may wait.
func TestHalfACommand(t *testing.T) {
	s := serve(t, resp.Config{SlowTimeout: 100 * time.Millisecond})
	quiet, slow := s.dial(), s.dial()
	require.Equal(t, "+PONG", quiet.do("PING"))
	slow.raw("*2\r\n$3\r\nGET\r\n")
	began := time.Now()
	slow.gone()
	require.Greater(t, time.Since(began), 100*time.Millisecond)
	require.Equal(t, "+PONG", quiet.do("PING"))
	require.Contains(t, quiet.do("INFO stats"), "client_slow_disconnections:1\r\n")
}

// TestByteByByte: a dribble is no progress.
func TestByteByByte(t *testing.T) {
	s := serve(t, resp.Config{SlowTimeout: 200 * time.Millisecond})
	c := s.dial()
	c.raw("*2\r\n$3\r\nGET\r\n$1000\r\n")
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		require.Less(t, n, 900, "it was not sent away")
		<-tick.C
		if _, err := io.WriteString(c.nc, "k"); err != nil {
			return
		}
	}
}

// TestStrangersMayNotStay: without the password a connection lasts as long as a slow client may take.
func TestStrangersMayNotStay(t *testing.T) {
	s := serve(t, resp.Config{Password: "secret", SlowTimeout: 100 * time.Millisecond})
	known, stranger := s.dial(), s.dial()
	require.Equal(t, "+OK", known.do("AUTH secret"))
	stranger.gone()
	require.Equal(t, "+PONG", known.do("PING"))
}

func TestIdle(t *testing.T) {
	s := serve(t, resp.Config{IdleTimeout: 100 * time.Millisecond})
	c, sub := s.dial(), s.dial()
	sub.do("PSUBSCRIBE *")
	c.gone()
	require.Equal(t, "[$pong, $]", sub.do("PING"), "who listens is not idle")
}

// TestTooManyClients: 10,000 over the limit are told so, and the others go on.
func TestTooManyClients(t *testing.T) {
	s := serve(t, resp.Config{MaxClients: 10})
	var in []*client
	for range 10 {
		c := s.dial()
		require.Equal(t, "+PONG", c.do("PING"))
		in = append(in, c)
	}
	before := runtime.NumGoroutine()
	const over = 10_000
	for range over {
		nc, err := net.Dial("tcp", s.addr)
		require.NoError(t, err)
		require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
		got, err := io.ReadAll(nc)
		if err == nil { // else the answer was lost to a reset
			require.Equal(t, "-ERR max number of clients reached\r\n", string(got))
		}
		nc.Close()
	}
	require.Less(t, runtime.NumGoroutine(), before+50)
	require.Contains(t, in[0].do("INFO stats"), fmt.Sprintf("rejected_connections:%d\r\n", over))
	require.Equal(t, "+PONG", in[9].do("PING"))
	in[9].nc.Close()
	require.Eventually(t, func() bool {
		nc, err := net.Dial("tcp", s.addr)
		if err != nil {
			return false
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(patience))
		_, _ = nc.Write(encode("PING"))
		b := make([]byte, 7)
		_, err = io.ReadFull(nc, b)
		return err == nil && string(b) == "+PONG\r\n"
	}, patience, time.Millisecond, "there is room again")
}

// TestWhoDoesNotReadIsSentAway: answers do not pile up for a client that asks and never reads.
func TestWhoDoesNotReadIsSentAway(t *testing.T) {
	s := serve(t, resp.Config{SlowTimeout: 200 * time.Millisecond})
	s.put("large", strings.Repeat("x", 1<<20))
	before := heap()
	c := s.dial()
	ask := strings.Repeat(string(encode("GET", "large")), 100)
	for range 100 {
		if _, err := io.WriteString(c.nc, ask); err != nil {
			break
		}
	}
	require.Eventually(t, func() bool { return s.clientCount() == 0 }, patience, 10*time.Millisecond)
	require.Less(t, int64(heap())-int64(before), int64(8<<20))
}

// TestASlowSubscriberIsSentAway: when it leaves too much waiting; writers do not wait for it.
func TestASlowSubscriberIsSentAway(t *testing.T) {
	s := serve(t, resp.Config{MaxBacklog: 1 << 20})
	sub := s.dial()
	sub.do("PSUBSCRIBE *")
	key := strings.Repeat("k", 1000)
	w := s.dial()
	for i := 0; !strings.Contains(w.do("INFO stats"), "client_output_buffer_limit_disconnections:1\r\n"); i++ {
		require.Less(t, i, 10_000)
		var in strings.Builder
		for j := range 100 {
			in.Write(encode("SET", fmt.Sprintf("%s%d", key, j), "v"))
		}
		w.raw(in.String())
		for range 100 {
			require.Equal(t, "+OK", w.answer())
		}
	}
	sub.gone()
}

// TestWebPagesAreKeptOut: a browser can be made to send a request to any address; its lines are no commands.
func TestWebPagesAreKeptOut(t *testing.T) {
	s := serve(t, resp.Config{})
	for _, in := range []string{
		"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET k v\r\n",
		"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET k v\r\n",
	} {
		c := s.dial()
		c.raw(in)
		c.gone()
	}
	require.Empty(t, s.value("k"))
	c := serve(t, resp.Config{Password: "secret"}).dial()
	c.raw("POST / HTTP/1.1\r\n")
	c.gone()
}
