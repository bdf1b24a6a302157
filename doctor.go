package minikv

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/minikv/minikv/p2p"
)

// CheckState says how a [Check] came out.
type CheckState string

// States of a check.
const (
	CheckOK      CheckState = "ok"
	CheckOff     CheckState = "off"     // not asked for
	CheckNote    CheckState = "note"    // works in part, or it is too early to say
	CheckProblem CheckState = "problem" // does not work: see the advice
)

// Check is one thing that [Node.Doctor] looked at.
type Check struct {
	Name   string // such as "relay", one word or two, the same in all versions
	State  CheckState
	Found  string // what is the case
	Advice string // what to do; empty where there is nothing to do
}

// Doctor says what of the ways to other nodes works on this network, and of what the node needs of its
// machine, and what to do about the rest. It looks at what is known by now, and sends nothing: right after the start
// that is little. [ErrClosed] after Close.
func (n *Node) Doctor(ctx context.Context) ([]Check, error) {
	if _, err := n.open(ctx); err != nil {
		return nil, &Error{Op: "doctor", Err: err}
	}
	d := &doctor{n: n}
	if n.host == nil {
		d.add("network", CheckOff, "the node is offline: it neither listens nor dials", "give Config.Listen or Config.Bootstrap to share with others")
	} else {
		d.network(n.host.State())
		peers := n.Peers()
		d.peers(peers)
		d.registries(peers)
	}
	d.room()
	d.disk()
	return d.checks, nil
}

// doctor gathers checks.
type doctor struct {
	n      *Node
	checks []Check
}

func (d *doctor) add(name string, state CheckState, found, advice string) {
	d.checks = append(d.checks, Check{Name: name, State: state, Found: found, Advice: advice})
}

func (d *doctor) network(s p2p.State) {
	d.listening(s)
	d.ipv6(s)
	d.lan(s)
	d.mapping(s)
	d.reachability(s)
	d.relays(s)
	d.dht(s)
}

func (d *doctor) listening(s p2p.State) {
	switch {
	case len(s.Listening) == 0:
		d.add("listening", CheckNote, "nowhere: this node dials others, and nobody can dial it", "give an address to listen on (--listen, Config.Listen)")
	case len(s.Interfaces) == 0:
		d.add("listening", CheckProblem, "on "+strings.Join(s.Listening, ", ")+", but this machine has no address other than its own loopback", "connect it to a network")
	case !slices.ContainsFunc(s.Listening, isAbroad):
		d.add("listening", CheckNote, "on "+strings.Join(s.Listening, ", ")+": nodes on this machine alone can dial it", "give an address of another interface, or of all (--listen /ip4/0.0.0.0/tcp/7420)")
	default:
		d.add("listening", CheckOK, "on "+strings.Join(s.Listening, ", "), "")
	}
}

// isAbroad reports whether other machines can reach a listen address.
func isAbroad(addr string) bool {
	m, err := ma.NewMultiaddr(addr)
	return err == nil && !manet.IsIPLoopback(m)
}

func (d *doctor) ipv6(s p2p.State) {
	listens := slices.ContainsFunc(s.Listening, func(a string) bool { return strings.HasPrefix(a, "/ip6/") })
	has := slices.ContainsFunc(s.Interfaces, func(a string) bool { return strings.Contains(a, ":") })
	switch {
	case listens && has:
		d.add("ipv6", CheckOK, "this machine has an IPv6 address, and the node listens on it", "")
	case has:
		d.add("ipv6", CheckNote, "this machine has an IPv6 address, on which the node does not listen", "add /ip6/::/tcp/7420 and /ip6/::/udp/7420/quic-v1: where both sides have IPv6 there is often no NAT between them")
	default:
		d.add("ipv6", CheckNote, "this machine has no IPv6 address beyond its own link", "")
	}
}

func (d *doctor) lan(s p2p.State) {
	switch {
	case s.Discovery == p2p.DiscoveryNone:
		d.add("mdns", CheckOff, "not asked for: nodes on this network are not found by themselves", "--discovery lan, or name them")
	case !s.MDNS:
		d.add("mdns", CheckProblem, "it could not start, as where there is no multicast", "name nodes on this network by --peer")
	default:
		d.add("mdns", CheckOK, "nodes on this network find each other", "")
	}
}

func (d *doctor) mapping(s p2p.State) {
	switch {
	case s.Discovery == p2p.DiscoveryNone:
		d.add("port mapping", CheckOff, "not asked for", "")
	case slices.ContainsFunc(s.Mapped, isPublic):
		d.add("port mapping", CheckOK, "the router leads "+strings.Join(s.Mapped, ", ")+" here", "")
	case len(s.Mapped) > 0:
		d.add("port mapping", CheckNote, "the router leads "+strings.Join(s.Mapped, ", ")+" here, but is itself behind another one", "if you can, have the other router map ports, too; else a relay helps (--relay)")
	case hasPublicIP(s.Interfaces):
		d.add("port mapping", CheckOff, "not needed: this machine has a public address", "")
	default:
		d.add("port mapping", CheckNote, "no router here has mapped a port (UPnP, NAT-PMP)", "if you can, turn it on at the router, or forward the node's port there")
	}
}

// hasPublicIP reports whether others elsewhere can send to one of the addresses. Beside a private IPv4 address a public IPv6
// one does not count: those who have IPv4 alone do not reach it.
func hasPublicIP(ips []string) bool {
	four := slices.DeleteFunc(slices.Clone(ips), func(s string) bool { return strings.Contains(s, ":") })
	if len(four) > 0 {
		return slices.ContainsFunc(four, func(s string) bool { return isPublic("/ip4/" + s) })
	}
	return slices.ContainsFunc(ips, func(s string) bool { return isPublic("/ip6/" + s) })
}

// isPublic reports whether a multiaddr begins with an address that all can send to; those of carriers' networks and of most
// VPNs (100.64.0.0/10) are none.
func isPublic(addr string) bool {
	m, err := ma.NewMultiaddr(addr)
	return err == nil && manet.IsPublicAddr(m)
}

func (d *doctor) reachability(s p2p.State) {
	const name = "reachability"
	switch {
	case s.Discovery == p2p.DiscoveryNone:
		d.add(name, CheckOff, "not asked of anyone, as discovery is none", "")
	case len(s.Reachable) > 0:
		d.add(name, CheckOK, "from outside, others have dialled "+strings.Join(s.Reachable, ", "), "")
	case len(s.Unreachable) > 0:
		d.add(name, CheckProblem, "from outside, others could not dial "+strings.Join(s.Unreachable, ", "), "forward the node's port at the router or the firewall, or use a relay (--relay)")
	case len(s.Observed) > 0 && !isOwn(s.Observed, s.Interfaces):
		what := "a hole can be punched to peers reached through a relay"
		if s.Symmetric {
			what = "it uses another port for each destination (symmetric NAT), so hardly any hole can be punched, and peers elsewhere are reached through relays"
		} else if !s.Puncher {
			what = "no hole can be punched yet"
		}
		d.add(name, CheckNote, "behind a router that others see as "+strings.Join(s.Observed, ", ")+"; "+what, "if peers elsewhere do not reach this node, use a relay (--relay)")
	default:
		d.add(name, CheckNote, "not known: no peer outside this network is connected that could tell", "")
	}
}

// isOwn reports whether all addresses are those of the machine's interfaces.
func isOwn(addrs, ips []string) bool {
	return !slices.ContainsFunc(addrs, func(a string) bool {
		parts := strings.SplitN(a, "/", 4) // "", ip4 or ip6, address, rest
		return len(parts) < 3 || !slices.Contains(ips, parts[2])
	})
}

func (d *doctor) relays(s p2p.State) {
	named := len(d.n.cfg.Relays)
	switch {
	case len(s.Relays) > 0:
		d.add("relay", CheckOK, "others reach this node through "+strings.Join(s.Relays, ", "), "")
	case s.Relay != p2p.RelayNobody:
		d.add("relay", CheckOff, "not needed: this node is one itself", "")
	case named > 0:
		d.add("relay", CheckProblem, noRelay(named), "check that they run with --relay-service, can be dialled, and, if they are for members, that they share a registry with this node")
	case s.RelayPeers > 0:
		d.add("relay", CheckNote, fmt.Sprintf("%d connected peers are relays; none of them has a place for this node", s.RelayPeers), "")
	default:
		d.add("relay", CheckOff, "none named, and no connected peer is one", "name one with --relay if nodes elsewhere do not reach this one; any node that can be dialled from everywhere is one with --relay-service, and --discovery dht --bootstrap ipfs finds some that serve anyone")
	}
	switch {
	case s.Relay == p2p.RelayNobody:
	case !slices.ContainsFunc(s.Addresses, isPublic):
		d.add("relay service", CheckNote, "for "+s.Relay.String()+"; this node has no public address, so nodes get no address through it to tell others", "on a VPN, name the whole address through it (ADDR/p2p-circuit/p2p/ID, --peer); else run the relay where it has a public address")
	default:
		d.add("relay service", CheckOK, "for "+s.Relay.String(), "")
	}
}

func noRelay(named int) string {
	if named == 1 {
		return "the named relay has no place for this node"
	}
	return fmt.Sprintf("none of the %d named relays has a place for this node", named)
}

func (d *doctor) dht(s p2p.State) {
	switch {
	case s.DHT < 0:
		d.add("dht", CheckOff, "not asked for", "")
	case s.DHT == 0 && len(d.n.cfg.DHTPeers) == 0 && !d.n.cfg.DHTPublic:
		d.add("dht", CheckOK, "waiting for others: they name this node with --bootstrap", "")
	case s.DHT == 0:
		d.add("dht", CheckProblem, "none of its nodes is reached", "check the addresses given with --bootstrap")
	default:
		d.add("dht", CheckOK, fmt.Sprintf("%d of its nodes are known", s.DHT), "")
	}
}

func (d *doctor) peers(peers []PeerInfo) {
	s := d.n.host.State()
	if s.NamedUp < s.Named {
		d.add("named peers", CheckProblem, fmt.Sprintf("%d of %d are connected", s.NamedUp, s.Named), "check that the others run, and that their addresses and peer ids are right")
	} else if s.Named > 0 {
		d.add("named peers", CheckOK, fmt.Sprintf("all %d are connected", s.Named), "")
	}
	count := map[PeerPath]int{}
	skewed, banned := []string{}, []string{}
	for _, p := range peers {
		if p.Connected {
			count[p.Path]++
		}
		if p.ClockSkew.Abs() > d.n.cfg.MaxClockSkew/2 {
			skewed = append(skewed, fmt.Sprintf("%s by %v", p.ID, p.ClockSkew.Round(time.Millisecond)))
		}
		if !p.BannedUntil.IsZero() {
			banned = append(banned, string(p.ID))
		}
	}
	if n := count[PathDirect] + count[PathRelayed] + count[PathPunched]; n > 0 {
		d.add("peers", CheckOK, fmt.Sprintf("%d connected: %d directly, %d through punched holes, %d through relays", n, count[PathDirect], count[PathPunched], count[PathRelayed]), "")
	} else {
		d.add("peers", CheckNote, "none connected", "")
	}
	if len(skewed) > 0 {
		d.add("clock", CheckProblem, "the clocks of these peers are ahead of this one's (behind, if negative): "+strings.Join(skewed, ", "), "set the wrong clock right, best by NTP: writes stamped more than "+d.n.cfg.MaxClockSkew.String()+" ahead are refused")
	} else {
		d.add("clock", CheckOK, "no peer's is known to be far from this one's", "")
	}
	if len(banned) > 0 {
		d.add("banned", CheckNote, "turned away for what was refused of them: "+strings.Join(banned, ", "), "'minikv peers' says what; connecting to one lifts its ban")
	}
}

// room looks at what registries take of what they may.
func (d *doctor) room() {
	most := d.n.cfg.MaxBytes
	if most == 0 {
		return
	}
	open, err := d.n.open(context.Background())
	if err != nil {
		return // closed meanwhile
	}
	crowded := []string{}
	for _, r := range open {
		if m := r.Metrics(); m.Weight > most/100*lowRoom {
			crowded = append(crowded, fmt.Sprintf("%q takes %.1f of %d MiB, and %d entries of peers were refused", r.name, float64(m.Weight)/(1<<20), most>>20, m.RefusedFull))
		}
	}
	if len(crowded) == 0 {
		d.add("room", CheckOK, fmt.Sprintf("no registry comes near its limit of %d MiB", most>>20), "")
		return
	}
	slices.Sort(crowded)
	d.add("room", CheckProblem, strings.Join(crowded, "; "), "delete what is not needed, or allow more with --max-mib (Config.MaxBytes) on all nodes; 'minikv peers' says of whom entries were refused")
}

// lowRoom is the part of Config.MaxBytes, in hundredths, above which doctor warns; a single writer may have two thirds.
const lowRoom = 60

// lowDisk is the free space in bytes below which doctor warns; at 64 MiB writes are refused.
const lowDisk = 1 << 30

func (d *doctor) disk() {
	if d.n.store() == nil {
		d.add("disk", CheckOff, "the node is in memory", "")
		return
	}
	if err := d.n.store().Writable(); err != nil {
		d.add("disk", CheckProblem, err.Error(), "make room, or open the node again after a failure of the disk")
	} else if free, err := d.n.store().Free(); err == nil && free < lowDisk {
		d.add("disk", CheckNote, fmt.Sprintf("%d MiB are free in %s; below 64 MiB writes are refused", free>>20, d.n.dir), "make room")
	} else if err == nil {
		d.add("disk", CheckOK, fmt.Sprintf("%d MiB are free in %s", free>>20, d.n.dir), "")
	}
	info, err := os.Stat(d.n.dir)
	switch {
	case err != nil:
		d.add("directory", CheckProblem, err.Error(), "the node's directory has to stay where it is while the node runs")
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		d.add("directory", CheckNote, fmt.Sprintf("others may look into %s (mode %04o)", d.n.dir, info.Mode().Perm()), "chmod 700 "+d.n.dir+", unless they are meant to")
	default:
		d.add("directory", CheckOK, d.n.dir+" is for its owner alone", "")
	}
}
