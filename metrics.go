package minikv

import (
	"context"
	"time"

	"github.com/minikv/minikv/lwwmap"
)

// Metrics are figures of a registry, or of a node: then the sums over its open registries. Counters count
// from when the registry was opened.
type Metrics struct {
	Keys, Tombstones, Leases int64 // held now; expired keys count until their space is reclaimed, leases also when they are over
	Bytes                    int64 // of keys, values and their headers, without indexes
	Weight                   int64 // what all entries count towards Config.MaxBytes
	DiskBytes                int64 // of a node with a directory: what all of it takes up there, indexes, log and what is not compacted yet included

	Puts, Deletes uint64 // local writes; Expire and Persist count as puts
	Merged        uint64 // entries of others that were stored
	Expired       uint64 // entries whose expiry came
	Collected     uint64 // tombstones and old leases forgotten
	Refused       uint64 // entries and messages refused: the six kinds that follow

	RefusedSkew      uint64 // entries with a stamp too far ahead
	RefusedBounds    uint64 // entries whose key or value is over the limits
	RefusedForged    uint64 // entries under another peer's name, also those that one passed on who could not know
	RefusedMalformed uint64 // entries that no node writes
	RefusedFull      uint64 // entries for which there was no room, see Config.MaxBytes
	RefusedMessages  uint64 // messages and frames that cannot be read

	Dropped     uint64 // entries removed because a peer knew that they were deleted
	Quarantined int64  // of these, how many Registry.Quarantined tells of now
	LateWrites  uint64 // entries kept although they may be older than a collected delete

	GossipOut, GossipIn, GossipLost uint64    // messages sent, received, and lost at this node because a queue was full
	Syncs, SyncsFailed              uint64    // exchanges completed and verified, and those that were not
	SyncBytesOut, SyncBytesIn       int64     // in exchanges
	SyncRounds                      uint64    // round trips in exchanges
	LastSync                        time.Time // zero: none

	PeersConnected int           // to the node; of a registry: those that joined it
	ClockSkewMax   time.Duration // largest distance of a peer's clock from this one's, as last seen, either way

	LeasesHeld, LeasesLost uint64 // taken on this node, and how many of them were lost
	OverlapsSeen           uint64 // pairs of claims found to have been live at once
	Watches                int    // open
	WatchBacklog           int    // changes that wait in them

	Compactions    uint64 // of a node with a directory, since it was opened
	CompactionDebt int64  // bytes that compaction has still to write, roughly
	CacheBytes     int64  // memory for what was read from disk and is not yet written to tables

	WriteTime Timing // of a Put, Delete, Expire, Persist or Commit: each with a directory, one in sixteen without
	SyncTime  Timing // of exchanges
	GossipLag Timing // from the write to its arrival by gossip, by the clocks of both nodes
}

// counts is what a registry counts itself. Guarded by its lock.
type counts struct {
	puts, deletes, gossipIn, refused, leasesHeld, leasesLost, overlaps, syncRounds uint64
	syncBytesIn, syncBytesOut                                                      int64
	lastSync                                                                       time.Time
}

// Metrics returns the sums over the open registries; zero after Close.
func (n *Node) Metrics() Metrics {
	var sum Metrics
	open, err := n.open(context.Background())
	if err != nil {
		return sum
	}
	for _, r := range open {
		sum.add(r.Metrics())
	}
	if n.store() != nil {
		st := n.store().Stats()
		sum.DiskBytes, sum.CacheBytes, sum.Compactions, sum.CompactionDebt = st.Disk, st.Memory, st.Compactions, st.Debt
	}
	sum.PeersConnected = 0
	if n.host != nil {
		sum.PeersConnected = len(n.host.Peers())
	}
	return sum
}

// Metrics returns the figures of the registry; zero after Close.
func (r *Registry) Metrics() Metrics {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.err != nil {
		return Metrics{}
	}
	s, c := r.rep.Stats(), &r.counts
	m := Metrics{
		Keys: int64(r.m.Len(lwwmap.Data)), Tombstones: int64(r.m.Tombstones()), Leases: int64(r.m.Len(lwwmap.Lease)), Bytes: r.m.Bytes(), Weight: r.m.Weight(),
		Puts: c.puts, Deletes: c.deletes,
		Merged: s.Merged, Expired: s.Expired, Collected: s.Collected, Dropped: s.Dropped, Quarantined: int64(r.quarantine.held.len()), LateWrites: s.Late,
		Refused:     c.refused + s.Refused.Total(),
		RefusedSkew: s.Refused.Skew, RefusedBounds: s.Refused.Bounds, RefusedForged: s.Refused.Forged + s.Refused.Passed,
		RefusedMalformed: s.Refused.Malformed, RefusedFull: s.Refused.Full, RefusedMessages: c.refused,
		GossipOut: s.Sent, GossipIn: c.gossipIn,
		Syncs: s.Sessions.Equal + s.Sessions.Merged, SyncsFailed: s.Sessions.Unverified + s.Sessions.Failed,
		SyncBytesOut: c.syncBytesOut, SyncBytesIn: c.syncBytesIn, SyncRounds: c.syncRounds, LastSync: c.lastSync,
		LeasesHeld: c.leasesHeld, LeasesLost: c.leasesLost, OverlapsSeen: c.overlaps,
		Watches:   len(r.watches) + len(r.locks.watches),
		WriteTime: r.writeTime.timing(), SyncTime: r.syncTime.timing(), GossipLag: r.gossipLag.timing(),
	}
	for _, w := range r.watches {
		m.WatchBacklog += w.backlog()
	}
	for _, p := range r.peers {
		m.ClockSkewMax = max(m.ClockSkewMax, p.skew.Abs())
	}
	if r.link != nil {
		m.PeersConnected = len(r.link.now().topic.Peers())
		m.GossipLost = r.link.now().topic.Stats().Dropped
	}
	return m
}

func (m *Metrics) add(o Metrics) {
	m.Keys += o.Keys
	m.Tombstones += o.Tombstones
	m.Leases += o.Leases
	m.Bytes += o.Bytes
	m.Weight += o.Weight
	m.Puts += o.Puts
	m.Deletes += o.Deletes
	m.Merged += o.Merged
	m.Expired += o.Expired
	m.Collected += o.Collected
	m.Refused += o.Refused
	m.RefusedSkew += o.RefusedSkew
	m.RefusedBounds += o.RefusedBounds
	m.RefusedForged += o.RefusedForged
	m.RefusedMalformed += o.RefusedMalformed
	m.RefusedFull += o.RefusedFull
	m.RefusedMessages += o.RefusedMessages
	m.Dropped += o.Dropped
	m.Quarantined += o.Quarantined
	m.LateWrites += o.LateWrites
	m.GossipOut += o.GossipOut
	m.GossipIn += o.GossipIn
	m.GossipLost += o.GossipLost
	m.Syncs += o.Syncs
	m.SyncsFailed += o.SyncsFailed
	m.SyncBytesOut += o.SyncBytesOut
	m.SyncBytesIn += o.SyncBytesIn
	m.SyncRounds += o.SyncRounds
	if o.LastSync.After(m.LastSync) {
		m.LastSync = o.LastSync
	}
	m.ClockSkewMax = max(m.ClockSkewMax, o.ClockSkewMax)
	m.LeasesHeld += o.LeasesHeld
	m.LeasesLost += o.LeasesLost
	m.OverlapsSeen += o.OverlapsSeen
	m.Watches += o.Watches
	m.WatchBacklog += o.WatchBacklog
	m.WriteTime.add(o.WriteTime)
	m.SyncTime.add(o.SyncTime)
	m.GossipLag.add(o.GossipLag)
}
