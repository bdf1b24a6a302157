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
	Storage    string     `json:"storage"` // the directory, or "memory"
	Registries []Registry `json:"registries"`
	Peers      []Peer     `json:"peers"`
	Metrics    Metrics    `json:"metrics"`
}

// Registry is one open registry of a node.
type Registry struct {
	Name       string `json:"name"`
	Keys       int    `json:"keys"`       // present ones
	Tombstones int    `json:"tombstones"` // deletes not yet collected
	Root       string `json:"root"`       // digest: equal on two nodes that hold the same

	Kind    string     `json:"kind"`              // "private" or "public"
	Rights  string     `json:"rights"`            // of this node: "read", "write" or "owner"
	Expires *time.Time `json:"expires,omitempty"` // of the rights; absent: never

	// What it holds, and has done since it was opened.
	Bytes   int64  `json:"bytes"` // keys and values
	Puts    uint64 `json:"puts"`
	Deletes uint64 `json:"deletes"`
	Merged  uint64 `json:"merged"` // entries of others that were stored
	Expired uint64 `json:"expired"`
}

// Kinds of a [Registry].
const (
	KindPrivate = "private"
	KindPublic  = "public"
)

// Peer is another node, as this one knows it.
type Peer struct {
	ID         string     `json:"id"`
	Addrs      []string   `json:"addrs"`
	Connected  bool       `json:"connected"`
	Transport  string     `json:"transport,omitempty"`
	Relayed    bool       `json:"relayed,omitempty"`
	RTT        Duration   `json:"rtt"`
	Registries []string   `json:"registries"` // shared with this node
	LastSync   *time.Time `json:"last_sync"`  // null: never
	ClockSkew  Duration   `json:"clock_skew"` // its clock minus ours
	Refused    uint64     `json:"refused"`    // entries and messages of it

	Path        string            `json:"path,omitempty"`    // direct, relayed or punched; empty: not connected
	Limited     bool              `json:"limited,omitempty"` // relayed within narrow limits
	Inbound     bool              `json:"inbound,omitempty"` // it dialled
	Since       *time.Time        `json:"since"`             // of the connection; null: not connected
	BytesIn     int64             `json:"bytes_in"`          // since the node's start
	BytesOut    int64             `json:"bytes_out"`
	Score       float64           `json:"score"`        // 0 is a good one; it only sinks
	Refusals    map[string]uint64 `json:"refusals"`     // by kind
	BannedUntil *time.Time        `json:"banned_until"` // null: not banned
}

// Check is one thing that `minikv doctor` looked at.
type Check struct {
	Name   string `json:"name"`
	State  string `json:"state"` // ok, off, note or problem
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"` // what to do
}

// Metrics are what a node holds and has done since its start.
type Metrics struct {
	Bytes        int64    `json:"bytes"`                // keys and values held
	DiskBytes    int64    `json:"disk_bytes,omitempty"` // of the directory; what is not compacted yet is in it
	Leases       int64    `json:"leases"`
	Puts         uint64   `json:"puts"`
	Deletes      uint64   `json:"deletes"`
	Merged       uint64   `json:"merged"` // entries of others that were stored
	Expired      uint64   `json:"expired"`
	Collected    uint64   `json:"collected"` // tombstones forgotten
	Refused      uint64   `json:"refused"`
	Dropped      uint64   `json:"dropped"`     // removed because a peer knew that they were deleted
	LateWrites   uint64   `json:"late_writes"` // kept although perhaps older than a collected delete
	Syncs        uint64   `json:"syncs"`
	SyncsFailed  uint64   `json:"syncs_failed"`
	Overlaps     uint64   `json:"overlaps"` // locks found to have been held twice
	ClockSkewMax Duration `json:"clock_skew_max"`
}

// PutParams are the options of one put. The zero value is a plain put.
type PutParams struct {
	TTL     time.Duration // zero: the registry's default
	Persist bool          // no expiry, whatever the registry's default
	KeepTTL bool          // keep the expiry of what is there
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
	Unchanged int `json:"unchanged"` // the same was there already
	Expired   int `json:"expired"`   // their time was over before they arrived
}

// LockParams are the options of a lock.
type LockParams struct {
	TTL  time.Duration // of the lease; default 15 s
	Wait time.Duration // how long to wait for another holder; zero: do not wait

	StopWhenIsolated bool // give up when no peer could take a renewal for a whole ttl
}

// States of a [HoldEvent].
const (
	HoldHeld = "held" // at first and again before the lease would be over
	HoldLost = "lost" // the last event
)

// HoldEvent is one line of a held lock's stream.
type HoldEvent struct {
	State  string   `json:"state"`
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
	Peer     string   `json:"peer"`
	Sent     int      `json:"sent"`     // entries
	Received int      `json:"received"` // entries
	Refused  int      `json:"refused"`  // entries not applied, e.g. for their clock
	Dropped  int      `json:"dropped"`  // entries removed here because the peer knew that they were deleted
	BytesOut int64    `json:"bytes_out"`
	BytesIn  int64    `json:"bytes_in"`
	Rounds   int      `json:"rounds"`
	Took     Duration `json:"took"`
	Error    string   `json:"error,omitempty"`
}
