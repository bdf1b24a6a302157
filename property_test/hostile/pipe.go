package hostile

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	syncProtocol  protocol.ID = "/minikv/1"
	greetProtocol protocol.ID = "/minikv/greet/1"
)

// pipe is a stream of frames to or from a node.
type pipe struct {
	a       *attacker
	kind    string
	s       network.Stream
	r       *bufio.Reader
	in, out int64
}

func (a *attacker) pipe(s network.Stream, kind string) *pipe {
	p := &pipe{a: a, kind: kind, s: s}
	p.r = bufio.NewReader(p)
	return p
}

// open opens a stream to a node.
func (a *attacker) open(n peer.AddrInfo, proto protocol.ID, kind string) (*pipe, error) {
	ctx, cancel := context.WithTimeout(a.ctx, 10*time.Second)
	defer cancel()
	s, err := a.host.NewStream(network.WithNoDial(ctx, kind), n.ID, proto)
	if err != nil {
		return nil, err
	}
	return a.pipe(s, kind), nil
}

// Read counts what comes.
func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.s.Read(b)
	p.in += int64(n)
	p.a.tally.in.Add(int64(n))
	return n, err
}

func (p *pipe) write(b []byte) error {
	_ = p.s.SetWriteDeadline(time.Now().Add(10 * time.Second)) // a stream that is gone says so when written to
	n, err := p.s.Write(b)
	p.out += int64(n)
	p.a.tally.out.Add(int64(n))
	return err
}

// send writes a frame.
func (p *pipe) send(frame []byte) error {
	return p.write(append(binary.AppendUvarint(nil, uint64(len(frame))), frame...))
}

// maxFrame is the longest frame that an attacker reads.
const maxFrame = 32 << 20

var errFrame = errors.New("hostile: frame too long")

// recv reads a frame.
func (p *pipe) recv() ([]byte, error) {
	_ = p.s.SetReadDeadline(time.Now().Add(25 * time.Second)) // a stream that is gone says so when read from
	n, err := binary.ReadUvarint(p.r)
	if err != nil {
		return nil, err
	}
	if n > maxFrame {
		return nil, errFrame
	}
	b := make([]byte, n)
	_, err = io.ReadFull(p.r, b)
	return b, err
}

// drain reads to the end, and notes how much was answered to a peer without proof.
func (p *pipe) drain() (frames [][]byte) {
	for {
		f, err := p.recv()
		if err != nil {
			p.a.tally.noteRatio(p.kind, p.out, p.in)
			return frames
		}
		frames = append(frames, f)
	}
}

func (p *pipe) close() { _ = p.s.Reset() }
