package seal_test

import (
	"testing"

	"github.com/minikv/minikv/seal"
)

// What one gossip message of full size costs its author and each who hears it, beside the signature that a public one has, too.
func BenchmarkDelta(b *testing.B) {
	g := newGroup(b, "cities", 1, 2)
	certificate := g.member("p", seal.Write, until)
	delta := make([]byte, 64<<10)
	b.Run("seal", func(b *testing.B) {
		b.SetBytes(int64(len(delta)))
		var buf []byte
		for b.Loop() {
			buf = g.SealDelta(append(seal.BeginDelta(buf, [seal.NonceSize]byte{1}, certificate), delta...), "p")
		}
	})
	sealed := g.SealDelta(append(seal.BeginDelta(nil, [seal.NonceSize]byte{1}, certificate), delta...), "p")
	b.Run("open", func(b *testing.B) {
		b.SetBytes(int64(len(delta)))
		for b.Loop() {
			if _, _, err := g.OpenDelta(sealed, "p"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A certificate is verified once for each peer.
func BenchmarkVerify(b *testing.B) {
	g := newGroup(b, "cities", 1, 2)
	certificate := g.member("p", seal.Write, until)
	for b.Loop() {
		if _, err := g.Verify(certificate, "p"); err != nil {
			b.Fatal(err)
		}
	}
}

// Both sides of a handshake, without the certificates.
func BenchmarkHandshake(b *testing.B) {
	g := newGroup(b, "cities", 1, 2)
	first := seal.First{Certificate: g.member("a", seal.Write, until), Hello: make([]byte, 40)}
	for b.Loop() {
		d, open := g.Dial(seal.Nonce{1}, "a", "b", first)
		x, err := g.Accept(open, "b", "a")
		if err != nil {
			b.Fatal(err)
		}
		answer, _ := x.Answer(seal.Nonce{2}, first)
		if _, _, err := d.Answered(answer); err != nil {
			b.Fatal(err)
		}
	}
}
