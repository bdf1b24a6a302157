package prom

import "github.com/minikv/minikv"

// nodeState is what the metrics of the node as a whole are read from.
type nodeState struct {
	ready      bool
	registries int
	metrics    minikv.Metrics
}

var nodeFamilies = []family[nodeState]{
	gauge("ready", "1 while the node takes writes in every open registry, else 0: closed, disk full, or disk failed.", func(s nodeState) float64 { return truth(s.ready) }),
	gauge("registries", "Open registries.", func(s nodeState) float64 { return float64(s.registries) }),
	gauge("peers", "Connected peers.", func(s nodeState) float64 { return float64(s.metrics.PeersConnected) }),
	gauge("clock_skew_max_seconds", "Largest distance of a peer's clock from this node's, as last heard, either way.", func(s nodeState) float64 { return s.metrics.ClockSkewMax.Seconds() }),
	gauge("disk_bytes", "What the node's directory takes up; 0 in memory.", func(s nodeState) float64 { return float64(s.metrics.DiskBytes) }),
	gauge("cache_bytes", "Memory for what was read from disk and for what is not yet in tables.", func(s nodeState) float64 { return float64(s.metrics.CacheBytes) }),
	counter("compactions_total", "Compactions of the node's directory.", func(s nodeState) float64 { return float64(s.metrics.Compactions) }),
	gauge("compaction_debt_bytes", "What compaction has still to write, as estimated.", func(s nodeState) float64 { return float64(s.metrics.CompactionDebt) }),
}

type metrics = minikv.Metrics

var registryFamilies = []family[metrics]{
	gauge("keys", "Keys held, expired ones included until they are reclaimed.", func(m metrics) float64 { return float64(m.Keys) }, "registry"),
	gauge("tombstones", "Deletes remembered one by one.", func(m metrics) float64 { return float64(m.Tombstones) }, "registry"),
	gauge("leases", "Lease records held, those that are over included until they are collected.", func(m metrics) float64 { return float64(m.Leases) }, "registry"),
	gauge("bytes", "Keys, values and their headers, without indexes.", func(m metrics) float64 { return float64(m.Bytes) }, "registry"),
	gauge("weight_bytes", "What the entries count towards the limit that --max-mib and Config.MaxBytes set.", func(m metrics) float64 { return float64(m.Weight) }, "registry"),
	counter("puts_total", "Local puts; expire and persist count as puts.", func(m metrics) float64 { return float64(m.Puts) }, "registry"),
	counter("deletes_total", "Local deletes.", func(m metrics) float64 { return float64(m.Deletes) }, "registry"),
	counter("merged_total", "Entries of other nodes that were stored.", func(m metrics) float64 { return float64(m.Merged) }, "registry"),
	counter("expired_total", "Entries whose expiry came.", func(m metrics) float64 { return float64(m.Expired) }, "registry"),
	counter("collected_total", "Tombstones and old leases forgotten.", func(m metrics) float64 { return float64(m.Collected) }, "registry"),
	counter("dropped_total", "Entries removed because a peer knew that they were deleted.", func(m metrics) float64 { return float64(m.Dropped) }, "registry"),
	gauge("quarantined", "Of the entries dropped, those that are kept aside now.", func(m metrics) float64 { return float64(m.Quarantined) }, "registry"),
	counter("late_writes_total", "Entries kept although they may be older than a collected delete.", func(m metrics) float64 { return float64(m.LateWrites) }, "registry"),
	counter("gossip_sent_total", "Gossip messages sent.", func(m metrics) float64 { return float64(m.GossipOut) }, "registry"),
	counter("gossip_received_total", "Gossip messages taken in.", func(m metrics) float64 { return float64(m.GossipIn) }, "registry"),
	counter("gossip_lost_total", "Gossip messages lost at this node because a queue was full; exchanges make up for them.", func(m metrics) float64 { return float64(m.GossipLost) }, "registry"),
	counter("sync_rounds_total", "Round trips of exchanges.", func(m metrics) float64 { return float64(m.SyncRounds) }, "registry"),
	gauge("last_sync_timestamp_seconds", "When an exchange was last verified equal, since 1970; 0: never.", func(m metrics) float64 { return seconds(m.LastSync) }, "registry"),
	gauge("registry_peers", "Connected peers that take part in the registry's gossip.", func(m metrics) float64 { return float64(m.PeersConnected) }, "registry"),
	counter("leases_taken_total", "Leases taken on this node.", func(m metrics) float64 { return float64(m.LeasesHeld) }, "registry"),
	counter("leases_lost_total", "Leases of this node that ended before their unlock.", func(m metrics) float64 { return float64(m.LeasesLost) }, "registry"),
	counter("lock_overlaps_total", "Pairs of claims on one lock found to have been live at once.", func(m metrics) float64 { return float64(m.OverlapsSeen) }, "registry"),
	gauge("watches", "Open watches.", func(m metrics) float64 { return float64(m.Watches) }, "registry"),
	gauge("watch_backlog", "Changes that wait in watches for their readers.", func(m metrics) float64 { return float64(m.WatchBacklog) }, "registry"),
}

var peerFamilies = []family[minikv.PeerInfo]{
	gauge("peer_rtt_seconds", "Round trip to the peer, averaged; 0: not measured yet.", func(p minikv.PeerInfo) float64 { return p.RTT.Seconds() }, "peer"),
	gauge("peer_clock_skew_seconds", "How far the peer's clock is ahead of this node's, as last heard; negative: behind.", func(p minikv.PeerInfo) float64 { return p.ClockSkew.Seconds() }, "peer"),
	gauge("peer_last_sync_timestamp_seconds", "When an exchange with the peer was last verified equal, since 1970; 0: never.", func(p minikv.PeerInfo) float64 { return seconds(p.LastSync) }, "peer"),
	gauge("peer_score", "0 for a good peer; it sinks with refusals, and while the peer is too slow.", func(p minikv.PeerInfo) float64 { return p.Score }, "peer"),
	counter("peer_refused_total", "Entries and messages of the peer that were refused.", func(p minikv.PeerInfo) float64 { return float64(p.Refused) }, "peer"),
}

var (
	descInfo      = newDesc("node_info", "1; the node's id and its name for people are in the labels.", "node", "name")
	descPeerInfo  = newDesc("peer_info", "1 for each connected peer; how it is reached is in the labels: direct, relayed or punched.", "peer", "transport", "path")
	descPeerBytes = newDesc("peer_bytes_total", "Bytes exchanged with the peer, gossip and exchanges together, by direction: in, out.", "peer", "direction")
	descRefused   = newDesc("refused_total", "What was refused, by kind: skew (stamp too far ahead), bounds (over the limits), forged (under another peer's name), malformed (entries that no node writes), full (no room under the limit), message (messages that cannot be read).", "registry", "kind")
	descSyncs     = newDesc("syncs_total", "Exchanges, by result: verified equal, or failed.", "registry", "result")
	descSyncBytes = newDesc("sync_bytes_total", "Bytes of exchanges, by direction: in, out.", "registry", "direction")
	descWriteTime = newDesc("write_duration_seconds", "Time of a local write, the wait for the disk included: every one with a directory, one in sixteen in memory.", "registry")
	descSyncTime  = newDesc("sync_duration_seconds", "Time of an exchange.", "registry")
	descGossipLag = newDesc("gossip_lag_seconds", "From the newest write in a gossip message to its arrival here, by the clocks of both nodes.", "registry")
)
