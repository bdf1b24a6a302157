package hostile

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

func init() {
	attacks["sybils that stall"] = stall
	attacks["score reset by reconnecting"] = reconnect
	attacks["first frame by drops"] = drops
}

// stall subscribes, takes whatever streams nodes open, and never says a word on them.
func stall(a *attacker) error {
	a.onDialled(func(p *pipe) {
		a.sent("stalled session")
		for p.write([]byte{0x80 | 1}) == nil { // the head of a frame, never in full; too long a one ends the stream
			if !a.pause(15 * time.Second) {
				break
			}
		}
		p.close()
	})
	return a.lure(a.ready)
}

// reconnect leaves before it has been refused often enough, and comes back.
func reconnect(a *attacker) error {
	return a.rounds(func(n peer.AddrInfo) (func() error, error) {
		g, topic, err := a.subscribed(n)
		if err != nil {
			return nil, err
		}
		sent := 0
		return func() error {
			if sent++; sent > 5 {
				_ = a.host.Network().ClosePeer(n.ID) // it may be closed
				a.tally.note("left and came back")
				return errTurnedAway
			}
			a.sent("noise")
			return g.publish(topic, a.noise(100))
		}, nil
	})
}

// drops opens as many sessions as it can, and sends a byte of the first frame now and then.
func drops(a *attacker) error {
	return a.rounds(func(n peer.AddrInfo) (func() error, error) {
		var open []*pipe
		for range 100 {
			p, err := a.open(n, syncProtocol, "drops")
			if err != nil {
				return nil, err
			}
			if p.write(uvarint(1000)) != nil {
				break
			}
			open = append(open, p)
		}
		return a.drip(open, time.Second), nil
	})
}

// drip sends a byte on each stream at a time, for as long as one of them is there.
func (a *attacker) drip(open []*pipe, every time.Duration) func() error {
	return func() error {
		if !a.pause(every) {
			return errTurnedAway
		}
		live := open[:0]
		for _, p := range open {
			if p.write([]byte{1}) == nil {
				a.sent("byte")
				live = append(live, p)
			} else {
				a.tally.note("stream ended")
			}
		}
		if open = live; len(open) == 0 {
			return errTurnedAway
		}
		return nil
	}
}
