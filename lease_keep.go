package minikv

import (
	"time"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// keep renews the lease until it ends.
func (l *Lease) keep() {
	timer := time.NewTimer(l.untilNext())
	defer timer.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-l.moved:
			timer.Reset(l.untilNext())
			continue
		case <-l.soon:
		case <-timer.C:
		}
		if !l.step() {
			return
		}
		timer.Reset(l.untilNext())
	}
}

// untilNext is the time to the next step: to the renewal or, if that is due and has failed, to the next
// attempt.
func (l *Lease) untilNext() time.Duration {
	now := time.Since(l.r.node.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	left := max(l.left(now), 0)
	if l.opts.noRenew {
		return left
	}
	if next := l.renewed.Mono + l.ttl/3 - now; next > 0 {
		return next
	}
	return min(left, l.ttl/16)
}

// step renews the lease, or gives it up where it is too late. It reports whether the lease goes on.
func (l *Lease) step() bool {
	now := time.Since(l.r.node.start)
	l.mu.Lock()
	late, isolated := l.left(now) <= 0, l.isolated(now)
	l.mu.Unlock()
	switch {
	case late:
		l.lose(LostExpired)
	case isolated:
		l.lose(LostIsolated)
	case !l.opts.noRenew:
		if err := l.renew(0); err != nil && l.ctx.Err() == nil {
			l.r.node.cfg.Logger.Warn("a lease was not renewed; trying again", "registry", l.r.name, "key", l.key, "err", err)
		}
	}
	return l.ctx.Err() == nil
}

func (l *Lease) lose(why LossReason) { _ = l.giveUp(&LeaseLostError{Reason: why}) } // it lapses by itself if it cannot be released

// isolated says whether no peer could take a renewal for as long as one is good, and that matters. The
// lease is locked.
func (l *Lease) isolated(now time.Duration) bool {
	return l.opts.stopWhenIsolated && now-l.heard >= l.good()
}

// renew makes the lease last for another TTL; 0 keeps the one it has.
func (l *Lease) renew(ttl time.Duration) error { return l.r.settle(l.renewStep(ttl)) }

func (l *Lease) renewStep(ttl time.Duration) error {
	r := l.r
	at := r.node.instant()
	company := r.link.hasPeers()
	r.mu.Lock()
	defer r.mu.Unlock()
	l.mu.Lock()
	err, token := l.check(), l.token
	if err == nil && l.left(at.Mono) <= 0 {
		err = detailf(ErrLeaseLost, "the lease was not renewed in time")
	}
	if ttl == 0 {
		ttl = l.ttl
	}
	l.mu.Unlock() // the step below calls back through notify
	if err == nil {
		err = r.mayWrite()
	}
	if err == nil {
		err = r.writable()
	}
	if err != nil {
		return err
	}
	renewed, err := r.rep.Renew(at, l.key, lwwmap.Token(token), ttl, l.opts.meta)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.token, l.ttl, l.renewed = Token(renewed), ttl, at
	if company {
		l.heard = at.Mono
	}
	return nil
}

// noteRecord is told of the record that now holds the key. The registry is locked.
func (l *Lease) noteRecord(info replica.LeaseInfo) {
	l.mu.Lock()
	token, over := l.token, l.over
	l.mu.Unlock()
	switch mine := info.Token.Owner() == l.nonce; {
	case over:
	case mine && info.Released:
		l.end(&LeaseLostError{Reason: LostReleased})
	case mine:
	case info.Released: // beaten by a claim that is over: the next renewal claims again above it
		rouse(l.soon)
	case info.Token.Compare(lwwmap.Token(token)) > 0:
		lost := &LeaseLostError{Reason: LostBeaten, Winner: lockInfo(l.key, info)}
		if p := l.r.lockOn(l.key); p != nil {
			lost.Winner = *p
		}
		l.end(lost)
	}
}
