package minikv

import (
	"crypto/ed25519"
	"log/slog"
	"math"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/store"
)

// Limits and defaults of [Config].
const (
	DefaultMaxClockSkew       = time.Minute
	DefaultTombstoneRetention = 7 * 24 * time.Hour
	DefaultSyncInterval       = 30 * time.Second
	MaxKeyLen                 = 1024     // bytes
	DefaultMaxValueLen        = 1 << 20  // bytes
	MaxValueLen               = 16 << 20 // bytes
	DefaultCacheBytes         = 64 << 20
)

// minMaxBytes and maxMaxBytes are the lowest and the highest [Config].MaxBytes.
const (
	minMaxBytes = 1 << 20
	maxMaxBytes = 1 << 50
)

// Discovery says how a node finds peers that nobody named.
type Discovery string

// Kinds of discovery.
const (
	DiscoveryNone Discovery = "none" // only Bootstrap, Connect, and whoever dials in
	DiscoveryLAN  Discovery = "lan"  // also mDNS on the local network and port mapping at the router
	DiscoveryDHT  Discovery = "dht"  // also rendezvous in a Kademlia DHT, see DHTPeers
)

// RelayPolicy says for whom a node is a relay.
type RelayPolicy string

// Kinds of [Config].RelayService.
const (
	RelayNobody  RelayPolicy = ""        // no relay
	RelayMembers RelayPolicy = "members" // for peers that share an open registry, without limits
	RelayAnyone  RelayPolicy = "anyone"  // for all who ask, 128 KiB and 2 minutes a connection
)

// Profile says how much a node may take of its machine.
type Profile string

// Kinds of [Config].Profile. What they set is told at p2p.LimitsDefault and the others.
const (
	ProfileDefault Profile = ""       // 192 connections, 1 GiB for the transports' buffers at most
	ProfileEdge    Profile = "edge"   // for small machines: 24 connections, 64 MiB, 8 MiB of cache, fewer tests of connections and exchanges
	ProfileServer  Profile = "server" // for nodes that many others use: 1,024 connections, 2 GiB, 256 MiB of cache
)

// Config configures a [Node]. The zero value of every field is a usable default; the zero Config is an
// offline node that sends nothing to anyone.
type Config struct {
	// NodeName is for people, at most 128 bytes of UTF-8. A node's identity is its key.
	NodeName string

	// Identity is the private key behind the node's [PeerID]. nil: that in the node's directory, in the file
	// identity.key, which the first Open makes; in memory a fresh one at every Open. Two nodes that run at a
	// time must not have the same: give the copy of a directory another one, or delete that file there.
	Identity ed25519.PrivateKey

	// Listen holds the multiaddrs to listen on, such as "/ip4/0.0.0.0/tcp/4001" or
	// "/ip4/0.0.0.0/udp/4001/quic-v1"; port 0 takes a free one. Default none: the node listens nowhere.
	Listen []string

	// Bootstrap holds peers to dial at start and again whenever the connection is lost, as multiaddrs that
	// end in "/p2p/<peer id>". Default none.
	Bootstrap []string

	// Discovery is "none" by default.
	Discovery Discovery

	// DHTPeers holds nodes to ask for the rest of the DHT, for DiscoveryDHT, as multiaddrs that end in "/p2p/<peer
	// id>". A node without any waits to be asked: it should have an address that others can dial. The DHT
	// tells whoever asks for the hash of a registry's topic which peers are in it, and where they are; of
	// a private registry nobody knows that hash but its members, and the nodes of the DHT that were asked for it.
	DHTPeers []string

	// DHTPublic makes the DHT the public one of IPFS instead of one of minikv nodes alone; without DHTPeers its
	// usual nodes are asked. Default false.
	DHTPublic bool

	// Relays holds relays through which this node is reached while nobody can dial it, as multiaddrs that end
	// in "/p2p/<peer id>". It stays connected to them. With DiscoveryLAN, peers that are relays serve without
	// being named, and a relayed connection is replaced by a direct one where the routers let a hole be punched.
	// Default none.
	Relays []string

	// RelayService makes the node a relay for others; it should have an address that they can dial, and Listen
	// must not be empty. A relay sees who talks to whom and how much, not what. Default RelayNobody.
	RelayService RelayPolicy

	// MaxClockSkew bounds how far the stamp of a peer's entry may lie ahead of this node's clock. Entries
	// further ahead are refused, counted, and taken when they are no longer ahead. Default 1 minute, at
	// least 1 ms, at most 24 hours.
	MaxClockSkew time.Duration

	// TombstoneRetention is how long deletes are remembered one by one. It decides how quick an exchange
	// with a peer is that was away, never what comes out of it. Default 7 days, at least 1 second.
	TombstoneRetention time.Duration

	// SyncInterval is the mean time between two exchanges with a random peer beyond those that events call
	// for. Each costs some 110 bytes when there is nothing to do. While gossip carries 1 MiB/s and more it is
	// put off, by 2 minutes at most. Default 30 s, with ProfileEdge 2 minutes, at least 10 ms.
	SyncInterval time.Duration

	// MaxKeyLen is the longest key this node writes, in bytes. Default and maximum 1,024. It does not bound
	// what peers write.
	MaxKeyLen int

	// MaxValueLen is the longest value this node writes, in bytes. Default 1 MiB, maximum 16 MiB. It does
	// not bound what peers write: values up to 16 MiB are taken from them, else nodes of different
	// configuration could never be equal.
	MaxValueLen int

	// MaxBytes bounds what the data of a registry may take on this node, in bytes: of each entry its key, its value and some 180
	// beside, about what it takes in memory, not counting that Go lets memory grow to twice what is in use. Locks, and the
	// entries that say who writes, have a quarter more to themselves. A writer may add as long as it holds less than twice what
	// is then left: a single one gets two thirds, two at the same time two fifths each. Where there is no room, [ErrFull] is
	// returned; what peers send is refused and counted, and taken when there is room. Deletes always go, and writes of a value
	// no longer than the one that is there. Set it alike on all nodes of a registry, and well above what is needed: a node that
	// refused something is not equal to others, which exchanges with it try in vain. On a node with a directory, what a
	// writer holds counts from the start of the node. Default 0: no limit; else 1 MiB to 1 PiB.
	MaxBytes int64

	// Durability says when a write returns on a node with a directory. Default [DurabilitySync].
	Durability Durability

	// Profile sets the defaults of what the node takes of its machine. Default ProfileDefault.
	Profile Profile

	// MaxConnections is above how many connections idle ones, to peers nobody named, are closed. Default that of
	// the Profile, at least 8.
	MaxConnections int

	// CacheBytes is the memory that a node with a directory keeps what it has read in, and records that were
	// overwritten of late, half and half; what it gathers for the disk, 128 MiB at most, is not in it. Default
	// 64 MiB, or that of the Profile, at least 1 MiB.
	CacheBytes int

	// Logger gets what a person who runs the node should know. Default: nothing is logged.
	Logger *slog.Logger

	// Clock is the wall clock, called concurrently. Default time.Now. Timers and leases do not use it: they
	// run on the monotonic clock of the process. Open refuses one that is before 1970 or after 10789; what it says
	// beyond these later counts as the nearer of both.
	Clock func() time.Time

	tune func(*store.Options) // of tests
}

// online says whether the node is to have a network.
func (c Config) online() bool {
	return len(c.Listen) > 0 || len(c.Bootstrap) > 0 || len(c.Relays) > 0 || c.Discovery != DiscoveryNone
}

// validate returns the configuration with defaults filled in, or an error of class ErrInvalid that names
// the field.
func (c Config) validate() (Config, error) {
	if err := checkText("Config.NodeName", c.NodeName, 0, 128); err != nil {
		return c, err
	}
	if n := len(c.Identity); n != 0 && n != ed25519.PrivateKeySize {
		return c, detailf(ErrInvalid, "Config.Identity has %d bytes; an ed25519 private key has %d", n, ed25519.PrivateKeySize)
	}
	switch c.Discovery {
	case "":
		c.Discovery = DiscoveryNone
	case DiscoveryNone, DiscoveryLAN, DiscoveryDHT:
	default:
		return c, detailf(ErrInvalid, "Config.Discovery is %q; it can be %q, %q or %q", c.Discovery, DiscoveryNone, DiscoveryLAN, DiscoveryDHT)
	}
	if c.Discovery != DiscoveryNone && len(c.Listen) == 0 {
		return c, detailf(ErrInvalid, "Config.Discovery is %q but Config.Listen is empty: others could not dial; give an address such as /ip4/0.0.0.0/tcp/0", c.Discovery)
	}
	if c.Discovery != DiscoveryDHT && (len(c.DHTPeers) > 0 || c.DHTPublic) {
		return c, detailf(ErrInvalid, "Config.DHTPeers and DHTPublic are for Discovery %q, not %q", DiscoveryDHT, c.Discovery)
	}
	switch c.RelayService {
	case RelayNobody, RelayMembers, RelayAnyone:
	default:
		return c, detailf(ErrInvalid, "Config.RelayService is %q; it can be %q, %q or empty", c.RelayService, RelayMembers, RelayAnyone)
	}
	if c.RelayService != RelayNobody && len(c.Listen) == 0 {
		return c, detailf(ErrInvalid, "Config.RelayService is %q but Config.Listen is empty: others could not dial; give an address such as /ip4/0.0.0.0/tcp/4001", c.RelayService)
	}
	profile, ok := profiles[c.Profile]
	if !ok {
		return c, detailf(ErrInvalid, "Config.Profile is %q; it can be %q, %q or empty", c.Profile, ProfileEdge, ProfileServer)
	}
	for _, f := range []struct {
		name          string
		d             *time.Duration
		def, min, max time.Duration
	}{
		{"MaxClockSkew", &c.MaxClockSkew, DefaultMaxClockSkew, time.Millisecond, 24 * time.Hour},
		{"TombstoneRetention", &c.TombstoneRetention, DefaultTombstoneRetention, time.Second, maxTTL},
		{"SyncInterval", &c.SyncInterval, profile.syncEvery, 10 * time.Millisecond, 24 * time.Hour},
	} {
		if err := orDefault(f.name, f.d, f.def, f.min, f.max); err != nil {
			return c, err
		}
	}
	if err := orDefault("MaxKeyLen", &c.MaxKeyLen, MaxKeyLen, 1, MaxKeyLen); err != nil {
		return c, err
	}
	if err := orDefault("MaxValueLen", &c.MaxValueLen, DefaultMaxValueLen, 1, MaxValueLen); err != nil {
		return c, err
	}
	if err := orDefault("MaxConnections", &c.MaxConnections, profile.limits.Conns, 8, 1<<16); err != nil {
		return c, err
	}
	if err := orDefault("CacheBytes", &c.CacheBytes, profile.cache, 1<<20, math.MaxInt); err != nil {
		return c, err
	}
	if c.MaxBytes != 0 && (c.MaxBytes < minMaxBytes || c.MaxBytes > maxMaxBytes) {
		return c, detailf(ErrInvalid, "Config.MaxBytes is %d; it can be 0, for no limit, or %d to %d", c.MaxBytes, minMaxBytes, int64(maxMaxBytes))
	}
	if c.Durability > DurabilityAsync {
		return c, detailf(ErrInvalid, "Config.Durability is %d; it can be DurabilitySync, DurabilityGroup or DurabilityAsync", c.Durability)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	clock := c.Clock
	if clock == nil {
		clock = time.Now
	} else {
		c.Clock = func() time.Time { return clampTime(clock()) }
	}
	if now := clock(); !clampTime(now).Equal(now) {
		return c, detailf(ErrInvalid, "the clock is at %s; it can be %s to %s: set it right", now.UTC().Format(time.RFC3339), minTime.Format(time.RFC3339), maxTime.Format(time.RFC3339))
	}
	if c.Clock == nil {
		c.Clock = clock
	}
	return c, nil
}

// The clock may be where stamps are, and those by which what is written then expires.
var (
	minTime = time.Unix(0, 0).UTC()
	maxTime = hlc.Max.Time().Add(-maxTTL)
)

// clampTime returns the nearest time at which the clock may be.
func clampTime(t time.Time) time.Time {
	switch {
	case t.Before(minTime):
		return minTime
	case t.After(maxTime):
		return maxTime
	}
	return t
}

// orDefault sets a zero field to its default and refuses one out of bounds.
func orDefault[T int | time.Duration](name string, v *T, def, min, max T) error {
	if *v == 0 {
		*v = def
	}
	if *v < min || *v > max {
		return detailf(ErrInvalid, "Config.%s is %v; it can be %v to %v, or 0 for %v", name, *v, min, max, def)
	}
	return nil
}
