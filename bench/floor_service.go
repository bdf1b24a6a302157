package main

import (
	"context"
	"encoding/binary"
	"io"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	floorTopic  = "floor"
	floorStream = "/minikv-bench/bulk"
	// floorOverhead is about what one put takes in a message of ours beside the value.
	floorOverhead = 80
)

// floorService is what the parent can ask a child that is a bare libp2p host with gossipsub on its defaults.
type floorService struct {
	host  host.Host
	topic *pubsub.Topic

	mu   sync.Mutex
	came [maxSingles]time.Time
	n    int // messages received in all
}

func (s *floorService) Close() error {
	if s.host == nil {
		return nil
	}
	return s.host.Close()
}

// Open starts the host on a loopback port.
func (s *floorService) Open(_ None, out *Identity) (err error) {
	if s.host, err = libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay(), libp2p.DisableMetrics()); err != nil {
		return err
	}
	ps, err := pubsub.NewGossipSub(context.Background(), s.host)
	if err != nil {
		return err
	}
	if s.topic, err = ps.Join(floorTopic); err != nil {
		return err
	}
	sub, err := s.topic.Subscribe()
	if err != nil {
		return err
	}
	go s.receive(sub)
	s.host.SetStreamHandler(floorStream, drain)
	*out = Identity{ID: s.host.ID().String(), Addr: s.host.Addrs()[0].String()}
	return nil
}

func (s *floorService) receive(sub *pubsub.Subscription) {
	for {
		m, err := sub.Next(context.Background())
		if err != nil {
			return
		}
		now := time.Now()
		i := binary.BigEndian.Uint64(m.Data)
		s.mu.Lock()
		s.n++
		if i < maxSingles {
			s.came[i] = now
		}
		s.mu.Unlock()
	}
}

// drain reads a stream to its end and answers with one byte.
func drain(st network.Stream) {
	defer st.Close()
	if _, err := io.Copy(io.Discard, st); err == nil {
		st.Write([]byte{1})
	}
}

func (s *floorService) Connect(to Identity, _ *None) error {
	id, err := peer.Decode(to.ID)
	if err != nil {
		return err
	}
	addr, err := ma.NewMultiaddr(to.Addr)
	if err != nil {
		return err
	}
	return s.host.Connect(context.Background(), peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{addr}})
}

// Warm publishes every 10 ms for a while: gossipsub forwards nothing before its mesh has formed.
func (s *floorService) Warm(_ None, _ *None) error {
	for range 200 {
		if err := s.publish(maxSingles, valueLen); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// Received is the number of messages so far, own ones included.
func (s *floorService) Received(_ None, out *int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	*out = s.n
	return nil
}

func (s *floorService) publish(i uint64, size int) error {
	m := make([]byte, size+floorOverhead)
	binary.BigEndian.PutUint64(m, i)
	return s.topic.Publish(context.Background(), m)
}

func (s *floorService) Expect(_ None, _ *None) error { return nil }

// Send publishes and says when each call began.
func (s *floorService) Send(load Singles, out *[]time.Time) error {
	for i := range load.Count {
		time.Sleep(load.Pause)
		*out = append(*out, time.Now())
		if err := s.publish(uint64(i), load.Size); err != nil {
			return err
		}
	}
	return nil
}

// Arrivals waits for all of them and says when each came.
func (s *floorService) Arrivals(load Singles, out *[]time.Time) error {
	for i := range load.Count {
		for {
			s.mu.Lock()
			t := s.came[i]
			s.mu.Unlock()
			if !t.IsZero() {
				*out = append(*out, t)
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// Bulk asks for bytes to be sent to a peer over one stream.
type Bulk struct {
	Peer  string
	Bytes int
}

// Bulk sends, and returns when the peer has read the last byte.
func (s *floorService) Bulk(ask Bulk, took *time.Duration) error {
	id, err := peer.Decode(ask.Peer)
	if err != nil {
		return err
	}
	start := time.Now()
	st, err := s.host.NewStream(context.Background(), id, floorStream)
	if err != nil {
		return err
	}
	defer st.Close()
	chunk := make([]byte, 64<<10)
	for left := ask.Bytes; left > 0; left -= len(chunk) {
		if _, err := st.Write(chunk[:min(left, len(chunk))]); err != nil {
			return err
		}
	}
	if err := st.CloseWrite(); err != nil {
		return err
	}
	_, err = io.ReadFull(st, chunk[:1])
	*took = time.Since(start)
	return err
}
