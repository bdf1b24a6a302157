package p2p

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Ban is a peer that is turned away, for Config.Bans after a restart.
type Ban struct {
	Peer  string    // its id
	Until time.Time // by the wall clock
	Count int       // how often it was banned by now; the next ban is longer for it
	Last  string    // kind of the refusal that led to it
}

// maxBans bounds the bans that are kept over a restart; those that last longest stay.
const maxBans = 1024

// keepBansEvery is the least time between two calls of Config.KeepBans.
const keepBansEvery = 10 * time.Second

// banTime is how long the n-th ban of a peer lasts, from 1.
func banTime(n int) time.Duration {
	return min(banFirst<<min(max(n-1, 0), 16), banMost)
}

// running are the bans that are not over, the one that lasts longest first.
func (l *ledger) running() []Ban {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	var out []Ban
	for p, r := range l.peers {
		if now.Before(r.until) {
			out = append(out, Ban{Peer: p.String(), Until: r.until, Count: r.bans, Last: r.last})
		}
	}
	slices.SortFunc(out, func(a, b Ban) int { return b.Until.Compare(a.Until) })
	return out[:min(len(out), maxBans)]
}

// resume takes up the bans of an earlier run that are not over, and returns them. None lasts longer from now than if it
// began now, whatever its end or the clocks say.
func (l *ledger) resume(bans []Ban) []Ban {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	var out []Ban
	for _, b := range bans[:min(len(bans), maxBans)] {
		p, err := peer.Decode(b.Peer)
		left := b.Until.Sub(now)
		if err != nil || left <= 0 {
			continue
		}
		r := l.of(p)
		r.bans, r.last, r.at = min(max(b.Count, 1), 16), b.Last, now
		r.until = now.Add(min(left, banTime(r.bans)))
		b.Until = r.until
		out = append(out, b)
	}
	return out
}

// resumeBans takes up what Config.Bans has.
func (h *Host) resumeBans() {
	for _, b := range h.ledger.resume(h.cfg.Bans) {
		h.log.Info("a peer is still turned away for what was refused of it before this start", "peer", b.Peer, "until", b.Until.Format(time.RFC3339), "last", b.Last)
	}
}

// keepBans tells Config.KeepBans when bans begin or are lifted, the first time at once, then now and then, and at the end.
func (h *Host) keepBans() {
	for {
		select {
		case <-h.banNews:
			h.cfg.KeepBans(h.ledger.running())
			sleep(h.ctx, keepBansEvery)
		case <-h.ctx.Done():
			select {
			case <-h.banNews:
				h.cfg.KeepBans(h.ledger.running())
			default:
			}
			return
		}
	}
}

// bansChanged wakes keepBans.
func (h *Host) bansChanged() {
	select {
	case h.banNews <- struct{}{}:
	default:
	}
}
