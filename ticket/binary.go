package ticket

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/multiformats/go-multiaddr"
)

const (
	version    = 1
	sumDomain  = "minikv/ticket/1\n"
	sumLen     = 4
	fixedLen   = 170 // up to the name
	shortest   = fixedLen + 2 + 1 + sumLen
	maxAddrLen = 255
)

func validName(name string) bool {
	return len(name) >= 1 && len(name) <= MaxName && utf8.ValidString(name)
}

func checksum(b []byte) []byte {
	h := sha256.New()
	h.Write([]byte(sumDomain))
	h.Write(b)
	return h.Sum(nil)[:sumLen]
}

func (t *Ticket) marshal() ([]byte, error) {
	if err := t.valid(); err != nil {
		return nil, err
	}
	b := append([]byte{version, byte(t.Rights)}, t.Secret[:]...)
	if t.Rights == Owner {
		b = append(b, t.OwnerSeed[:]...)
	} else {
		b = append(b, t.Owner...)
	}
	var expires uint64
	if !t.Expires.IsZero() {
		expires = uint64(t.Expires.Unix())
	}
	b = binary.BigEndian.AppendUint64(b, expires)
	b = append(b, t.Seed[:]...)
	b = append(b, t.Signature[:]...)
	b = append(append(b, byte(len(t.Name))), t.Name...)
	peers, err := groupAddrs(t.Addrs)
	if err != nil {
		return nil, err
	}
	b = append(b, byte(len(peers)))
	for _, p := range peers {
		b = append(append(b, byte(len(p.id))), p.id...)
		b = append(b, byte(len(p.addrs)))
		for _, a := range p.addrs {
			b = append(append(b, byte(len(a))), a...)
		}
	}
	return append(b, checksum(b)...), nil
}

// peerAddrs are the addresses of one peer, in binary.
type peerAddrs struct {
	id    []byte
	addrs [][]byte
}

func groupAddrs(addrs []string) (peers []peerAddrs, err error) {
	for _, s := range addrs {
		id, addr, err := splitAddr(s)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(peers, func(p peerAddrs) bool { return bytes.Equal(p.id, id) })
		if i < 0 {
			i = len(peers)
			peers = append(peers, peerAddrs{id: id})
		}
		p := &peers[i]
		if len(addr) > 0 && !slices.ContainsFunc(p.addrs, func(a []byte) bool { return bytes.Equal(a, addr) }) {
			p.addrs = append(p.addrs, addr)
		}
		if len(peers) > MaxPeers || len(p.addrs) > MaxAddrs {
			return nil, fmt.Errorf("ticket: more than %d peers, or %d addresses of one", MaxPeers, MaxAddrs)
		}
	}
	for _, p := range peers {
		if len(p.addrs) == 0 {
			return nil, fmt.Errorf("ticket: a peer without an address")
		}
	}
	return peers, nil
}

// splitAddr takes the peer id off the end of a multiaddr.
func splitAddr(s string) (id, addr []byte, err error) {
	a, err := multiaddr.NewMultiaddr(s)
	if err != nil {
		return nil, nil, fmt.Errorf("ticket: address %q: %w", s, err)
	}
	rest, last := multiaddr.SplitLast(a)
	if last == nil || last.Protocol().Code != multiaddr.P_P2P || len(rest) == 0 {
		return nil, nil, fmt.Errorf("ticket: address %q does not end in /p2p/ID", s)
	}
	id, addr = last.RawValue(), rest.Bytes()
	if len(id) > maxAddrLen || len(addr) > maxAddrLen {
		return nil, nil, fmt.Errorf("ticket: address of %d bytes; it can have %d", len(addr), maxAddrLen)
	}
	return id, addr, nil
}

// joinAddr is the inverse of splitAddr.
func joinAddr(id, addr []byte) (string, error) {
	a, err := multiaddr.NewMultiaddrBytes(addr)
	if err != nil {
		return "", err
	}
	p, err := multiaddr.NewMultiaddrBytes(appendPeer(nil, id))
	if err != nil {
		return "", err
	}
	return a.Encapsulate(p).String(), nil
}

func appendPeer(b, id []byte) []byte {
	b = binary.AppendUvarint(b, multiaddr.P_P2P)
	b = binary.AppendUvarint(b, uint64(len(id)))
	return append(b, id...)
}

func unmarshal(b []byte) (*Ticket, error) {
	switch {
	case len(b) == 0:
		return nil, fmt.Errorf("%w: it ends after its first word", ErrDamaged)
	case b[0] != version:
		if b[0] > version && len(b) > sumLen && bytes.Equal(checksum(b[:len(b)-sumLen]), b[len(b)-sumLen:]) {
			return nil, fmt.Errorf("%w (version %d)", ErrVersion, b[0])
		}
		return nil, fmt.Errorf("%w: its checksum does not fit", ErrDamaged)
	case len(b) < shortest:
		return nil, fmt.Errorf("%w: it is too short, a part is missing", ErrDamaged)
	case !bytes.Equal(checksum(b[:len(b)-sumLen]), b[len(b)-sumLen:]):
		return nil, fmt.Errorf("%w: its checksum does not fit, a part is missing or changed", ErrDamaged)
	}
	t, ok := parse(b[:len(b)-sumLen])
	if !ok {
		return nil, fmt.Errorf("%w: its fields make no sense", ErrDamaged)
	}
	// Addresses have more than one form in binary. Only what this package writes is a ticket.
	if again, err := t.marshal(); err != nil || !bytes.Equal(again, b) {
		return nil, fmt.Errorf("%w: its fields are not in the form they are written in", ErrDamaged)
	}
	return t, nil
}

// parse reads the bytes before the checksum.
func parse(b []byte) (*Ticket, bool) {
	t := &Ticket{Rights: Rights(b[1])}
	copy(t.Secret[:], b[2:])
	if t.Rights == Owner {
		copy(t.OwnerSeed[:], b[34:])
		t.Owner = ed25519.NewKeyFromSeed(t.OwnerSeed[:]).Public().(ed25519.PublicKey)
	} else {
		t.Owner = bytes.Clone(b[34:66])
	}
	if s := binary.BigEndian.Uint64(b[66:]); s > maxExpires {
		return nil, false
	} else if s != 0 {
		t.Expires = time.Unix(int64(s), 0).UTC()
	}
	copy(t.Seed[:], b[74:])
	copy(t.Signature[:], b[106:])
	r := cutter{b: b[fixedLen:], ok: true}
	t.Name = string(r.cut())
	for range r.count(MaxPeers) {
		id := r.cut()
		for range r.count(MaxAddrs) {
			addr, err := joinAddr(id, r.cut())
			if err != nil {
				return nil, false
			}
			t.Addrs = append(t.Addrs, addr)
		}
	}
	return t, r.ok && len(r.b) == 0
}

// maxExpires is the year 9999, the last that time formats can write.
const maxExpires = 253402300799

// cutter takes fields off the front of b until one is missing.
type cutter struct {
	b  []byte
	ok bool
}

func (c *cutter) byte() byte {
	if len(c.b) == 0 {
		c.ok = false
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return v
}

// count reads a number of things, at most that many.
func (c *cutter) count(most int) int {
	n := int(c.byte())
	if n > most {
		c.ok = false
		return 0
	}
	return n
}

// cut reads a length and that many bytes.
func (c *cutter) cut() []byte {
	n := int(c.byte())
	if n > len(c.b) {
		c.ok = false
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}
