package main

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/resp"
)

// nodeService is what the parent can ask a child that is a minikv node. Its methods have the form that net/rpc asks for.
type nodeService struct {
	node   *minikv.Node
	reg    *minikv.Registry
	dir    string // "": in memory
	values valuePool
	resp   *resp.Server // nil: Redis clients are not served

	mu      sync.Mutex
	arrived map[string]time.Time
	load    *putLoad
}

func (s *nodeService) Close() error {
	if s.node == nil {
		return nil
	}
	if s.resp != nil {
		s.resp.Close()
	}
	err := s.node.Close()
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// Identity is how others find a node, and by which ticket they join its registry if that is private.
type Identity struct{ ID, Addr, Ticket string }

// OpenAsk says whether the node is to have a directory, and a private registry: of its own, or that of a ticket.
type OpenAsk struct {
	Durable, Private bool
	Ticket           string
}

// Open starts the node on a loopback port.
func (s *nodeService) Open(ask OpenAsk, out *Identity) (err error) {
	if ask.Durable {
		if s.dir, err = os.MkdirTemp("", "minikv-bench"); err != nil {
			return err
		}
	}
	s.node, err = minikv.Open(context.Background(), s.dir, minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	if err != nil {
		return err
	}
	*out = Identity{ID: string(s.node.ID()), Addr: s.node.Addrs()[0], Ticket: ask.Ticket}
	ctx := context.Background()
	switch {
	case ask.Ticket != "":
		s.reg, err = s.node.Join(ctx, ask.Ticket)
	case !ask.Private:
		s.reg, err = s.node.Registry(ctx, "bench", minikv.Public())
	default:
		if s.reg, err = s.node.Registry(ctx, "bench"); err == nil {
			out.Ticket, err = s.reg.Ticket(ctx, minikv.TicketOptions{Rights: minikv.RightsWrite})
		}
	}
	return err
}

func (s *nodeService) Connect(to Identity, _ *None) error {
	_, err := s.node.Connect(context.Background(), to.Addr)
	return err
}

// Disconnect parts for good, whoever dialled. It returns when the connection is down.
func (s *nodeService) Disconnect(from Identity, _ *None) error {
	err := s.node.Disconnect(context.Background(), minikv.PeerID(from.ID))
	if errors.Is(err, minikv.ErrNoPeer) {
		err = nil
	}
	for s.node.Metrics().PeersConnected > 0 {
		time.Sleep(time.Millisecond)
	}
	return err
}

// Fill says what to write: Keys keys of a seed, Writes times in all (each once if zero), in batches of Batch.
type Fill struct {
	Seed          uint64
	Keys          int
	Writes, Batch int
	Order         uint64 // not zero: shuffle by this
}

type Filled struct {
	Took time.Duration
	Root string
}

// Fill writes and says what the root is then.
func (s *nodeService) Fill(f Fill, out *Filled) error {
	keys := makeKeys(f.Seed, f.Keys)
	if f.Order != 0 {
		keys = shuffled(keys, f.Order)
	}
	writes := f.Writes
	if writes == 0 {
		writes = len(keys)
	}
	start := time.Now()
	if err := s.write(keys, writes, f.Batch); err != nil {
		return err
	}
	out.Took = time.Since(start)
	return s.Root(None{}, &out.Root)
}

func (s *nodeService) write(keys []string, writes, size int) error {
	ctx := context.Background()
	batch := s.reg.NewBatch()
	for i := range writes {
		key, value := keys[i%len(keys)], s.values.at(i)
		if size <= 1 {
			if _, err := s.reg.Put(ctx, key, value); err != nil {
				return err
			}
			continue
		}
		batch.Put(key, value)
		if batch.Len() == size || i == writes-1 {
			if _, err := batch.Commit(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *nodeService) Root(_ None, out *string) error {
	r := s.reg.Root()
	*out = hex.EncodeToString(r[:])
	return nil
}

// AwaitRoot returns when the root is want, looking every 200 us.
func (s *nodeService) AwaitRoot(want string, _ *None) error {
	for {
		if r := s.reg.Root(); hex.EncodeToString(r[:]) == want {
			return nil
		}
		time.Sleep(200 * time.Microsecond)
	}
}

func (s *nodeService) AwaitSynced(peers int, _ *None) error {
	return s.reg.WaitSynced(context.Background(), peers)
}

// SyncAsk asks for an exchange with a peer; Wait: keep trying until it has joined the registry.
type SyncAsk struct {
	Peer string
	Wait bool
}

func (s *nodeService) Sync(ask SyncAsk, out *minikv.SyncStats) error {
	for {
		stats, err := s.reg.SyncPeer(context.Background(), minikv.PeerID(ask.Peer))
		if ask.Wait && errors.Is(err, minikv.ErrNoPeer) {
			runtime.Gosched()
			continue
		}
		*out = stats
		return err
	}
}

// CPU is what the process has used of all cores so far; zero where the system does not tell.
func (s *nodeService) CPU(_ None, out *time.Duration) error {
	*out, _ = cpuTime()
	return nil
}

func (s *nodeService) Metrics(_ None, out *minikv.Metrics) error {
	*out = s.reg.Metrics()
	return nil
}
