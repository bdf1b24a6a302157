package property_test

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// act makes one random operation on one random process.
func (w *world) act() {
	up := w.writersUp()
	if len(up) == 0 {
		return
	}
	if readers := w.readersUp(); len(readers) > 0 && w.chance(0.05) {
		p := pick(w, readers)
		p.collect()
		p.settle()
		return
	}
	p := pick(w, up)
	w.tally[cOps]++
	key := w.key()
	switch n := w.rng.IntN(100); {
	case n < 28:
		p.put(key, 0)
	case n < 38:
		p.put(key, w.ttl())
	case n < 52:
		p.write(replica.Write{Key: key, Delete: true})
	case n < 57:
		p.reexpire(key)
	case n < 64:
		p.batch()
	case n < 72:
		p.claim(key)
	case n < 80:
		p.renewOne()
	case n < 84:
		p.releaseOne()
	case n < 92:
		p.fenced()
	default:
		p.collect()
	}
	p.acknowledge()
}

func (w *world) key() string { return fmt.Sprint("k", w.rng.IntN(w.plan.keys)) }

func (w *world) value() []byte {
	if w.plan.big && w.chance(0.05) {
		return bytes.Repeat([]byte{byte(w.rng.Uint32())}, replica.MaxGossipValue+1+w.rng.IntN(20<<10))
	}
	return []byte(fmt.Sprint("v", w.rng.IntN(1000)))
}

func (w *world) ttl() time.Duration {
	return time.Millisecond + w.exp(pick(w, []time.Duration{10, 300, 3000})*time.Millisecond)
}

// acknowledge tells the client of a write that it is done.
func (p *process) acknowledge() {
	if !p.w.plan.lazy || p.w.chance(0.1) {
		p.sync()
	}
	p.settle()
}

func (p *process) put(key string, ttl time.Duration) {
	w := replica.Write{Key: key, Value: p.w.value()}
	if ttl > 0 {
		w.Expires = p.rep.Now(p.instant()).Add(ttl)
	}
	p.write(w)
}

// reexpire gives a value another expiry, or none.
func (p *process) reexpire(key string) {
	r := p.rep.Map().Get(lwwmap.Data, key)
	if r.IsZero() || r.Dead(p.rep.Now(p.instant())) {
		return
	}
	w := replica.Write{Key: key, Value: r.Value()}
	if p.w.chance(0.5) {
		w.Expires = p.rep.Now(p.instant()).Add(p.w.ttl())
	}
	p.write(w)
}

func (p *process) batch() {
	for range 2 + p.w.rng.IntN(5) {
		p.write(replica.Write{Key: p.w.key(), Value: p.w.value(), Delete: p.w.chance(0.2)})
	}
}

// write makes a plain write. It must be refused under a live lease, and only
// then, or by the disk.
func (p *process) write(wr replica.Write) {
	w := p.w
	if wr.Delete {
		wr.Value = nil
	}
	_, _, locked := p.rep.LeaseOn(p.instant(), wr.Key)
	before := p.rep.Map().Context().Count()
	now, _, err := p.rep.Write(p.instant(), wr)
	w.note("write", p.index, uint64(len(wr.Value)))
	w.tell("%s writes %s: %v", p.name, show(now), err)
	switch {
	case err == nil && locked:
		w.fail("%s writes %q under a live lease", p.name, wr.Key)
	case err == nil:
		if held := p.rep.Map().Get(lwwmap.Data, wr.Key); held != now {
			w.fail("%s wrote %s but holds %s", p.name, show(now), show(held))
		}
	case errors.Is(err, replica.ErrLocked) && locked:
		w.tally[cLocked]++
	case errors.Is(err, errDisk) && p.faulty:
		w.tally[cDisk]++
	default:
		w.fail("%s cannot write %q: %v", p.name, wr.Key, err)
	}
	if err != nil && p.rep.Map().Context().Count() > before {
		w.fail("%s refused a write, yet its context grew", p.name)
	}
}

// collect forgets tombstones at a random age.
func (p *process) collect() {
	w := p.w
	now := p.rep.Now(p.instant())
	n := p.rep.Map().Collect(now.Add(-w.exp(500*time.Millisecond)), 1+w.rng.IntN(4))
	w.tally[cCollect] += n
	p.noisy = true
	w.note("collect", p.index, uint64(n))
	w.tell("%s collects %d tombstones", p.name, n)
}

// handle is a lease that a client on this process believes to hold.
type handle struct {
	key     string
	token   lwwmap.Token
	ttl     time.Duration
	renewed time.Duration
}

// held drops the leases that their holders give up by themselves, because they
// did not renew them in time, and returns the others.
func (p *process) held() []*handle {
	kept := p.leases[:0]
	for _, h := range p.leases {
		if p.w.now-h.renewed < h.ttl-replica.LeaseMargin(h.ttl) {
			kept = append(kept, h)
		}
	}
	p.leases = kept
	return kept
}

// claim takes a lease on a key. It must be refused while one is live here, and
// only then; and its token must be above all that this replica has seen.
func (p *process) claim(key string) {
	w := p.w
	known, _, live := p.rep.LeaseOn(p.instant(), key)
	w.nonce++
	token, err := p.rep.Claim(p.instant(), key, w.nonce, w.plan.leaseTTL, nil)
	w.note("claim", p.index, token.Epoch(), uint64(token.Claim()))
	w.tell("%s claims %q: %s %v", p.name, key, token, err)
	switch {
	case err == nil && live:
		w.fail("%s took the lease on %q although one is live", p.name, key)
	case err == nil:
		if token.Compare(known.Token) <= 0 {
			w.fail("%s claims %q with token %s, but the last was %s", p.name, key, token, known.Token)
		}
		w.tally[cClaims]++
		p.leases = append(p.leases, &handle{key: key, token: token, ttl: w.plan.leaseTTL, renewed: w.now})
	case errors.Is(err, replica.ErrLocked) && live:
		w.tally[cLocked]++
	case errors.Is(err, errDisk) && p.faulty:
		w.tally[cDisk]++
	default:
		w.fail("%s cannot claim %q: %v", p.name, key, err)
	}
}

func (p *process) renewOne() {
	if held := p.held(); len(held) > 0 {
		p.renew(pick(p.w, held))
	}
}

// renew says whether the lease still stands.
func (p *process) renew(h *handle) bool {
	w := p.w
	token, err := p.rep.Renew(p.instant(), h.key, h.token, h.ttl, nil)
	w.note("renew", p.index, token.Epoch(), uint64(token.Claim()))
	w.tell("%s renews %q: %s %v", p.name, h.key, token, err)
	switch {
	case err == nil:
		if token.Compare(h.token) < 0 {
			w.fail("%s renews %q and its token falls from %s to %s", p.name, h.key, h.token, token)
		}
		if info, _, live := p.rep.LeaseOn(p.instant(), h.key); !live || info.Token != token {
			w.fail("%s renewed %q as %s, but there the lease is %s", p.name, h.key, token, info.Token)
		}
		h.token, h.renewed = token, w.now
		w.tally[cRenewals]++
	case errors.Is(err, replica.ErrLeaseLost):
		w.tally[cLeaseLost]++
		p.drop(h)
	case errors.Is(err, errDisk) && p.faulty:
		w.tally[cDisk]++
	default:
		w.fail("%s cannot renew %q: %v", p.name, h.key, err)
	}
	return err == nil
}

func (p *process) drop(h *handle) {
	for i, o := range p.leases {
		if o == h {
			p.leases = append(p.leases[:i:i], p.leases[i+1:]...)
			return
		}
	}
}

func (p *process) releaseOne() {
	held := p.held()
	if len(held) == 0 {
		return
	}
	w, h := p.w, pick(p.w, held)
	err := p.rep.Release(p.instant(), h.key, h.token)
	w.tell("%s releases %q: %v", p.name, h.key, err)
	if err != nil && !(errors.Is(err, errDisk) && p.faulty) {
		w.fail("%s cannot release %q: %v", p.name, h.key, err)
	}
	if err == nil {
		w.tally[cReleases]++
		p.drop(h)
	}
}

// rivalWrote says whether the key holds an entry under a later lease of that
// key, or one written by someone who knew of such a lease. The record itself may
// not have come yet; when it comes, it ends the claim.
func (w *world) rivalWrote(p *process, h *handle) bool {
	fence, _ := p.rep.Map().Get(lwwmap.Data, h.key).Fence()
	for _, o := range w.book.bySlot[w.book.slot(slotKey{lwwmap.Lease, h.key})] {
		if string(o.rank[:lwwmap.TokenSize]) >= string(fence[:]) && fence.Compare(h.token) > 0 {
			return true
		}
	}
	return false
}

// fenced writes under a lease. It must be accepted exactly while this replica
// knows of no higher token for the key.
func (p *process) fenced() {
	held := p.held()
	if len(held) == 0 {
		return
	}
	w, h := p.w, pick(p.w, held)
	info, _, _ := p.rep.LeaseOn(p.instant(), h.key)
	now, _, err := p.rep.Write(p.instant(), replica.Write{Key: h.key, Value: w.value(), Fence: h.token, Delete: w.chance(0.1)})
	w.note("fenced", p.index)
	w.tell("%s writes under its lease %s: %s %v", p.name, h.token, show(now), err)
	switch {
	case err == nil:
		w.tally[cFenced]++
		if info.Released || info.Token.Claim() != h.token.Claim() {
			w.fail("%s writes under lease %s, but the lease on %q is %s", p.name, h.token, h.key, info.Token)
		}
		// The write may have lifted the lease above a bare fence.
		after, _, _ := p.rep.LeaseOn(p.instant(), h.key)
		lifted := after.Token.Claim() == info.Token.Claim() && after.Token.Compare(info.Token) >= 0
		if fence, base := now.Fence(); !lifted || fence != after.Token || base != now.Stamp() {
			w.fail("%s writes under lease %s, but the entry is %s", p.name, info.Token, show(now))
		}
	case errors.Is(err, replica.ErrLeaseLost):
		if claimStands := info.Token.Claim() == h.token.Claim() && info.Token.Owner() == h.token.Owner() && !info.Released; claimStands && !w.rivalWrote(p, h) {
			w.fail("%s cannot write under its lease on %q, though its claim stands: %v", p.name, h.key, err)
		}
		w.tally[cLeaseLost]++
		p.drop(h)
	case errors.Is(err, errDisk) && p.faulty:
		w.tally[cDisk]++
	default:
		w.fail("%s cannot write under its lease on %q: %v", p.name, h.key, err)
	}
}
