package p2p

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Discovery says how a host finds peers that nobody named.
type Discovery uint8

const (
	// DiscoveryNone finds nobody: only named peers are dialled.
	DiscoveryNone Discovery = iota
	// DiscoveryLAN announces the host by mDNS on the local network, connects to
	// the hosts found there, and asks the router for a port mapping.
	DiscoveryLAN
	// DiscoveryDHT does what DiscoveryLAN does, and finds members of topics in a
	// Kademlia DHT.
	DiscoveryDHT
)

func (d Discovery) String() string {
	switch d {
	case DiscoveryNone:
		return "none"
	case DiscoveryLAN:
		return "lan"
	case DiscoveryDHT:
		return "dht"
	}
	return fmt.Sprintf("Discovery(%d)", uint8(d))
}

// Defaults of Config.
const (
	DefaultMaxMessage  = 1 << 20
	DefaultMaxStreams  = 8
	DefaultStreamIdle  = 30 * time.Second
	DefaultPingEvery   = time.Minute
	DefaultKeepAlive   = 30 * time.Second
	DefaultHeartbeat   = 200 * time.Millisecond
	DefaultMDNSService = "_minikv._udp"
)

const minMessage, maxMessage = 1 << 10, 16 << 20

// Config configures a Host. The zero value is usable: a fresh identity that
// listens nowhere and dials only whom Connect names.
type Config struct {
	// Identity is the host's ed25519 key. Nil: a fresh one. Keys of other types
	// are refused: gossip is signed with ed25519 alone.
	Identity crypto.PrivKey
	// Listen holds multiaddrs such as /ip4/0.0.0.0/udp/4001/quic-v1 and
	// /ip4/0.0.0.0/tcp/4001. Port 0 takes a free one. Empty: no listener.
	Listen []string
	// Static holds the multiaddrs, each ending in /p2p/ID, of peers to stay
	// connected to: they are dialled at start and whenever the link is lost.
	// Several addresses may name one peer.
	Static []string
	// Discovery finds further peers. Default DiscoveryNone.
	Discovery Discovery
	// DHTPeers holds the multiaddrs, each ending in /p2p/ID, of hosts to ask for the rest
	// of the DHT, for DiscoveryDHT. A host without any is one for others to ask.
	DHTPeers []string
	// DHTPublic makes the DHT the public one of IPFS: anyone may ask it who is interested
	// in the hash of a topic's name. Default: a DHT of the hosts of this package that name
	// each other. Without DHTPeers, its usual ones are asked.
	DHTPublic bool
	// Relays holds the multiaddrs, each ending in /p2p/ID, of relays through which this
	// host wants to be reached while nobody can dial it (circuit relay v2). It stays
	// connected to them as to those in Static.
	Relays []string
	// RelayService makes this host a relay for others. It should have an address that
	// they can dial. Default RelayNobody.
	RelayService RelayPolicy
	// Known holds addresses that an earlier run was given by Remember: they are dialled
	// for a day. Not with DiscoveryNone.
	Known []string
	// Remember is told now and then, from one goroutine, and at the end, the addresses of
	// peers that shared a topic, up to 64 peers of 8 addresses: for Known after a restart.
	// Not with DiscoveryNone. Nil: nobody.
	Remember func(addrs []string)
	// Bans are those that an earlier run gave to KeepBans. What is over is dropped, and none lasts longer than a new one.
	Bans []Ban
	// KeepBans is told soon, and at the end, when bans begin or are lifted, all that run, up to 1,024: for Bans after a
	// restart. From one goroutine. Nil: nobody.
	KeepBans func([]Ban)
	// Limits bounds what peers may cost. Zero fields are those of LimitsDefault.
	Limits Limits
	// MDNSService is the DNS-SD service name of DiscoveryLAN. Only hosts of the
	// same name find each other. Default DefaultMDNSService.
	MDNSService string
	// MaxMessage is the largest payload of a gossip message in bytes, 1 KiB to
	// 16 MiB. Default 1 MiB. It must be equal on all hosts: a peer with a lower
	// one drops the link's gossip on receiving a larger message.
	MaxMessage int
	// MaxStreams bounds the streams that one peer may have open to this host's
	// handlers at a time. Further ones are reset and counted. Default 8.
	MaxStreams int
	// StreamIdle is how long a stream may pass without a byte in the direction
	// being waited for before the call fails. Default 30 s.
	StreamIdle time.Duration
	// PingEvery is the time between two measurements of a peer's round trip.
	// Default 1 min; negative: never.
	PingEvery time.Duration
	// KeepAlive is after how long without a byte a connection over TCP is tested by the
	// multiplexer; the kernel's own test comes after 30 s. Default 30 s. A longer one also
	// puts off the kernel's test, and the one of QUIC after 15 s, between hosts on one local
	// network, where no router forgets a connection without traffic: a peer there that is
	// gone without a word is noticed after one and a half KeepAlive at most.
	KeepAlive time.Duration
	// Heartbeat is the time between two looks at the gossip mesh: a new link relays others'
	// messages from the next one on. Default 200 ms; a longer one spares processor time.
	Heartbeat time.Duration
	// ProveFirst keeps gossip, and the addresses of other members, from a peer until Prove
	// is called for it; what it sends is taken.
	ProveFirst bool
	// Now is the clock by which memberships end. Default time.Now.
	Now func() time.Time
	// Delay says for how long no gossip is read from a peer, a second at most each time. It must not block. Nil: gossip
	// of all peers is read as fast as it is handled.
	Delay func(id string) time.Duration
	// UserAgent is told to connected peers. Default "minikv".
	UserAgent string
	// Logger receives what an operator may want to know. Nil: nothing is logged.
	Logger *slog.Logger
}

// withDefaults fills in defaults and refuses what contradicts itself.
func (c Config) withDefaults() (Config, error) {
	def(&c.MaxMessage, DefaultMaxMessage)
	def(&c.MaxStreams, DefaultMaxStreams)
	def(&c.StreamIdle, DefaultStreamIdle)
	def(&c.PingEvery, DefaultPingEvery)
	def(&c.KeepAlive, DefaultKeepAlive)
	def(&c.Heartbeat, DefaultHeartbeat)
	def(&c.MDNSService, DefaultMDNSService)
	def(&c.UserAgent, "minikv")
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MaxMessage < minMessage || c.MaxMessage > maxMessage {
		return c, fmt.Errorf("p2p: MaxMessage %d: must be between %d and %d bytes", c.MaxMessage, minMessage, maxMessage)
	}
	if c.MaxStreams < 1 {
		return c, fmt.Errorf("p2p: MaxStreams %d: must be at least 1", c.MaxStreams)
	}
	if c.Heartbeat < 10*time.Millisecond || c.Heartbeat > 10*time.Second {
		return c, fmt.Errorf("p2p: Heartbeat %v: must be between 10 ms and 10 s", c.Heartbeat)
	}
	if c.KeepAlive < time.Second {
		return c, fmt.Errorf("p2p: KeepAlive %v: must be at least 1 s", c.KeepAlive)
	}
	if c.StreamIdle < 0 {
		return c, fmt.Errorf("p2p: StreamIdle %v: must be positive", c.StreamIdle)
	}
	if c.RelayService > RelayAnyone {
		return c, fmt.Errorf("p2p: unknown %v: use RelayNobody, RelayMembers or RelayAnyone", c.RelayService)
	}
	if c.RelayService != RelayNobody && len(c.Listen) == 0 {
		return c, errors.New("p2p: a relay must listen: RelayService is set, but Listen is empty")
	}
	if err := c.Limits.fill(); err != nil {
		return c, err
	}
	if c.Discovery > DiscoveryDHT {
		return c, fmt.Errorf("p2p: unknown discovery %v: use DiscoveryNone, DiscoveryLAN or DiscoveryDHT", c.Discovery)
	}
	return c, c.ensureIdentity()
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// ErrIdentity is returned by New for an identity that is not an ed25519 key.
var ErrIdentity = errors.New("p2p: identity must be an ed25519 key")

func (c *Config) ensureIdentity() error {
	if c.Identity == nil {
		key, _, err := crypto.GenerateEd25519Key(rand.Reader)
		if err != nil {
			return fmt.Errorf("p2p: making an identity: %w", err)
		}
		c.Identity = key
	}
	if t := c.Identity.Type(); t != crypto.Ed25519 {
		return fmt.Errorf("%w, not %v; make one with crypto.GenerateEd25519Key", ErrIdentity, t)
	}
	return nil
}

// parseListen parses listen addresses.
func parseListen(addrs []string) ([]ma.Multiaddr, error) {
	var out []ma.Multiaddr
	for _, s := range addrs {
		a, err := ma.NewMultiaddr(s)
		if err != nil {
			return nil, fmt.Errorf("p2p: listen address %q: %w (want e.g. /ip4/0.0.0.0/udp/4001/quic-v1)", s, err)
		}
		out = append(out, a)
	}
	return out, nil
}

// parsePeer parses a multiaddr that ends in /p2p/ID.
func parsePeer(s string) (*peer.AddrInfo, error) {
	info, err := peer.AddrInfoFromString(s)
	if err != nil {
		return nil, fmt.Errorf("p2p: peer address %q: %w (want e.g. /ip4/192.0.2.1/udp/4001/quic-v1/p2p/12D3Koo…)", s, err)
	}
	return info, nil
}
