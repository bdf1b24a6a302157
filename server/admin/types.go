package admin

import "time"

// Status is what `minikv status` shows.
type Status struct {
	Node       string     `json:"node"` // peer id
	Name       string     `json:"name,omitempty"`
	Version    string     `json:"version"`
	Started    time.Time  `json:"started"`
	Addrs      []string   `json:"addrs"` // multiaddrs with the peer id
	Admin      string     `json:"admin"`
	Discovery  string     `json:"discovery"`
	Storage    string     `json:"storage"` // "memory"
	Registries []Registry `json:"registries"`
	Peers      []Peer     `json:"peers"`
	Metrics    Metrics    `json:"metrics"`
}

// Registry is one open registry of a node.
type Registry struct {
	Name       string `json:"name"`
	Public     bool   `json:"public"`
	Keys       int    `json:"keys"`       // present ones
	Tombstones int    `json:"tombstones"` // deletes not yet collected
	Root       string `json:"root"`       // digest: equal on two nodes that hold the same
}

// Peer is another node, as this one knows it.
type Peer struct {
	ID        string     `json:"id"`
	Addrs     []string   `json:"addrs"`
	Connected bool       `json:"connected"`
	LastSync  *time.Time `json:"last_sync"`  // null: never
	ClockSkew Duration   `json:"clock_skew"` // its clock minus ours
}

// Metrics counts since the start of the node.
type Metrics struct {
	Puts    uint64 `json:"puts"`
	Merges  uint64 `json:"merges"`
	Refused uint64 `json:"refused"`
	Expired uint64 `json:"expired"`
}

// PutParams are the options of one put. The zero value is a plain put.
type PutParams struct {
	TTL     time.Duration // zero: the registry's default
	Persist bool          // no expiry, whatever the registry's default
	Token   string        // write under this lease
	Lock    bool          // take the lock in the same step
	LockTTL time.Duration // of that lock; default 15 s
}

// PutResult is the answer to a put.
type PutResult struct {
	Key      Key       `json:"-"`
	Revision string    `json:"revision"`
	Time     time.Time `json:"time"`
	Lock     *Lock     `json:"lock"` // of a put that locked
}

// TTLResult is the answer to a question for a key's time to live.
type TTLResult struct {
	TTL     *Duration  `json:"ttl"` // null: it does not expire
	Expires *time.Time `json:"expires"`
}

// BatchResult says what became of the records of one batch.
type BatchResult struct {
	Written   int `json:"written"`
	Unchanged int `json:"unchanged"` // the same value was there already
	Expired   int `json:"expired"`   // their time was over before they arrived
}

// LockParams are the options of a lock.
type LockParams struct {
	TTL  time.Duration // of the lease; default 15 s
	Wait time.Duration // how long to wait for another holder; zero: do not wait
}

// HoldEvent is one line of a held lock's stream.
type HoldEvent struct {
	State  string   `json:"state"` // "held" (at first and after each renewal), "lost"
	Lock   *Lock    `json:"lock,omitempty"`
	Left   Duration `json:"left,omitzero"` // of the lease, now
	Reason string   `json:"reason,omitempty"`
}

// Kinds of an [Event].
const (
	EventPut    = "put"
	EventDelete = "delete"
	EventExpire = "expire"
	EventSynced = "synced" // the present entries are through; changes follow
)

// Event is one line of a watch.
type Event struct {
	Kind  string `json:"kind"`
	Local bool   `json:"local,omitempty"` // written on this node
	Entry *Entry `json:"entry,omitempty"` // nil for EventSynced
}

// SyncResult is what one session with one peer did.
type SyncResult struct {
	Registry string   `json:"registry,omitempty"`
	Peer     string   `json:"peer"`
	Sent     int      `json:"sent"`     // entries
	Received int      `json:"received"` // entries
	Refused  int      `json:"refused"`  // entries not applied, e.g. for their clock
	BytesOut int64    `json:"bytes_out"`
	BytesIn  int64    `json:"bytes_in"`
	Rounds   int      `json:"rounds"`
	Took     Duration `json:"took"`
	Error    string   `json:"error,omitempty"`
}
