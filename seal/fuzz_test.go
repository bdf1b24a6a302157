package seal_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/seal"
)

// requireCheap fails when fn allocates more than that.
func requireCheap(t testing.TB, limit int, fn func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(limit))
}

func FuzzOpenDelta(f *testing.F) {
	g := newGroup(f, "cities", 1, 2)
	f.Add(g.SealDelta(append(seal.BeginDelta(nil, [seal.NonceSize]byte{5}, g.member("p", seal.Write, until)), "delta"...), "p"), "p")
	f.Add([]byte{1}, "")
	f.Fuzz(func(t *testing.T, data []byte, author string) {
		before := bytes.Clone(data)
		requireCheap(t, 64<<10+4*(len(data)+len(author)), func() {
			certificate, delta, err := g.OpenDelta(data, author)
			if err != nil {
				return
			}
			again := g.SealDelta(append(seal.BeginDelta(nil, [seal.NonceSize]byte(data[1:]), certificate), delta...), author)
			require.Equal(t, data, again)
		})
		require.Equal(t, before, data)
	})
}

func FuzzVerify(f *testing.F) {
	g := newGroup(f, "cities", 1, 2)
	f.Add(g.member("p", seal.Write, until), "p")
	f.Add(g.member("q", seal.Read, until), "p")
	f.Fuzz(func(t *testing.T, data []byte, peer string) {
		requireCheap(t, 64<<10+8*(len(data)+len(peer)), func() {
			m, err := g.Verify(data, peer)
			if err == nil {
				require.Contains(t, []seal.Rights{seal.Read, seal.Write}, m.Rights)
			}
		})
	})
}

// Both sides of a handshake take any bytes.
func FuzzHandshake(f *testing.F) {
	g := newGroup(f, "cities", 1, 2)
	first := seal.First{Certificate: g.member("a", seal.Write, until), Hello: []byte("hello")}
	d, open := g.Dial(seal.Nonce{1}, "a", "b", first)
	x, err := g.Accept(open, "b", "a")
	require.NoError(f, err)
	answer, _ := x.Answer(seal.Nonce{2}, first)
	f.Add(open)
	f.Add(answer)
	f.Add([]byte{seal.OpenType, 2})
	f.Fuzz(func(t *testing.T, data []byte) {
		requireCheap(t, 64<<10+8*len(data), func() {
			if _, err := g.Accept(data, "b", "a"); err == nil {
				require.Equal(t, open, data)
			}
			if first, _, err := d.Answered(data); err == nil {
				require.Len(t, first.Certificate, seal.CertificateSize)
			}
		})
	})
}

// A channel takes any bytes for a frame, and nothing but the peer's next frame for one.
func FuzzFrame(f *testing.F) {
	g := newGroup(f, "cities", 1, 2)
	f.Add([]byte("frame"))
	a, _ := met(f, g, "a", "b")
	f.Add(a.Seal([]byte("frame")))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b := met(t, g, "a", "b")
		sealed := a.Seal(bytes.Clone(data))
		got, err := b.Open(bytes.Clone(sealed))
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got))
		_, b = met(t, g, "a", "b")
		if got, err := b.Open(bytes.Clone(data)); err == nil {
			a, _ := met(t, g, "a", "b")
			require.Equal(t, data, a.Seal(bytes.Clone(got)))
		}
	})
}

// A member can seal anything: what is inside an Open, an Answer and a delta comes out as it went in, however short, and
// as a certificate it proves something only if the owner signed it for that peer.
func FuzzInsider(f *testing.F) {
	g := newGroup(f, "cities", 1, 2)
	f.Add(append(g.member("a", seal.Write, until), "hello"...))
	f.Add(append(g.member("b", seal.Read, until), "hello"...))
	f.Add([]byte("short"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, plain []byte) {
		said := func(first seal.First, err error) {
			if len(plain) < seal.CertificateSize {
				require.ErrorIs(t, err, seal.ErrSealed)
				return
			}
			require.NoError(t, err)
			require.Equal(t, plain[:seal.CertificateSize], first.Certificate)
			require.True(t, bytes.Equal(plain[seal.CertificateSize:], first.Hello))
			if m, err := g.Verify(first.Certificate, "a"); err == nil {
				require.Equal(t, g.member("a", m.Rights, m.Expires), first.Certificate, "signed by nobody")
			}
		}
		requireCheap(t, 64<<10+16*len(plain), func() {
			_, open := g.Dial(seal.Nonce{1}, "a", "b", seal.First{Hello: plain})
			x, err := g.Accept(open, "b", "a")
			if err != nil {
				said(seal.First{}, err)
			} else {
				said(x.First, nil)
			}

			d, open := g.Dial(seal.Nonce{1}, "b", "a", seal.First{Certificate: g.member("b", seal.Write, until)})
			x, err = g.Accept(open, "a", "b")
			require.NoError(t, err)
			answer, _ := x.Answer(seal.Nonce{2}, seal.First{Hello: plain})
			first, _, err := d.Answered(answer)
			said(first, err)

			sealed := g.SealDelta(append(seal.BeginDelta(nil, [seal.NonceSize]byte{5}, nil), plain...), "a")
			certificate, delta, err := g.OpenDelta(sealed, "a")
			said(seal.First{Certificate: certificate, Hello: delta}, err)
		})
	})
}
