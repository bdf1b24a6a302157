package replica

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// Instant is a moment as the node sees it: the wall clock, which may jump, and
// a monotonic clock, which never goes back and need not agree with anyone's.
type Instant struct {
	Wall time.Time
	Mono time.Duration
}

// Config sets up a replica.
type Config struct {
	Peer      string        // this node's peer id
	Registry  string        // names the registry in session hellos; the same on all nodes
	Clock     *hlc.Clock    // shared by the registries of a node
	Rand      *rand.Rand    // mints actors, picks peers
	DigestKey []byte        // the same on all nodes of the registry
	Lock      sync.Locker   // guards the replica; nil when one thread runs everything
	Notify    func(Change)  // told of each change inside the step; must not call back. nil: nobody
	MaxKey    int           // bytes, default 1 KiB
	MaxValue  int           // bytes, default 1 MiB
	Retention time.Duration // how long tombstones are kept, default 7 days
	MaxBytes  int64         // that all entries may weigh, see lwwmap.Map.Weight; 0: no limit
	SyncEvery time.Duration // mean time between sessions with a random peer, default 30 s
}

// Defaults of [Config].
const (
	DefaultMaxKey    = 1 << 10
	DefaultMaxValue  = 1 << 20
	DefaultRetention = 7 * 24 * time.Hour
	DefaultSyncEvery = 30 * time.Second
)

func (c *Config) fill() {
	if c.MaxKey <= 0 {
		c.MaxKey = DefaultMaxKey
	}
	if c.MaxValue <= 0 {
		c.MaxValue = DefaultMaxValue
	}
	if c.Retention <= 0 {
		c.Retention = DefaultRetention
	}
	if c.SyncEvery <= 0 {
		c.SyncEvery = DefaultSyncEvery
	}
	c.MaxBytes = min(max(c.MaxBytes, 0), mostBytes)
	c.MaxKey, c.MaxValue = min(c.MaxKey, lwwmap.MaxKeyLen), min(c.MaxValue, lwwmap.MaxValueLen)
	if c.Lock == nil {
		c.Lock = noLock{}
	}
	if c.Notify == nil {
		c.Notify = func(Change) {}
	}
}

type noLock struct{}

func (noLock) Lock()   {}
func (noLock) Unlock() {}

// Change tells what became of one key. Now or Was may be zero.
type Change struct {
	Now, Was lwwmap.Record
	Local    bool          // written by this replica
	Expired  bool          // Was reached its expiry
	Dropped  bool          // a session took Was out on the peer's word
	Peer     string        // of Dropped: that peer's id
	Rival    lwwmap.Record // a live claim of another owner that Now, the held lease, has beaten
}
