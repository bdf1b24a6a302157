package minikv

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/minikv/minikv/p2p"
	"github.com/minikv/minikv/replica"
	"github.com/minikv/minikv/seal"
)

// Why there is no exchange between two members.
var (
	errStranger = errors.New("minikv: the peer shows no certificate of this registry")
	errReaders  = errors.New("minikv: this node and the peer may both only read; they get the data from members who may write")
)

// acceptSealed answers an exchange of a private registry: that of whose keys the first frame is.
func (n *Node) acceptSealed(s *p2p.Stream, open []byte) {
	version := false
	for _, r := range n.privates() {
		if !r.link.begin() {
			continue
		}
		j := r.link.now()
		a, err := j.member.keys.Accept(open, string(n.id), s.Peer())
		if err == nil {
			j.answer(s, j.member.payer(a.Certificate, PeerID(s.Peer())), func(x *exchange) error { return x.accept(a) })
			r.link.end()
			return
		}
		version = version || errors.Is(err, seal.ErrVersion)
		r.link.end()
	}
	if version {
		n.turnDown(s, RefusedMessage, pointsVersion, "this node speaks another version of the handshake; run the same release on both")
		return
	}
	// Outsiders, and members of what this node is no member of, are all told the same.
	n.turnDown(s, RefusedStranger, pointsStranger, "this node is no member of the registry, or has other keys")
}

func newNonce() (n seal.Nonce) {
	_, _ = rand.Read(n[:]) // never fails, see its documentation
	return n
}

// dial opens an exchange of a private registry with the session's hello.
func (x *exchange) dial() error {
	hello, err := x.hello()
	if err != nil {
		return err
	}
	self := string(x.l.r.node.id)
	d, frame := x.member.keys.Dial(newNonce(), self, string(x.peer), seal.First{Certificate: x.member.certificate, Hello: hello})
	if err := x.stream.WriteFrame(frame); err != nil {
		return fmt.Errorf("writing to the peer: %w", err)
	}
	x.stream.SetDeadline(time.Now().Add(firstPatience))
	answer, err := x.stream.ReadFrame(firstLimit)
	if err != nil {
		return fmt.Errorf("reading from the peer: %w", err)
	}
	if len(answer) > 0 && answer[0] != seal.AnswerType {
		frame, err := replica.DecodeFrame(answer)
		if finish, ok := frame.(*replica.Finish); ok {
			return fmt.Errorf("peer ended the session: %s", finish.Why)
		}
		return errors.Join(err, fmt.Errorf("%w: %T out of turn", replica.ErrProtocol, frame))
	}
	x.stream.SetDeadline(time.Now().Add(exchangeLimit))
	first, channel, err := d.Answered(answer)
	if err != nil {
		x.l.r.countRefused(x.peer, err)
		return err
	}
	x.channel = channel
	if err := x.admit(first.Certificate); err != nil {
		_, _ = x.send(nil, refusal(err.Error()))
		return err
	}
	return x.greet(first.Hello)
}

// accept answers an exchange of a private registry that a member has opened.
func (x *exchange) accept(a *seal.Accepting) error {
	if err := x.admit(a.Certificate); err != nil {
		refuse(x.stream, err.Error())
		return err
	}
	if err := x.greet(a.Hello); err != nil {
		refuse(x.stream, err.Error())
		return err
	}
	hello, err := x.hello()
	if err != nil {
		refuse(x.stream, err.Error())
		return err
	}
	frame, channel := a.Answer(newNonce(), seal.First{Certificate: x.member.certificate, Hello: hello})
	x.channel = channel
	if err := x.stream.WriteFrame(frame); err != nil {
		return fmt.Errorf("writing to the peer: %w", err)
	}
	return nil
}

// hello takes the first frame that the session has to say.
func (x *exchange) hello() ([]byte, error) {
	frame, ok := x.session.Next(x.l.r.node.instant())
	if hello, isHello := frame.(*replica.Hello); ok && isHello {
		return replica.EncodeFrame(nil, hello)
	}
	if _, err := x.session.State(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: no hello", replica.ErrProtocol)
}

// greet gives the session the peer's hello.
func (x *exchange) greet(data []byte) error {
	frame, err := replica.DecodeFrame(data)
	if err != nil {
		x.l.r.countRefused(x.peer, err)
		return err
	}
	if _, ok := frame.(*replica.Hello); !ok {
		return fmt.Errorf("%w: %T for a hello", replica.ErrProtocol, frame)
	}
	x.step(func() { x.handle(frame) })
	return nil
}

// admit says by a peer's certificate which way entries go, and why not where none may.
func (x *exchange) admit(certificate []byte) error {
	r, now := x.l.r, x.l.r.node.cfg.Clock()
	theirs, err := x.member.verify(certificate, x.peer)
	if err == nil {
		x.payer.holder = string(theirs.Holder[:])
	}
	if !theirs.Expires.IsZero() {
		x.until = theirs.Expires.Add(r.node.cfg.MaxClockSkew)
	}
	switch {
	case err != nil:
		r.countRefused(x.peer, err)
		return errStranger
	case theirs.Ended(now, r.node.cfg.MaxClockSkew):
		r.node.host.Prove(string(x.peer), x.topic, x.until) // it is sent no more gossip
		r.node.host.Refuse(string(x.peer), RefusedStranger, 1, pointsStranger)
		return detailf(ErrTicket, "the peer's ticket expired on %s", theirs.Expires.Format(time.RFC3339))
	case x.member.ended(now):
		return ticketEnded(x.member.ticket)
	}
	mine := x.member.rights().wire()
	switch {
	case mine == seal.Write && theirs.Rights == seal.Write:
	case mine == seal.Write:
		x.session.Only(replica.Give)
	case theirs.Rights == seal.Write:
		x.session.Only(replica.Take)
	default:
		r.mu.Lock()
		r.rep.PeerDown(string(x.peer)) // until it dials, with other rights
		r.mu.Unlock()
		x.prove() // it may relay what others wrote
		return errReaders
	}
	return nil
}
