package hostile

import (
	"encoding/binary"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/minikv/minikv/seal"
)

func init() {
	attacks["replayed deltas"] = replays
	attacks["mangled deltas"] = mangled
	attacks["relayed proof"] = relayedProof
	attacks["reflected proof"] = reflectedProof
}

// captured has a spy with a read ticket beside the attacker take gossip from the nodes, and hands it over.
func (a *attacker) captured() (topic string, taken func() []heard, err error) {
	spy, err := newAttacker(a.ctx, a.order, a.tally, a.rnd)
	if err != nil {
		return "", nil, err
	}
	go func() { // until the end of the attack
		<-a.ctx.Done()
		spy.close()
	}()
	m, err := spy.member(TicketRead)
	if err != nil {
		return "", nil, err
	}
	enter := func() error {
		err := spy.connect(a.nodes[0])
		if err == nil {
			_, err = m.join(a.nodes[0])
		}
		return err
	}
	for err = enter(); err != nil; err = enter() { // nodes may have others to serve first
		if !a.pause(100 * time.Millisecond) {
			return "", nil, err
		}
	}
	a.ready()
	return m.keys.Topic(), func() []heard {
		spy.mu.Lock()
		defer spy.mu.Unlock()
		return append([]heard(nil), spy.heard...)
	}, nil
}

// payloadOf takes the sealed delta out of an envelope.
func payloadOf(envelope []byte) ([]byte, error) {
	var parts struct {
		_                          struct{} `cbor:",toarray"`
		Version                    uint64
		Author, Payload, Signature []byte
	}
	return parts.Payload, cbor.Unmarshal(envelope, &parts)
}

// replays sends again what honest nodes have sent, under their names and under its own.
func replays(a *attacker) error {
	return a.abuse(func(topic string, data []byte) ([]byte, error) {
		if a.pick(2) == 0 {
			a.sent("as it was")
			return data, nil
		}
		payload, err := payloadOf(data)
		if err != nil {
			return nil, err
		}
		a.sent("under another name")
		return a.envelope(topic, payload), nil
	})
}

// abuse publishes, again and again, what craft makes of a message that was heard.
func (a *attacker) abuse(craft func(topic string, heard []byte) ([]byte, error)) error {
	topic, taken, err := a.captured()
	if err != nil {
		return err
	}
	return a.rounds(func(n peer.AddrInfo) (func() error, error) {
		g, err := a.gossip(n)
		if err != nil {
			return nil, err
		}
		if err := g.subscribe(topic); err != nil {
			return nil, err
		}
		return func() error {
			all := taken()
			if len(all) == 0 {
				return nil
			}
			data, err := craft(topic, all[a.pick(len(all))].data)
			if err != nil {
				return err
			}
			return g.publish(topic, data)
		}, nil
	})
}

// mangled cuts and flips what honest nodes have sent.
func mangled(a *attacker) error {
	return a.abuse(func(topic string, heard []byte) ([]byte, error) {
		data := append([]byte(nil), heard...)
		payload, err := payloadOf(data)
		if err != nil {
			return nil, err
		}
		switch a.pick(4) {
		case 0:
			a.sent("truncated")
			data = data[:a.pick(len(data))]
		case 1:
			a.sent("flipped")
			data[a.pick(len(data))] ^= 1 << a.pick(8)
		case 2:
			a.sent("truncated, signed anew")
			data = a.envelope(topic, payload[:a.pick(len(payload))])
		default:
			a.sent("flipped, signed anew")
			payload[1+a.pick(len(payload)-1)] ^= 1 << a.pick(8)
			data = a.envelope(topic, payload)
		}
		return data, nil
	})
}

// lure subscribes to the topic at all nodes, so that they dial.
func (a *attacker) lure(begun func()) error {
	return a.rounds(func(n peer.AddrInfo) (func() error, error) {
		_, _, err := a.subscribed(n)
		begun()
		return func() error {
			a.pause(50 * time.Millisecond)
			if !a.isConnected(n) {
				return errTurnedAway
			}
			return nil
		}, err
	})
}

func (a *attacker) onDialled(answer func(*pipe)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

// relayedProof passes what a node says to prove itself on to another node, and the answer back.
func relayedProof(a *attacker) error {
	a.onDialled(func(from *pipe) {
		defer from.close()
		open, err := from.recv()
		if err != nil {
			return
		}
		for _, n := range a.nodes {
			if n.ID == from.s.Conn().RemotePeer() {
				continue
			}
			to, err := a.open(n, syncProtocol, "relayed")
			if err != nil {
				continue
			}
			a.sent("proof passed on")
			if to.send(open) == nil {
				if answer, err := to.recv(); err == nil {
					if len(answer) > 0 && answer[0] == seal.AnswerType {
						a.tally.note("answered with a proof")
					}
					if from.send(answer) == nil {
						a.sent("answer passed back")
						if f, err := from.recv(); err == nil && len(f) > 0 && to.send(f) == nil {
							a.tally.note("went on after the answer")
						}
					}
				}
			}
			to.close()
			return
		}
	})
	return a.lure(func() {})
}

// reflectedProof sends a node's proof back to it: as its answer, and as a proof of its own.
func reflectedProof(a *attacker) error {
	a.onDialled(func(from *pipe) {
		defer from.close()
		open, err := from.recv()
		if err != nil || len(open) < 2 {
			return
		}
		node := from.s.Conn().RemotePeer()
		_ = a.try(peer.AddrInfo{ID: node}, "proof sent back", open) // it may have been cut
		answer := append([]byte{seal.AnswerType}, open[2:]...)      // the nonce is in the same place
		a.sent("proof for an answer")
		if from.send(answer) == nil {
			if f, err := from.recv(); err == nil && len(f) > 0 {
				a.tally.note("went on after the answer")
			}
		}
	})
	return a.lure(func() {})
}

// uvarint is the head of a frame.
func uvarint(n uint64) []byte { return binary.AppendUvarint(nil, n) }
