package p2p

import (
	"maps"
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Kinds of refusals that a host counts itself; whoever handles messages and streams
// adds its own, see Host.Refuse.
const (
	RefusedEnvelope = "envelope" // a gossip message that is malformed or badly signed
	RefusedStreams  = "streams"  // a stream over Config.MaxStreams
	RefusedFrames   = "frames"   // a frame that took too much memory for too long before it was whole
	RefusedIgnored  = "ignored"  // gossip that was not looked at, as the peer's score is too low
	RefusedGreeting = "greeting" // a greeting, or an address in it, that is malformed or not signed by whom it names
)

// A peer collects points for what is refused of it. Half are forgotten in
// pointsHalf, whether it is connected or not, so that coming back wins nothing. At
// banPoints it is cut off and turned away for banFirst, and for twice as long each
// time again, up to banMost; a peer that behaves for banMost begins anew.
const (
	banPoints  = 100
	pointsHalf = 10 * time.Minute
	banFirst   = 10 * time.Minute
	banMost    = 24 * time.Hour

	// An address from which so many peers were banned within addrMemory is itself turned
	// away, but for peers in good standing, who may sit behind the same router.
	banAddrPeers = 4
	addrMemory   = time.Hour

	// maxConduct and maxKinds bound what is remembered.
	maxConduct = 4096
	maxKinds   = 32
)

// Points that the host gives itself.
const (
	pointsEnvelope = 10
	pointsIgnored  = 5
	pointsFrames   = 2
)

// Conduct is what is remembered of a peer's behaviour, connected or not, since the
// host was started.
type Conduct struct {
	Refusals    map[string]uint64 // by kind; nil: none
	Points      float64           // halving in 10 minutes; 100 are a ban
	BannedUntil time.Time         // zero: not banned now
}

// ledger keeps the conduct of peers.
type ledger struct {
	now   func() time.Time
	mu    sync.Mutex
	peers map[peer.ID]*account
	addrs map[netip.Prefix]*addrRecord
}

type account struct {
	refusals map[string]uint64
	points   float64
	at       time.Time // when points were that many
	bans     int       // so far
	until    time.Time // of the last ban
	last     string    // kind of the refusal that led to it
	good     bool      // has proved to be of use
}

// addrRecord remembers the peers banned at an address.
type addrRecord struct {
	banned map[peer.ID]time.Time // until when
	last   time.Time
}

func newLedger() *ledger {
	return &ledger{now: time.Now, peers: make(map[peer.ID]*account), addrs: make(map[netip.Prefix]*addrRecord)}
}

// of returns the record of a peer, a new one if need be. The caller holds mu.
func (l *ledger) of(p peer.ID) *account {
	r := l.peers[p]
	if r == nil {
		if len(l.peers) >= maxConduct {
			l.forgetOne()
		}
		r = &account{refusals: make(map[string]uint64)}
		l.peers[p] = r
	}
	return r
}

// forgetOne makes room: the least suspicious of some goes, so that fresh identities
// cannot wash out a ban.
func (l *ledger) forgetOne() {
	const look = 16
	now, n := l.now(), 0
	var least peer.ID
	low := math.Inf(1)
	for p, r := range l.peers {
		weight := r.points * decay(now.Sub(r.at))
		if now.Before(r.until) {
			weight += banPoints * float64(1+r.bans)
		}
		if weight < low {
			least, low = p, weight
		}
		if n++; n == look {
			break
		}
	}
	delete(l.peers, least)
}

func decay(d time.Duration) float64 { return math.Exp2(-float64(d) / float64(pointsHalf)) }

// refuse counts n refusals and gives points for all of them together. It reports
// whether the peer is banned from now on.
func (l *ledger) refuse(p peer.ID, kind string, n uint64, points float64) (until time.Time, banned bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, now := l.of(p), l.now()
	if _, known := r.refusals[kind]; known || len(r.refusals) < maxKinds {
		r.refusals[kind] += n
	}
	if now.Sub(r.at) > banMost && now.Sub(r.until) > banMost {
		r.bans = 0
	}
	r.points = r.points*decay(now.Sub(r.at)) + points
	r.at = now
	if points <= 0 || r.points < banPoints || now.Before(r.until) {
		return time.Time{}, false
	}
	r.bans++
	r.until, r.last = now.Add(banTime(r.bans)), kind
	r.good = false
	return r.until, true
}

// bannedAt notes the address of a peer that was banned.
func (l *ledger) bannedAt(p peer.ID, addr ma.Multiaddr) {
	prefix, ok := bannable(addr)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	a := l.addrs[prefix]
	if a == nil || now.Sub(a.last) > addrMemory {
		if len(l.addrs) >= maxConduct {
			clear(l.addrs)
		}
		a = &addrRecord{banned: make(map[peer.ID]time.Time)}
		l.addrs[prefix] = a
	}
	a.last = now
	if len(a.banned) < maxKinds {
		a.banned[p] = l.of(p).until
	}
}

// bannable is the part of an address that one customer of a provider has; false for
// private and relayed addresses, behind which anybody may be.
func bannable(addr ma.Multiaddr) (netip.Prefix, bool) {
	if addr == nil || isRelayed(addr) || !manet.IsPublicAddr(addr) {
		return netip.Prefix{}, false
	}
	ip, err := manet.ToIP(addr)
	if err != nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(ip)
	if !ok {
		return netip.Prefix{}, false
	}
	bits := 32
	if a = a.Unmap(); a.Is6() {
		bits = 64
	}
	prefix, err := a.Prefix(bits)
	return prefix, err == nil
}

// admits reports whether the peer may be connected to; addr is nil before it is known.
func (l *ledger) admits(p peer.ID, addr ma.Multiaddr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, now := l.peers[p], l.now()
	if r != nil && now.Before(r.until) {
		return false
	}
	if r != nil && r.good || len(l.addrs) == 0 {
		return true
	}
	prefix, ok := bannable(addr)
	if !ok {
		return true
	}
	banned := 0
	if a := l.addrs[prefix]; a != nil {
		for _, until := range a.banned {
			if now.Before(until) {
				banned++
			}
		}
	}
	return banned < banAddrPeers
}

// pardon lifts a ban, and tells whether there was one.
func (l *ledger) pardon(p peer.ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.peers[p]
	if r == nil {
		return false
	}
	running := l.now().Before(r.until)
	r.until, r.points = time.Time{}, 0
	for _, a := range l.addrs {
		delete(a.banned, p)
	}
	return running
}

// vouch notes that the peer has proved to be of use.
func (l *ledger) vouch(p peer.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(p).good = true
}

func (l *ledger) conduct(p peer.ID) Conduct {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, now := l.peers[p], l.now()
	if r == nil {
		return Conduct{}
	}
	return r.conduct(now)
}

func (r *account) conduct(now time.Time) Conduct {
	c := Conduct{Points: r.points * decay(now.Sub(r.at))}
	if c.Points < 0.01 {
		c.Points = 0
	}
	if len(r.refusals) > 0 {
		c.Refusals = maps.Clone(r.refusals)
	}
	if now.Before(r.until) {
		c.BannedUntil = r.until
	}
	return c
}

// banned are the peers that are turned away now.
func (l *ledger) banned() []peer.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []peer.ID
	now := l.now()
	for p, r := range l.peers {
		if now.Before(r.until) {
			out = append(out, p)
		}
	}
	return out
}

// Refuse counts n refusals of something that came from the peer, under a name for its
// kind, and gives it points for all of them together: 0 for what an honest peer may
// send, too. At 100 points, half of which are forgotten in 10 minutes, the peer is
// disconnected and turned away for 10 minutes, longer each time. An id that is none is
// ignored.
func (h *Host) Refuse(id, kind string, n uint64, points float64) {
	p, err := peer.Decode(id)
	if err != nil || n == 0 || p == h.id {
		return
	}
	h.refuse(p, kind, n, points)
}

func (h *Host) refuse(p peer.ID, kind string, n uint64, points float64) {
	until, banned := h.ledger.refuse(p, kind, n, points)
	if !banned {
		return
	}
	h.bansChanged()
	h.proofs.forget(p)
	h.log.Warn("a peer is turned away for what was refused of it", "peer", p, "until", until.Format(time.RFC3339), "last", kind)
	for _, c := range h.host.Network().ConnsToPeer(p) {
		h.ledger.bannedAt(p, c.RemoteMultiaddr())
	}
	// Not from here: the caller may hold a lock that ending the connection waits for.
	h.goRun(func() { _ = h.host.Network().ClosePeer(p) })
}

// Vouch notes that the peer has proved to be of use: it is let in although others at
// its address are banned. An id that is none is ignored.
func (h *Host) Vouch(id string) {
	if p, err := peer.Decode(id); err == nil {
		h.ledger.vouch(p)
	}
}

// Conduct returns what is remembered of a peer's behaviour, connected or not.
func (h *Host) Conduct(id string) Conduct {
	p, err := peer.Decode(id)
	if err != nil {
		return Conduct{}
	}
	return h.ledger.conduct(p)
}

// Banned are the ids of the peers that are turned away now, in no order.
func (h *Host) Banned() []string {
	var out []string
	for _, p := range h.ledger.banned() {
		out = append(out, p.String())
	}
	return out
}
