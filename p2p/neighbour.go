package p2p

import (
	"net"
	"net/netip"
)

// isNeighbour reports whether packets to an address go there without a router in between, as far as this machine can tell:
// it is a private address on one of its networks. A tunnel is none: what carries it may lead through routers.
func isNeighbour(addr net.Addr) bool {
	ip, ok := ipOf(addr)
	switch {
	case !ok:
		return false
	case ip.IsLoopback(), ip.IsLinkLocalUnicast():
		return true
	case !ip.IsPrivate():
		return false
	}
	all, err := net.Interfaces()
	if err != nil {
		return false
	}
	for _, i := range all {
		if i.Flags&net.FlagPointToPoint == 0 && holds(i, ip) {
			return true
		}
	}
	return false
}

// holds reports whether an address is on the network of an interface.
func holds(i net.Interface, ip netip.Addr) bool {
	addrs, err := i.Addrs()
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.Contains(ip.AsSlice()) {
			return true
		}
	}
	return false
}

func ipOf(addr net.Addr) (netip.Addr, bool) {
	switch a := addr.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap(), a.IP != nil
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap(), a.IP != nil
	}
	return netip.Addr{}, false
}
