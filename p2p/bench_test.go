package p2p_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

// A link is a pair of hosts, one publishing, one receiving.
type link struct {
	name     string
	publish  func([]byte) error
	received chan int64 // unix nanoseconds at which a message came; its index is in the message
	count    *atomic.Int64
	index    *atomic.Int64
}

func listenOn(transport string) []string {
	if transport == "quic" {
		return loopback[1:]
	}
	return loopback[:1]
}

// signedLink is two Hosts of this package.
func signedLink(t testing.TB, transport string) link {
	a := newHost(t, func(c *p2p.Config) { c.Listen = listenOn(transport) })
	b := newHost(t, func(c *p2p.Config) { c.Listen = listenOn(transport) })
	l := link{name: "minikv", received: make(chan int64, 1<<16), count: new(atomic.Int64), index: new(atomic.Int64)}
	ta := join(t, a, "bench", func(p2p.Message) p2p.Verdict { return p2p.Accept })
	tb := join(t, b, "bench", func(m p2p.Message) p2p.Verdict {
		l.came(m.Data)
		return p2p.Accept
	})
	connect(t, a, b)
	meet(t, 1, ta, tb)
	l.publish = func(data []byte) error { return ta.Publish(context.Background(), data) }
	return l
}

// bareLink is two libp2p hosts with gossipsub as it comes, every message signed.
func bareLink(t testing.TB, transport string, opts ...pubsub.Option) link {
	l := link{name: "bare", received: make(chan int64, 1<<16), count: new(atomic.Int64), index: new(atomic.Int64)}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	var topics []*pubsub.Topic
	var infos []peer.AddrInfo
	for i := range 2 {
		h, err := libp2p.New(libp2p.ListenAddrStrings(listenOn(transport)...), libp2p.DisableRelay(), libp2p.DisableMetrics())
		require.NoError(t, err)
		t.Cleanup(func() { _ = h.Close() })
		ps, err := pubsub.NewGossipSub(ctx, h, opts...)
		require.NoError(t, err)
		tp, err := ps.Join("bench")
		require.NoError(t, err)
		sub, err := tp.Subscribe(pubsub.WithBufferSize(4096))
		require.NoError(t, err)
		topics = append(topics, tp)
		if i == 1 {
			go func() {
				for {
					m, err := sub.Next(ctx)
					if err != nil {
						return
					}
					l.came(m.Data)
				}
			}()
			require.NoError(t, h.Connect(ctx, infos[0]))
		} else {
			go func() {
				for _, err := sub.Next(ctx); err == nil; _, err = sub.Next(ctx) {
				}
			}()
		}
		infos = append(infos, peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()})
	}
	require.Eventually(t, func() bool { return len(topics[0].ListPeers()) == 1 }, patience, time.Millisecond)
	l.publish = func(data []byte) error { return topics[0].Publish(ctx, data) }
	// The mesh is there from the next heartbeat on.
	require.Eventually(t, func() bool {
		require.NoError(t, l.publish(make([]byte, 16)))
		return l.count.Load() > 0
	}, patience, 50*time.Millisecond)
	for l.count.Swap(0) > 0 {
		time.Sleep(50 * time.Millisecond)
	}
	for len(l.received) > 0 {
		<-l.received
	}
	return l
}

func (l link) came(data []byte) {
	now := time.Now().UnixNano()
	l.count.Add(1)
	select {
	case l.received <- now - int64(binary.BigEndian.Uint64(data)):
	default:
	}
}

func (l link) stamp(data []byte) {
	binary.BigEndian.PutUint64(data, uint64(time.Now().UnixNano()))
	binary.BigEndian.PutUint64(data[8:], uint64(l.index.Add(1)))
}

// latency publishes one message at a time and returns how long they took.
func (l link) latency(t testing.TB, size, n int) time.Duration {
	data := make([]byte, size)
	l.stamp(data)
	require.NoError(t, l.publish(data))
	select {
	case ns := <-l.received:
		return time.Duration(ns)
	case <-time.After(patience):
		require.FailNow(t, "message lost", l.name)
		return 0
	}
}

func quantiles(d []time.Duration) (p50, p99 time.Duration) {
	slices.Sort(d)
	return d[len(d)/2], d[len(d)*99/100]
}

// BenchmarkLatency measures publish to handler at about 300 messages per second,
// alternating between the two kinds of link so that noise hits both.
func BenchmarkLatency(b *testing.B) {
	for _, transport := range []string{"tcp", "quic"} {
		for _, size := range []int{256, 4 << 10, 16 << 10} {
			b.Run(fmt.Sprintf("%s/%dB", transport, size), func(b *testing.B) {
				links := []link{signedLink(b, transport), bareLink(b, transport)}
				took := make([][]time.Duration, len(links))
				for range 50 { // warm up
					for _, l := range links {
						l.latency(b, size, 1)
					}
				}
				for b.Loop() {
					for _, i := range rand.Perm(len(links)) {
						took[i] = append(took[i], links[i].latency(b, size, 1))
						time.Sleep(time.Millisecond + rand.N(time.Millisecond))
					}
				}
				for i, l := range links {
					p50, p99 := quantiles(took[i])
					b.ReportMetric(float64(p50.Microseconds()), l.name+"-p50-µs")
					b.ReportMetric(float64(p99.Microseconds()), l.name+"-p99-µs")
				}
			})
		}
	}
}

// BenchmarkThroughput publishes freely; the clock runs until all came, or no more do.
// bare4096 is gossipsub with queues as long as ours.
func BenchmarkThroughput(b *testing.B) {
	long := []pubsub.Option{pubsub.WithPeerOutboundQueueSize(4096), pubsub.WithValidateQueueSize(4096)}
	for _, transport := range []string{"tcp", "quic"} {
		for _, size := range []int{1 << 10, 16 << 10, 64 << 10, 256 << 10} {
			name := fmt.Sprintf("%s/%dKiB/", transport, size>>10)
			b.Run(name+"minikv", func(b *testing.B) { throughput(b, signedLink(b, transport), size) })
			b.Run(name+"bare", func(b *testing.B) { throughput(b, bareLink(b, transport), size) })
			b.Run(name+"bare4096", func(b *testing.B) { throughput(b, bareLink(b, transport, long...), size) })
		}
	}
}

func throughput(b *testing.B, l link, size int) {
	data := make([]byte, size)
	b.ResetTimer()
	begun := time.Now()
	for range b.N {
		l.stamp(data)
		require.NoError(b, l.publish(slices.Clone(data)))
	}
	last, came := int64(0), time.Now()
	for last < int64(b.N) && time.Since(came) < 300*time.Millisecond {
		if c := l.count.Load(); c != last {
			last, came = c, time.Now()
		}
		time.Sleep(50 * time.Microsecond)
	}
	b.StopTimer()
	b.ReportMetric(float64(last)*float64(size)/1e6/came.Sub(begun).Seconds(), "MB/s")
	b.ReportMetric(100*float64(int64(b.N)-last)/float64(b.N), "%lost")
}

// BenchmarkStreamEcho is a frame there and back on an open stream.
func BenchmarkStreamEcho(b *testing.B) {
	for _, transport := range []string{"tcp", "quic"} {
		for _, size := range []int{100, 16 << 10} {
			b.Run(fmt.Sprintf("%s/%dB", transport, size), func(b *testing.B) {
				s := openTo(b, transport, echo)
				data := make([]byte, size)
				b.SetBytes(int64(size))
				for b.Loop() {
					require.NoError(b, s.WriteFrame(data))
					_, err := s.ReadFrame(size)
					require.NoError(b, err)
				}
			})
		}
	}
}

// BenchmarkStreamOpen is a new stream, a frame there and back, and its end.
func BenchmarkStreamOpen(b *testing.B) {
	for _, transport := range []string{"tcp", "quic"} {
		b.Run(transport, func(b *testing.B) {
			x, y := pair(b, transport)
			y.Serve("/bench/1", echo)
			data := make([]byte, 100)
			for b.Loop() {
				s, err := x.Open(b.Context(), y.ID(), "/bench/1")
				require.NoError(b, err)
				require.NoError(b, s.WriteFrame(data))
				_, err = s.ReadFrame(len(data))
				require.NoError(b, err)
				require.NoError(b, s.CloseWrite())
				_, err = s.ReadFrame(1)
				require.ErrorIs(b, err, io.EOF)
				require.NoError(b, s.Close())
			}
		})
	}
}

// BenchmarkStreamBulk is frames one way.
func BenchmarkStreamBulk(b *testing.B) {
	for _, transport := range []string{"tcp", "quic"} {
		for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%dKiB", transport, size>>10), func(b *testing.B) {
				done := make(chan struct{})
				s := openTo(b, transport, func(s *p2p.Stream) {
					defer close(done)
					for {
						if _, err := s.ReadFrame(size); err != nil {
							return
						}
					}
				})
				data := make([]byte, size)
				b.SetBytes(int64(size))
				b.ResetTimer()
				for range b.N {
					require.NoError(b, s.WriteFrame(data))
				}
				require.NoError(b, s.CloseWrite())
				<-done
			})
		}
	}
}

func pair(b testing.TB, transport string) (x, y *p2p.Host) {
	x = newHost(b, func(c *p2p.Config) { c.Listen = listenOn(transport) })
	y = newHost(b, func(c *p2p.Config) { c.Listen = listenOn(transport) })
	connect(b, x, y)
	return x, y
}

func openTo(b testing.TB, transport string, handle func(*p2p.Stream)) *p2p.Stream {
	x, y := pair(b, transport)
	y.Serve("/bench/1", handle)
	s, err := x.Open(b.Context(), y.ID(), "/bench/1")
	require.NoError(b, err)
	b.Cleanup(s.Reset)
	return s
}
