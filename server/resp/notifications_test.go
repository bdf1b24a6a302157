package resp_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/resp"
)

func TestKeyspaceNotifications(t *testing.T) {
	s := serve(t, resp.Config{})
	sub, c := s.dial(), s.dial()
	require.Equal(t, "[$subscribe, $__keyspace@0__:k, :1]", sub.do("SUBSCRIBE __keyspace@0__:k"))
	require.Equal(t, "[$psubscribe, $__keyevent@0__:*, :2]", sub.do("PSUBSCRIBE __keyevent@0__:*"))
	require.Equal(t, "[$pong, $]", sub.do("PING"))
	require.Equal(t, "[$pong, $hi]", sub.do("PING hi"))
	require.Equal(t, "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", sub.do("GET k"))

	both := func(event string) {
		t.Helper()
		require.Equal(t, "[$message, $__keyspace@0__:k, $"+event+"]", sub.answer())
		require.Equal(t, "[$pmessage, $__keyevent@0__:*, $__keyevent@0__:"+event+", $k]", sub.answer())
	}
	c.do("SET k v")
	both("set")
	c.do("SET other v")
	require.Equal(t, "[$pmessage, $__keyevent@0__:*, $__keyevent@0__:set, $other]", sub.answer())
	c.do("DEL k")
	both("del")
	s.put("k", "v") // by someone who is no client
	both("set")
	c.do("PEXPIRE k 20")
	both("set") // a new expiry is a write of the same value
	both("expired")

	require.Equal(t, "[$unsubscribe, $__keyspace@0__:k, :1]", sub.do("UNSUBSCRIBE"))
	require.Equal(t, "[$unsubscribe, nil, :1]", sub.do("UNSUBSCRIBE"))
	require.Equal(t, "[$punsubscribe, $nothing, :1]", sub.do("PUNSUBSCRIBE nothing"))
	require.Equal(t, "[$punsubscribe, $__keyevent@0__:*, :0]", sub.do("PUNSUBSCRIBE __keyevent@0__:*"))
	require.Equal(t, "nil", sub.do("GET k"), "it is a connection like any other again")
}

func TestSubscribeRefuses(t *testing.T) {
	c := serve(t, resp.Config{}).dial()
	c.walk([]step{
		{"SUBSCRIBE news", `~-ERR nothing is ever told on "news": channels are __keyspace@<db>__:<key>`},
		{"SUBSCRIBE __keyspace@0__:k __keyspace@x__:k", `~-ERR nothing is ever told on "__keyspace@x__:k"`},
		{"SUBSCRIBE __keyspace@3__:k", "-ERR database 3 is no registry here"},
		{"PSUBSCRIBE news.*", `~-ERR nothing is ever told on "news.*"`},
		{"PUBLISH news hi", "~-ERR PUBLISH is not offered: messages that are no change of a key"},
		{"UNSUBSCRIBE", "[$unsubscribe, nil, :0]"},
		{"GET k", "nil"},
		{"PSUBSCRIBE *", "[$psubscribe, $*, :1]"},
	})
}

// TestPush: in RESP3 a connection goes on with commands while it listens.
func TestPush(t *testing.T) {
	s := serve(t, resp.Config{})
	c := s.dial()
	c.do("HELLO 3")
	require.Equal(t, ">[$subscribe, $__keyspace@0__:k, :1]", c.do("SUBSCRIBE __keyspace@0__:k"))
	seen := map[string]int{}
	c.send("SET", "k", "v")
	c.send("GET", "k")
	for range 3 {
		seen[c.answer()]++
	}
	require.Equal(t, map[string]int{"+OK": 1, "$v": 1, ">[$message, $__keyspace@0__:k, $set]": 1}, seen)
	require.Contains(t, c.do("CLIENT LIST TYPE pubsub"), " sub=1 psub=0 ")
	require.Equal(t, "+RESET", c.do("RESET"))
	c.do("SET k w")
	require.Equal(t, "$w", c.do("GET k"), "no longer told of")
}

// TestOtherNodesAreHeard: a change made on another node is told like any other.
func TestOtherNodesAreHeard(t *testing.T) {
	ctx := context.Background()
	cfg := minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}}
	a, b := serveNode(t, "", cfg, resp.Config{}), serveNode(t, "", cfg, resp.Config{})
	_, err := a.node.Connect(ctx, b.node.Addrs()[0])
	require.NoError(t, err)
	sub, c := a.dial(), b.dial()
	require.Equal(t, "[$psubscribe, $__keyspace@0__:*, :1]", sub.do("PSUBSCRIBE __keyspace@0__:*"))
	require.Equal(t, "+OK", c.do("SET k v"))
	require.Equal(t, "[$pmessage, $__keyspace@0__:*, $__keyspace@0__:k, $set]", sub.answer())
	require.Equal(t, "$v", a.dial().do("GET k"))
	token := strings.TrimPrefix(c.do("LOCK k 60000"), "$")
	other := a.dial()
	require.Eventually(t, func() bool { return strings.HasPrefix(other.do("SET k w"), "-LOCKED ") }, patience, time.Millisecond)
	require.Contains(t, other.do("RENEW k %s 60000", token), "-LEASELOST renew default/k: the lease was not taken on this node")
	require.Equal(t, ":1", other.do("UNLOCK k %s", token))
}

// TestNotificationsDoNotSplitAnswers: an answer that is written in many parts has none in its midst.
func TestNotificationsDoNotSplitAnswers(t *testing.T) {
	s := serve(t, resp.Config{})
	c, w := s.dial(), s.dial()
	large := strings.Repeat("x", 100_000)
	for i := range 50 {
		s.put(fmt.Sprintf("large%d", i), large)
	}
	c.do("HELLO 3")
	c.do("PSUBSCRIBE __keyspace@0__:k*")
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				if _, err := w.nc.Write(encode("SET", fmt.Sprintf("k%d", i), "v")); err != nil {
					return
				}
				if _, err := readAnswer(w.r); err != nil {
					return
				}
			}
		}
	}()
	words := []string{"MGET"}
	for i := range 50 {
		words = append(words, fmt.Sprintf("large%d", i))
	}
	pushes := 0
	for range 20 {
		c.send(words...)
		for {
			got := c.answer()
			if strings.HasPrefix(got, ">[$pmessage") {
				pushes++
				continue
			}
			require.Len(t, got, 50*(100_000+3))
			break
		}
	}
	close(stop)
	<-done
	require.Positive(t, pushes)
}

// TestSubscribersOfAClosedRegistryAreSentAway: they would wait in vain.
func TestSubscribersOfAClosedRegistryAreSentAway(t *testing.T) {
	s := serve(t, resp.Config{})
	c := s.dial()
	c.do("PSUBSCRIBE *")
	require.NoError(t, s.node.DropRegistry(context.Background(), "default"))
	c.gone()
	require.Contains(t, s.dial().do("PSUBSCRIBE *"), "which is not open on this node")
}
