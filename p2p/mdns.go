package p2p

import (
	"context"
	crand "crypto/rand"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/zeroconf/v2"
	ma "github.com/multiformats/go-multiaddr"
)

// mdns announces the host on the local network and looks for others (DNS-SD, RFC 6763;
// the same records as libp2p's own service). That one asks all hosts again every minute,
// and each answers to all: a mesh of eight hears 180 KB a minute of it. Here a host asks
// when it starts, when its addresses have changed, and while it is alone; whoever comes
// later asks itself, and finds those who are there.
type mdns struct {
	h     *Host
	name  string // of the announcement, drawn
	found found
	wake  chan struct{} // capacity 1: ask now

	mu     sync.Mutex
	server *zeroconf.Server
	closed bool
}

const (
	mdnsDomain = "local."
	dnsaddr    = "dnsaddr="
	mdnsPort   = 4001 // the records demand one; hosts read the addresses alone

	// A host asks for askFor at a time, again every askAlone while nobody is connected. In
	// company it asks once, listening for askOnce, every askCalm for each connected peer:
	// they tell each other whom they find, so one of them every askCalm is enough, and all
	// on the network answer so that all hear it, a kilobyte or two each.
	askFor   = 10 * time.Second
	askAlone = 30 * time.Second
	askOnce  = 3 * time.Second // zeroconf repeats itself after 4 s
	askCalm  = 30 * time.Minute
)

func newMDNS(h *Host) *mdns {
	return &mdns{h: h, name: strings.ToLower(crand.Text() + crand.Text()[:10]), found: newFound(h), wake: make(chan struct{}, 1)}
}

// start announces the host and begins to look for others.
func (m *mdns) start() error {
	err := m.announce()
	m.h.goRun(m.run)
	return err
}

// announce tells the network of the host's present addresses, and notes whether it could.
func (m *mdns) announce() error {
	err := m.register()
	m.h.mdnsFailed.Store(err != nil)
	return err
}

func (m *mdns) register() error {
	addrs, err := m.h.host.Network().InterfaceListenAddresses()
	if err != nil {
		return err
	}
	var texts, ips []string
	for _, a := range addrs {
		first, _ := ma.SplitFirst(a)
		if first == nil || isRelayed(a) || first.Code() != ma.P_IP4 && first.Code() != ma.P_IP6 {
			continue
		}
		texts = append(texts, dnsaddr+a.String()+"/p2p/"+m.h.name)
		ips = append(ips, first.Value())
	}
	if len(texts) == 0 {
		return errors.New("the host listens nowhere")
	}
	server, err := zeroconf.RegisterProxy(m.name, m.h.cfg.MDNSService, mdnsDomain, mdnsPort, m.name, ips, texts, nil)
	if err != nil {
		return err
	}
	m.mu.Lock()
	old := m.server
	m.server = server
	if m.closed {
		old, m.server = server, nil
	}
	m.mu.Unlock()
	if old != nil {
		old.Shutdown()
	}
	return nil
}

// renew is told that the host's addresses have changed.
func (m *mdns) renew() {
	if err := m.announce(); err != nil {
		m.h.log.Debug("mDNS does not announce the new addresses", "err", err)
	}
	poke(m.wake)
}

func (m *mdns) run() {
	for listen := askFor; m.h.ctx.Err() == nil; {
		m.ask(listen)
		listen = m.pause()
	}
}

// pause waits until it is time to ask again, and returns for how long to.
func (m *mdns) pause() (listen time.Duration) {
	asked, share := time.Now(), 0.75+rand.Float64()/2 // hosts that started together do not all ask at once
	for {
		t := time.NewTimer(askAlone)
		select {
		case <-t.C:
		case <-m.wake:
			t.Stop()
			return askFor
		case <-m.h.ctx.Done():
			t.Stop()
			return 0
		}
		peers := len(m.h.host.Network().Peers())
		if peers == 0 {
			return askFor
		}
		if time.Since(asked) > time.Duration(share*float64(peers)*float64(askCalm)) {
			return askOnce
		}
	}
}

// ask asks who is there, and dials them.
func (m *mdns) ask(listen time.Duration) {
	ctx, cancel := context.WithTimeout(m.h.ctx, listen)
	defer cancel()
	entries := make(chan *zeroconf.ServiceEntry, 1000)
	var wg sync.WaitGroup
	wg.Go(func() {
		for { // the channel is not closed where there is no multicast
			select {
			case e, ok := <-entries:
				if !ok {
					return
				}
				m.take(e)
			case <-ctx.Done():
				return
			}
		}
	})
	if err := zeroconf.Browse(ctx, m.h.cfg.MDNSService, mdnsDomain, entries); err != nil && ctx.Err() == nil {
		m.h.log.Debug("mDNS does not ask", "err", err)
		sleep(ctx, listen)
	}
	wg.Wait()
}

// take reads an announcement.
func (m *mdns) take(e *zeroconf.ServiceEntry) {
	var addrs []ma.Multiaddr
	for _, text := range e.Text[:min(len(e.Text), 2*maxBookAddrs)] {
		if s, ok := strings.CutPrefix(text, dnsaddr); ok {
			if a, err := ma.NewMultiaddr(s); err == nil {
				addrs = append(addrs, a)
			}
		}
	}
	infos, err := peer.AddrInfosFromP2pAddrs(addrs...)
	if err != nil {
		return
	}
	for _, info := range infos {
		m.h.goRun(func() { m.found.take(info, func() bool { return true }) })
	}
}

// Close implements io.Closer.
func (m *mdns) Close() error {
	m.mu.Lock()
	server := m.server
	m.closed, m.server = true, nil
	m.mu.Unlock()
	if server != nil {
		server.Shutdown()
	}
	return nil
}
