package p2p

import (
	"errors"
	"net/netip"
	"time"

	natpmp "github.com/jackpal/go-nat-pmp"
)

// NAT-PMP (RFC 6886): the router by which packets leave is asked what its outside address is, and to lead ports here for a time.
const (
	// pmpLife is for how long, as the RFC recommends, and pmpEvery how often it is renewed: sooner than need be, for a router
	// that has started anew has forgotten it. A router may grant less; half of that is waited then (section 3.3), but
	// pmpLeast at least.
	pmpLife  = 2 * time.Hour
	pmpEvery = 10 * time.Minute
	pmpLeast = 5 * time.Second
	// pmpPatience is how long the router has to answer; it is asked three times.
	pmpPatience = time.Second
)

var errNoMapping = errors.New("the router maps nothing")

// byNATPMP has ports mapped until that works no more, or the network is another one. It reports whether it worked.
func (m *portMapper) byNATPMP() (worked bool) {
	gateway, _ := way()
	if gateway == nil {
		return false
	}
	at, router := whereabouts(), natpmp.NewClientWithTimeout(gateway, pmpPatience)
	defer m.setNATPMP(nil)
	for m.ctx.Err() == nil {
		pause, err := m.askNATPMP(router)
		if err != nil {
			m.log.Debug("no port mapped by NAT-PMP", "router", gateway, "err", err)
			return worked
		}
		worked = true
		if m.wait(pause) && at != whereabouts() { // woken on the same network it asks again: the machine may have slept
			m.anew()
			return worked
		}
	}
	for k := range m.pmp { // nobody else writes it
		if _, err := router.AddPortMapping(k.protocol, k.port, 0, 0); err != nil {
			break
		}
	}
	return worked
}

// askNATPMP has the ports mapped for pmpLife: to the same port outside as before, or as here, if that is free. It returns
// after what pause to ask again.
func (m *portMapper) askNATPMP(router *natpmp.Client) (pause time.Duration, err error) {
	outside, err := router.GetExternalAddress()
	if err != nil {
		return 0, err
	}
	pause = pmpEvery
	ip, mapped := netip.AddrFrom4(outside.ExternalIPAddress), map[portKey]netip.AddrPort{}
	for _, k := range m.ports() {
		want := k.port
		if was := m.pmp[k]; was.IsValid() {
			want = int(was.Port())
		}
		r, err := router.AddPortMapping(k.protocol, k.port, want, int(pmpLife.Seconds()))
		if err == nil && r.PortMappingLifetimeInSeconds == 0 {
			err = errNoMapping
		}
		if err != nil {
			m.log.Debug("a port was not mapped by NAT-PMP", "protocol", k.protocol, "port", k.port, "err", err)
			continue
		}
		pause = min(pause, max(pmpLeast, time.Duration(r.PortMappingLifetimeInSeconds)*time.Second/2))
		mapped[k] = netip.AddrPortFrom(ip, r.MappedExternalPort)
	}
	if len(mapped) == 0 || ip.IsUnspecified() {
		return 0, errNoMapping
	}
	m.setNATPMP(mapped)
	return pause, nil
}

func (m *portMapper) setNATPMP(mapped map[portKey]netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pmp = mapped
}
