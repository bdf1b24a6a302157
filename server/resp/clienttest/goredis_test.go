package clienttest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/resp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// start runs a server, and returns a client of it that speaks a protocol.
func start(t *testing.T, proto int) (*redis.Client, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	node, err := minikv.Open(ctx, "", minikv.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, node.Close()) })
	_, err = node.Registry(ctx, "default", minikv.Public())
	require.NoError(t, err)
	s, err := resp.New(node, resp.Config{Password: "secret"})
	require.NoError(t, err)
	l, err := resp.Listen(ctx, "127.0.0.1:0", "secret")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, <-ended)
	})
	c := redis.NewClient(&redis.Options{Addr: l.Addr().String(), Password: "secret", Protocol: proto, ClientName: "test"})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c, ctx
}

// both runs a test under RESP2 and RESP3.
func both(t *testing.T, test func(t *testing.T, c *redis.Client, ctx context.Context)) {
	for _, proto := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", proto), func(t *testing.T) {
			c, ctx := start(t, proto)
			test(t, c, ctx)
		})
	}
}

func TestGoRedis(t *testing.T) {
	both(t, func(t *testing.T, c *redis.Client, ctx context.Context) {
		require.NoError(t, c.Ping(ctx).Err())
		require.NoError(t, c.Set(ctx, "k", "v", time.Minute).Err())
		require.Equal(t, "v", c.Get(ctx, "k").Val())
		require.ErrorIs(t, c.Get(ctx, "absent").Err(), redis.Nil)
		require.InDelta(t, time.Minute, c.TTL(ctx, "k").Val(), float64(2*time.Second))
		require.NoError(t, c.Set(ctx, "k", "w", redis.KeepTTL).Err())
		require.Positive(t, c.PTTL(ctx, "k").Val())
		require.Equal(t, "w", c.GetEx(ctx, "k", time.Hour).Val())
		require.True(t, c.ExpireGT(ctx, "k", 2*time.Hour).Val())
		require.False(t, c.ExpireNX(ctx, "k", 2*time.Hour).Val())
		require.True(t, c.Persist(ctx, "k").Val())
		at := time.Now().Add(time.Hour).Truncate(time.Second)
		require.True(t, c.ExpireAt(ctx, "k", at).Val())
		require.Equal(t, time.Duration(at.Unix())*time.Second, c.ExpireTime(ctx, "k").Val())
		require.Equal(t, "w", c.SetArgs(ctx, "k", "x", redis.SetArgs{Get: true, KeepTTL: true}).Val())
		require.Equal(t, "x", c.GetDel(ctx, "k").Val())
		require.NoError(t, c.MSet(ctx, "a", 1, "b", 2).Err())
		require.Equal(t, []any{"1", nil, "2"}, c.MGet(ctx, "a", "absent", "b").Val())
		require.EqualValues(t, 2, c.Exists(ctx, "a", "b", "absent").Val())
		require.EqualValues(t, 2, c.Del(ctx, "a", "b", "absent").Val())
		require.EqualValues(t, 0, c.DBSize(ctx).Val())
		require.Equal(t, "test", c.ClientGetName(ctx).Val())
		info, err := c.ClientInfo(ctx).Result()
		require.NoError(t, err)
		require.Equal(t, "test", info.Name)
		require.Contains(t, info.LibName, "go-redis")
		require.Contains(t, c.Info(ctx, "server").Val(), "server_name:minikv")
		require.Equal(t, map[string]string{"databases": "16"}, c.ConfigGet(ctx, "databases").Val())
		commands, err := c.Command(ctx).Result()
		require.NoError(t, err)
		require.EqualValues(t, -3, commands["set"].Arity)
	})
}

func TestGoRedisRefused(t *testing.T) {
	both(t, func(t *testing.T, c *redis.Client, ctx context.Context) {
		require.ErrorContains(t, c.SetNX(ctx, "k", "v", 0).Err(), "not offered: each node would decide by what it knows")
		require.ErrorContains(t, c.Incr(ctx, "k").Err(), "INCR is not offered")
		require.ErrorContains(t, c.LPush(ctx, "k", "v").Err(), "LPUSH is not offered")
		_, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.Set(ctx, "k", "v", 0).Err() })
		require.Error(t, err)
		require.ErrorContains(t, c.Eval(ctx, "return 1", nil).Err(), "EVAL")
		require.ErrorIs(t, c.Get(ctx, "absent").Err(), redis.Nil, "the connections go on")
	})
}

func TestGoRedisPipelineAndScan(t *testing.T) {
	both(t, func(t *testing.T, c *redis.Client, ctx context.Context) {
		const n = 2500
		var want []string
		_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range n {
				key := fmt.Sprintf("key:%04d", i)
				want = append(want, key)
				p.Set(ctx, key, i, 0)
			}
			return nil
		})
		require.NoError(t, err)
		var got []string
		for it := c.Scan(ctx, 0, "key:*", 100).Iterator(); it.Next(ctx); {
			got = append(got, it.Val())
		}
		slices.Sort(got)
		require.Equal(t, want, got)
	})
}

func TestGoRedisManyAtOnce(t *testing.T) {
	both(t, func(t *testing.T, c *redis.Client, ctx context.Context) {
		var wg sync.WaitGroup
		for g := range 20 {
			wg.Go(func() {
				for i := range 100 {
					key := fmt.Sprintf("%d:%d", g, i)
					if c.Set(ctx, key, i, 0).Err() != nil || c.Get(ctx, key).Val() != fmt.Sprint(i) {
						t.Errorf("%s is not what was set", key)
						return
					}
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 2000, c.DBSize(ctx).Val())
	})
}

func TestGoRedisNotifications(t *testing.T) {
	both(t, func(t *testing.T, c *redis.Client, ctx context.Context) {
		sub := c.PSubscribe(ctx, "__keyspace@0__:user:*")
		defer sub.Close()
		_, err := sub.Receive(ctx)
		require.NoError(t, err)
		require.NoError(t, c.Set(ctx, "user:1", "v", 0).Err())
		msg, err := sub.ReceiveMessage(ctx)
		require.NoError(t, err)
		require.Equal(t, "__keyspace@0__:user:1", msg.Channel)
		require.Equal(t, "set", msg.Payload)
	})
}

func TestGoRedisLocks(t *testing.T) {
	both(t, func(t *testing.T, c *redis.Client, ctx context.Context) {
		token, err := c.Do(ctx, "LOCK", "job", 60_000).Text()
		require.NoError(t, err)
		err = c.Set(ctx, "job", "theirs", 0).Err()
		require.True(t, redis.HasErrorPrefix(err, "LOCKED"), "%v", err)
		require.NoError(t, c.Do(ctx, "UNDER", token, "SET", "job", "mine", "EX", 10).Err())
		require.NoError(t, c.Do(ctx, "RENEW", "job", token, 60_000).Err())
		require.NoError(t, c.Do(ctx, "UNLOCK", "job", token).Err())
		err = c.Do(ctx, "UNLOCK", "job", token).Err()
		require.True(t, strings.HasPrefix(err.Error(), "LEASELOST "), "%v", err)
		require.Equal(t, "mine", c.Get(ctx, "job").Val())
	})
}

func TestGoRedisWrongPassword(t *testing.T) {
	c, ctx := start(t, 3)
	o := *c.Options()
	o.Password = "wrong"
	wrong := redis.NewClient(&o)
	defer wrong.Close()
	err := wrong.Ping(ctx).Err()
	require.ErrorContains(t, err, "WRONGPASS")
	require.False(t, errors.Is(err, redis.Nil))
}
