package admin

import (
	"encoding/json"
	"time"
)

// Page is a part of a registry's keys, with the beginnings of their values.
type Page struct {
	Entries []PageEntry `json:"entries"`
	More    bool        `json:"more"` // there are keys after the last one
}

// PageEntry is an entry with the beginning of its value.
type PageEntry struct {
	Entry          // Value is the beginning alone
	Size  int      // of the whole value in bytes
	Left  Duration // until it expires; zero: never
}

type pageEntryJSON struct {
	entryJSON
	Size int       `json:"size"`
	Left *Duration `json:"left"`
}

// MarshalJSON writes the fields of an Entry, its size, and left as null where it does not expire.
func (e PageEntry) MarshalJSON() ([]byte, error) {
	j := pageEntryJSON{entryJSON: e.Entry.json(), Size: e.Size}
	if e.Left != 0 {
		j.Left = &e.Left
	}
	return marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *PageEntry) UnmarshalJSON(b []byte) error {
	var j pageEntryJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*e = PageEntry{Size: j.Size}
	if j.Left != nil {
		e.Left = *j.Left
	}
	return json.Unmarshal(b, &e.Entry)
}

// HeldLock is a live lease, as `GET /v1/locks` lists it.
type HeldLock struct {
	Key      Key       // of the registry
	Owner    string    // peer id
	Token    string    // fencing token
	TTL      Duration  // of each renewal
	Since    time.Time // by the owner's clock
	Left     Duration  // until this node takes it for lapsed, unless it is renewed
	Renewals uint64
	Meta     []byte // what the holder said of itself
}

type heldLockJSON struct {
	Key      *string   `json:"key,omitempty"`
	KeyB64   *string   `json:"key_base64,omitempty"`
	Owner    string    `json:"owner"`
	Token    string    `json:"token"`
	TTL      Duration  `json:"ttl"`
	Since    time.Time `json:"since"`
	Left     Duration  `json:"left"`
	Renewals uint64    `json:"renewals"`
	Meta     *string   `json:"meta,omitempty"`
	MetaB64  *string   `json:"meta_base64,omitempty"`
}

// MarshalJSON writes key and meta as text or base64.
func (l HeldLock) MarshalJSON() ([]byte, error) {
	j := heldLockJSON{Owner: l.Owner, Token: l.Token, TTL: l.TTL, Since: l.Since, Left: l.Left, Renewals: l.Renewals}
	j.Key, j.KeyB64 = texts(l.Key)
	if len(l.Meta) > 0 {
		j.Meta, j.MetaB64 = texts(l.Meta)
	}
	return marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (l *HeldLock) UnmarshalJSON(b []byte) error {
	var j heldLockJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	key, _, err := untext("key", j.Key, j.KeyB64)
	if err != nil {
		return err
	}
	meta, _, err := untext("meta", j.Meta, j.MetaB64)
	if err != nil {
		return err
	}
	*l = HeldLock{Key: Key(key), Owner: j.Owner, Token: j.Token, TTL: j.TTL, Since: j.Since, Left: j.Left, Renewals: j.Renewals, Meta: meta}
	return nil
}

// Quarantined is an entry that was removed on a peer's word and is kept aside; its value is a beginning, as in a [Page].
type Quarantined struct {
	PageEntry
	Peer    string    // on whose word
	Removed time.Time // by this node's clock
}

type quarantinedJSON struct {
	pageEntryJSON
	Peer    string    `json:"peer"`
	Removed time.Time `json:"removed"`
}

// MarshalJSON writes the fields of a PageEntry, peer and removed.
func (q Quarantined) MarshalJSON() ([]byte, error) {
	j := quarantinedJSON{Peer: q.Peer, Removed: q.Removed}
	j.entryJSON, j.Size = q.Entry.json(), q.Size
	return marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (q *Quarantined) UnmarshalJSON(b []byte) error {
	var j struct {
		Peer    string    `json:"peer"`
		Removed time.Time `json:"removed"`
	}
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	q.Peer, q.Removed = j.Peer, j.Removed
	return json.Unmarshal(b, &q.PageEntry)
}

// PutBackResult says what `POST /v1/quarantine` did.
type PutBackResult struct {
	Restored  int     `json:"restored"`  // keys written again
	Unchanged int     `json:"unchanged"` // keys that held the same value already
	Refused   []Error `json:"refused"`   // of the other keys, why not
}

// Count adds a key that was put back: written says whether that took a write.
func (r *PutBackResult) Count(written bool) {
	if written {
		r.Restored++
	} else {
		r.Unchanged++
	}
}

// Kinds of a [Change] that are about locks; the others are those of an [Event].
const (
	ChangeHeld     = "lock held"
	ChangeReleased = "lock released"
	ChangeLapsed   = "lock expired"
	ChangeOverlap  = "lock overlap"
)

// Change is something that happened to a key, as this node saw it: a few of the latest are kept. Changes that followed each other
// too quickly may be one.
type Change struct {
	PageEntry        // its value is a beginning; of a lock: key, Node (the owner), Time and Under (its token) alone
	Seq       uint64 // grows with each change on this node, over all registries
	Registry  string
	Kind      string
	Local     bool      // written on this node
	Seen      time.Time // by this node's clock
}

type changeHead struct {
	Seq      uint64    `json:"seq"`
	Registry string    `json:"registry"`
	Kind     string    `json:"kind"`
	Local    bool      `json:"local"`
	Seen     time.Time `json:"seen"`
}

type changeJSON struct {
	changeHead
	pageEntryJSON
}

// MarshalJSON writes the fields of a PageEntry and its own.
func (c Change) MarshalJSON() ([]byte, error) {
	j := changeJSON{changeHead: changeHead{Seq: c.Seq, Registry: c.Registry, Kind: c.Kind, Local: c.Local, Seen: c.Seen}}
	j.entryJSON, j.Size = c.Entry.json(), c.Size
	return marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Change) UnmarshalJSON(b []byte) error {
	var j changeHead
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*c = Change{Seq: j.Seq, Registry: j.Registry, Kind: j.Kind, Local: j.Local, Seen: j.Seen}
	return json.Unmarshal(b, &c.PageEntry)
}

// Sample is what a node did in one second, over all registries.
type Sample struct {
	Time     time.Time `json:"time"` // of its end
	Puts     float64   `json:"puts"` // a second, as all rates here
	Deletes  float64   `json:"deletes"`
	Merged   float64   `json:"merged"`
	Expired  float64   `json:"expired"`
	BytesIn  float64   `json:"bytes_in"` // from all peers
	BytesOut float64   `json:"bytes_out"`
	WriteP50 *Duration `json:"write_p50"` // null: none was measured
	WriteP99 *Duration `json:"write_p99"`
	LagP50   *Duration `json:"lag_p50"` // of gossip, from the write to its arrival
	LagP99   *Duration `json:"lag_p99"`
}

// Standing is how far a peer's copy of a registry is known to be equal to this node's.
type Standing struct {
	Peer   string     `json:"peer"`
	Joined bool       `json:"joined"` // it takes part in the registry's gossip now
	Synced *time.Time `json:"synced"` // last exchange verified equal; null: none
	Heard  *time.Time `json:"heard"`  // when it last told what it holds; null: never
	State  string     `json:"state"`  // digest of what it told; compare with that of the registry
	Keys   uint64     `json:"keys"`   // how many it held then
	Equal  bool       `json:"equal"`  // its state is what this node holds now
}

// LiveRegistry is a registry in [LiveStats].
type LiveRegistry struct {
	Registry
	State       string            `json:"state"`   // digest of all it holds and has seen
	Changed     *time.Time        `json:"changed"` // last change seen; null: none since the node looked
	Locks       int               `json:"locks"`
	Dropped     uint64            `json:"dropped"`
	Quarantined int64             `json:"quarantined"`
	LateWrites  uint64            `json:"late_writes"`
	Overlaps    uint64            `json:"overlaps"`
	Syncs       uint64            `json:"syncs"`
	SyncsFailed uint64            `json:"syncs_failed"`
	GossipIn    uint64            `json:"gossip_in"`
	GossipOut   uint64            `json:"gossip_out"`
	GossipLost  uint64            `json:"gossip_lost"`
	Refusals    map[string]uint64 `json:"refusals"` // by kind
	Standings   []Standing        `json:"standings"`
}

// LiveStats is what a node is and does at a moment.
type LiveStats struct {
	Time       time.Time      `json:"time"`
	Ready      bool           `json:"ready"`
	Why        string         `json:"why,omitempty"` // it is not ready
	Sample     Sample         `json:"sample"`        // the last second
	Registries []LiveRegistry `json:"registries"`
	Peers      []Peer         `json:"peers"`
	Metrics    Metrics        `json:"metrics"`
}

// LiveEvent is one line of `GET /v1/live`: one of the two.
type LiveEvent struct {
	Stats  *LiveStats `json:"stats,omitempty"`
	Change *Change    `json:"change,omitempty"`
}
