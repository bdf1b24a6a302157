package p2p

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const (
	// maxBook bounds the peers whose addresses are known, maxBookAddrs those of one.
	maxBook      = 256
	maxBookAddrs = 16
	// maxRemembered bounds the peers handed to Config.Remember, and maxRememberedAddrs
	// the addresses of each.
	maxRemembered      = 64
	maxRememberedAddrs = 8
	// maxRecord bounds a signed peer record in bytes.
	maxRecord = 4 << 10
)

// book holds addresses of peers that nobody named: what they sign of themselves, and
// where they were found or reached.
type book struct {
	self  peer.ID
	mu    sync.Mutex
	peers map[peer.ID]*page
}

type page struct {
	envelope []byte // the signed record as it came
	seq      uint64 // of the record
	signed   []ma.Multiaddr
	worked   []ma.Multiaddr // found, or dialled with success; latest first
	member   time.Time      // when it last shared a topic; zero: never; in an earlier run: long ago
	at       time.Time      // last heard of
}

func newBook(self peer.ID) *book { return &book{self: self, peers: make(map[peer.ID]*page)} }

// of returns the page of a peer. The caller holds mu.
func (b *book) of(p peer.ID) *page {
	e := b.peers[p]
	if e == nil {
		if len(b.peers) >= maxBook {
			b.forgetOne()
		}
		e = new(page)
		b.peers[p] = e
	}
	e.at = time.Now()
	return e
}

// forgetOne makes room: whoever was heard of longest ago goes, strangers first.
func (b *book) forgetOne() {
	var oldest peer.ID
	var found *page
	for p, e := range b.peers {
		if found == nil || e.member.Before(found.member) || e.member.Equal(found.member) && e.at.Before(found.at) {
			oldest, found = p, e
		}
	}
	delete(b.peers, oldest)
}

var errRecord = errors.New("p2p: peer record is not its peer's own")

// openRecord checks a signed peer record (libp2p RFC 0003).
func openRecord(data []byte) (*peer.PeerRecord, error) {
	if len(data) > maxRecord {
		return nil, errRecord
	}
	env, rec, err := record.ConsumeEnvelope(data, peer.PeerRecordEnvelopeDomain)
	if err != nil {
		return nil, err
	}
	r, ok := rec.(*peer.PeerRecord)
	if !ok || !r.PeerID.MatchesPublicKey(env.PublicKey) {
		return nil, errRecord
	}
	return r, nil
}

// learn takes in a signed record. It returns the peer, and whether it is new.
func (b *book) learn(data []byte) (peer.ID, bool, error) {
	r, err := openRecord(data)
	if err != nil || r.PeerID == b.self {
		return "", false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.of(r.PeerID)
	if e.envelope != nil && r.Seq <= e.seq {
		return r.PeerID, false, nil
	}
	addrs := slices.DeleteFunc(slices.Clone(r.Addrs), isNowhere)
	changed := !slices.EqualFunc(e.signed, addrs, ma.Multiaddr.Equal)
	e.envelope, e.seq, e.signed = data, r.Seq, addrs[:min(len(addrs), maxBookAddrs)]
	return r.PeerID, changed, nil
}

// isNowhere reports whether an address that somebody tells of himself leads nowhere
// from another machine.
func isNowhere(a ma.Multiaddr) bool {
	return manet.IsIPUnspecified(a) || manet.IsIPLoopback(a)
}

// found notes addresses at which a peer can be reached, as far as is known.
func (b *book) found(p peer.ID, addrs ...ma.Multiaddr) {
	if p == b.self || len(addrs) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.of(p)
	e.worked = ma.Unique(append(slices.Clone(addrs), e.worked...))
	e.worked = e.worked[:min(len(e.worked), maxBookAddrs)]
}

// shares notes that the peer shares a topic.
func (b *book) shares(p peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of(p).member = time.Now()
}

// recalled notes a member of an earlier run: it is remembered on, after all those who were met since, the n-th to be recalled
// behind those before it.
func (b *book) recalled(p peer.ID, n int, addrs ...ma.Multiaddr) {
	b.found(p, addrs...)
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.peers[p]; e != nil && e.member.IsZero() {
		e.member = time.Unix(0, 0).Add(-time.Duration(n))
	}
}

// addrs are the known addresses of a peer.
func (b *book) addrs(p peer.ID) []ma.Multiaddr {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.peers[p]
	if e == nil {
		return nil
	}
	return ma.Unique(append(slices.Clone(e.worked), e.signed...))
}

// record is the signed record of a peer, nil if there is none.
func (b *book) record(p peer.ID) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.peers[p]; e != nil {
		return e.envelope
	}
	return nil
}

func (b *book) forget(p peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.peers, p)
}

// remembered are the addresses, each with its /p2p/ID, of those who shared a topic, the
// latest first.
func (b *book) remembered() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var members []peer.ID
	for p, e := range b.peers {
		if !e.member.IsZero() {
			members = append(members, p)
		}
	}
	slices.SortFunc(members, func(x, y peer.ID) int {
		if c := b.peers[y].member.Compare(b.peers[x].member); c != 0 {
			return c
		}
		return strings.Compare(string(x), string(y))
	})
	out := []string{}
	for _, p := range members[:min(len(members), maxRemembered)] {
		e := b.peers[p]
		addrs := ma.Unique(append(slices.Clone(e.worked), e.signed...))
		for _, a := range addrs[:min(len(addrs), maxRememberedAddrs)] {
			out = append(out, a.String()+"/p2p/"+p.String())
		}
	}
	return out
}
