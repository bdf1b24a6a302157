package seal_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/minikv/minikv/seal"
)

func key(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// group is a registry with its owners' key.
type group struct {
	*seal.Keys
	owner ed25519.PrivateKey
}

func newGroup(t testing.TB, name string, secret, owner byte) group {
	k, err := seal.NewKeys(name, [seal.SecretSize]byte(bytes.Repeat([]byte{secret}, seal.SecretSize)), public(key(owner)))
	require.NoError(t, err)
	return group{k, key(owner)}
}

var until = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)

// member returns the certificate of a peer.
func (g group) member(peer string, rights seal.Rights, expires time.Time) []byte {
	holder := key(77)
	grant := seal.Grant{Rights: rights, Expires: expires, Holder: public(holder)}
	g.Sign(g.owner, &grant)
	return g.Certify(&grant, holder, peer)
}

// Two nodes of a registry: one seals a delta, the other opens it and sees what its author may do.
func Example() {
	owner, holder := key(1), key(2)
	secret := [seal.SecretSize]byte{3}
	keys, _ := seal.NewKeys("cities", secret, public(owner))

	grant := seal.Grant{Rights: seal.Write, Holder: public(holder)}
	keys.Sign(owner, &grant)
	certificate := keys.Certify(&grant, holder, "alice")

	nonce := [seal.NonceSize]byte{4} // from crypto/rand
	sealed := keys.SealDelta(append(seal.BeginDelta(nil, nonce, certificate), "hamburg 1.9M"...), "alice")

	shown, delta, _ := keys.OpenDelta(sealed, "alice")
	member, _ := keys.Verify(shown, "alice")
	fmt.Printf("%s, by a member who may %s\n", delta, member.Rights)
	// Output: hamburg 1.9M, by a member who may write
}

// What is derived must never change: a node of another version would not find its registry.
func TestGoldenDerivations(t *testing.T) {
	g := newGroup(t, "cities", 1, 2)
	require.Equal(t, goldenTopic, g.Topic())
	certificate := g.member("peer", seal.Write, until)
	require.Equal(t, goldenCertificate, hex.EncodeToString(certificate))
	nonce := [seal.NonceSize]byte(bytes.Repeat([]byte{9}, seal.NonceSize))
	sealed := g.SealDelta(append(seal.BeginDelta(nil, nonce, certificate), "delta"...), "peer")
	require.Equal(t, goldenDelta, digest(sealed))
	d, open := g.Dial(seal.Nonce{1}, "a", "b", seal.First{Certificate: certificate, Hello: []byte("hello")})
	require.Equal(t, goldenOpen, digest(open))
	a, err := g.Accept(open, "b", "a")
	require.NoError(t, err)
	answer, accepted := a.Answer(seal.Nonce{2}, seal.First{Certificate: certificate, Hello: []byte("there")})
	require.Equal(t, goldenAnswer, digest(answer))
	_, dialled, err := d.Answered(answer)
	require.NoError(t, err)
	require.Equal(t, goldenFrames, digest(append(dialled.Seal([]byte("one")), accepted.Seal([]byte("two"))...)))
}

func TestDerivationsAreBoundToNameSecretAndOwner(t *testing.T) {
	base := newGroup(t, "cities", 1, 2)
	for name, other := range map[string]group{
		"name":   newGroup(t, "citie", 1, 2),
		"secret": newGroup(t, "cities", 2, 2),
		"owner":  newGroup(t, "cities", 1, 3),
	} {
		t.Run(name, func(t *testing.T) {
			require.NotEqual(t, base.Topic(), other.Topic())
			sealed := base.SealDelta(append(seal.BeginDelta(nil, [seal.NonceSize]byte{}, base.member("p", seal.Write, until)), 1), "p")
			_, _, err := other.OpenDelta(sealed, "p")
			require.ErrorIs(t, err, seal.ErrSealed)
			_, open := base.Dial(seal.Nonce{}, "a", "b", seal.First{Certificate: base.member("a", seal.Write, until)})
			_, err = other.Accept(open, "b", "a")
			require.ErrorIs(t, err, seal.ErrSealed)
			_, err = other.Verify(base.member("p", seal.Write, until), "p")
			require.ErrorIs(t, err, seal.ErrCertificate)
		})
	}
}

func TestCertificates(t *testing.T) {
	g := newGroup(t, "cities", 1, 2)
	certificate := g.member("p", seal.Read, until)
	m, err := g.Verify(certificate, "p")
	require.NoError(t, err)
	require.Equal(t, seal.Member{Rights: seal.Read, Expires: until, Holder: [32]byte(certificate[10:42])}, m)
	require.False(t, m.Ended(until.Add(time.Minute), time.Minute))
	require.True(t, m.Ended(until.Add(time.Minute+1), time.Minute))
	require.False(t, seal.Member{}.Ended(until.Add(1e6*time.Hour), 0))

	_, err = g.Verify(certificate, "q")
	require.ErrorIs(t, err, seal.ErrCertificate, "another peer's")
	for i := range certificate { // neither rights nor expiry nor keys can be changed
		forged := bytes.Clone(certificate)
		forged[i] ^= 1
		_, err := g.Verify(forged, "p")
		require.Error(t, err, i)
	}
	for n := range certificate {
		_, err := g.Verify(certificate[:n], "p")
		require.ErrorIs(t, err, seal.ErrCertificate)
	}
	_, err = g.Verify(append(bytes.Clone(certificate), 0), "p")
	require.ErrorIs(t, err, seal.ErrCertificate)
	later := bytes.Clone(certificate)
	later[0] = 2
	_, err = g.Verify(later, "p")
	require.ErrorIs(t, err, seal.ErrVersion)
}

// A holder of a ticket cannot make another one, with more rights or for longer.
func TestHoldersGrantNothing(t *testing.T) {
	g := newGroup(t, "cities", 1, 2)
	holder := key(77)
	grant := seal.Grant{Rights: seal.Write, Holder: public(holder)}
	g.Sign(holder, &grant)
	require.ErrorIs(t, g.VerifyGrant(&grant), seal.ErrCertificate)
	_, err := g.Verify(g.Certify(&grant, holder, "p"), "p")
	require.ErrorIs(t, err, seal.ErrCertificate)
}

func TestADeltaIsOfItsAuthorAlone(t *testing.T) {
	g := newGroup(t, "cities", 1, 2)
	sealed := g.SealDelta(append(seal.BeginDelta(nil, [seal.NonceSize]byte{5}, g.member("p", seal.Write, until)), "delta"...), "p")
	require.Len(t, sealed, len("delta")+seal.DeltaOverhead)
	_, delta, err := g.OpenDelta(sealed, "p")
	require.NoError(t, err)
	require.Equal(t, "delta", string(delta))
	_, _, err = g.OpenDelta(sealed, "q")
	require.ErrorIs(t, err, seal.ErrSealed)
	for i := range sealed {
		forged := bytes.Clone(sealed)
		forged[i] ^= 1
		_, _, err := g.OpenDelta(forged, "p")
		require.Error(t, err)
		_, _, err = g.OpenDelta(sealed[:i], "p")
		require.ErrorIs(t, err, seal.ErrSealed)
	}
}

// Opening leaves what was sealed as it is: gossip passes it on.
func TestOpeningADeltaKeepsIt(t *testing.T) {
	g := newGroup(t, "cities", 1, 2)
	sealed := g.SealDelta(append(seal.BeginDelta(nil, [seal.NonceSize]byte{5}, g.member("p", seal.Write, until)), "delta"...), "p")
	before := bytes.Clone(sealed)
	_, _, err := g.OpenDelta(sealed, "p")
	require.NoError(t, err)
	require.Equal(t, before, sealed)
}

// met is a session after its handshake.
func met(t testing.TB, g group, a, b string) (dialled, accepted *seal.Channel) {
	d, open := g.Dial(seal.Nonce{1}, a, b, seal.First{Certificate: g.member(a, seal.Write, until), Hello: []byte("hello")})
	x, err := g.Accept(open, b, a)
	require.NoError(t, err)
	require.Equal(t, "hello", string(x.Hello))
	_, err = g.Verify(x.Certificate, a)
	require.NoError(t, err)
	answer, accepted := x.Answer(seal.Nonce{2}, seal.First{Certificate: g.member(b, seal.Read, until), Hello: []byte("there")})
	first, dialled, err := d.Answered(answer)
	require.NoError(t, err)
	require.Equal(t, "there", string(first.Hello))
	m, err := g.Verify(first.Certificate, b)
	require.NoError(t, err)
	require.Equal(t, seal.Read, m.Rights)
	return dialled, accepted
}

func TestFramesArriveInOrder(t *testing.T) {
	a, b := met(t, newGroup(t, "cities", 1, 2), "a", "b")
	for i := range 300 {
		want := bytes.Repeat([]byte{byte(i)}, i)
		got, err := b.Open(a.Seal(bytes.Clone(want)))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
		got, err = a.Open(b.Seal(bytes.Clone(want)))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
	}
	one, two := a.Seal([]byte("one")), a.Seal([]byte("two"))
	_, err := b.Open(bytes.Clone(two))
	require.ErrorIs(t, err, seal.ErrSealed, "out of order")
	_, err = b.Open(bytes.Clone(one))
	require.ErrorIs(t, err, seal.ErrSealed)
	_, err = a.Open(a.Seal([]byte("mine")))
	require.ErrorIs(t, err, seal.ErrSealed, "sent back")
}

// Proofs that are passed on, sent back, or used again.
func TestAProofIsWorthNothingElsewhere(t *testing.T) {
	g := newGroup(t, "cities", 1, 2)
	first := seal.First{Certificate: g.member("a", seal.Write, until), Hello: []byte("hello")}
	d, open := g.Dial(seal.Nonce{1}, "a", "b", first)

	t.Run("relayed: x passes on what a said to it", func(t *testing.T) {
		_, toX := g.Dial(seal.Nonce{1}, "a", "x", first)
		_, err := g.Accept(toX, "b", "x") // to b, as itself
		require.ErrorIs(t, err, seal.ErrSealed)
		_, err = g.Accept(toX, "b", "a") // even if it could pose as a
		require.ErrorIs(t, err, seal.ErrSealed)
	})
	t.Run("reflected: b sends a's own proof back", func(t *testing.T) {
		_, err := g.Accept(open, "a", "b")
		require.ErrorIs(t, err, seal.ErrSealed)
		_, _, err = d.Answered(append([]byte{seal.AnswerType}, open[2:]...))
		require.ErrorIs(t, err, seal.ErrSealed)
	})
	t.Run("an answer for another session", func(t *testing.T) {
		other, openOther := g.Dial(seal.Nonce{3}, "a", "b", first)
		x, err := g.Accept(open, "b", "a")
		require.NoError(t, err)
		answer, _ := x.Answer(seal.Nonce{2}, first)
		_, _, err = other.Answered(answer)
		require.ErrorIs(t, err, seal.ErrSealed)
		_ = openOther
	})
	t.Run("replayed: the same open again gives no frames", func(t *testing.T) {
		x, err := g.Accept(open, "b", "a")
		require.NoError(t, err)
		answer, _ := x.Answer(seal.Nonce{2}, first)
		_, dialled, err := d.Answered(answer)
		require.NoError(t, err)
		frame := dialled.Seal([]byte("entries"))
		again, err := g.Accept(open, "b", "a")
		require.NoError(t, err)
		_, second := again.Answer(seal.Nonce{4}, first) // b's nonce is fresh
		_, err = second.Open(frame)
		require.ErrorIs(t, err, seal.ErrSealed)
	})
	t.Run("outsiders", func(t *testing.T) {
		out := newGroup(t, "cities", 9, 2)
		_, forged := out.Dial(seal.Nonce{1}, "a", "b", first)
		_, err := g.Accept(forged, "b", "a")
		require.ErrorIs(t, err, seal.ErrSealed)
		_, _, err = d.Answered(bytes.Repeat([]byte{seal.AnswerType}, 300))
		require.ErrorIs(t, err, seal.ErrSealed)
	})
}

func TestHandshakesAreBoundToEveryByte(t *testing.T) {
	g := newGroup(t, "cities", 1, 2)
	first := seal.First{Certificate: g.member("a", seal.Write, until), Hello: []byte("hello")}
	d, open := g.Dial(seal.Nonce{1}, "a", "b", first)
	x, err := g.Accept(open, "b", "a")
	require.NoError(t, err)
	answer, _ := x.Answer(seal.Nonce{2}, first)
	for i := range open {
		forged := bytes.Clone(open)
		forged[i] ^= 1
		_, err := g.Accept(forged, "b", "a")
		require.Error(t, err)
		_, err = g.Accept(open[:i], "b", "a")
		require.Error(t, err)
	}
	for i := range answer {
		forged := bytes.Clone(answer)
		forged[i] ^= 1
		_, _, err := d.Answered(forged)
		require.ErrorIs(t, err, seal.ErrSealed)
		_, _, err = d.Answered(answer[:i])
		require.ErrorIs(t, err, seal.ErrSealed)
	}
}

func TestNamesOfPeersDoNotRunTogether(t *testing.T) {
	g := newGroup(t, "cities", 1, 2)
	_, open := g.Dial(seal.Nonce{1}, "ab", "c", seal.First{Certificate: g.member("ab", seal.Write, until)})
	_, err := g.Accept(open, "bc", "a")
	require.ErrorIs(t, err, seal.ErrSealed)
}

func TestNoSecretIsPrinted(t *testing.T) {
	g := newGroup(t, "cities", 1, 2)
	require.Equal(t, g.Keys.String(), fmt.Sprintf("%+v", g.Keys))
	require.Equal(t, g.Keys.String(), fmt.Sprintf("%#v", g.Keys))
}

func TestDeltasOfAnyContent(t *testing.T) {
	g := newGroup(t, "cities", 1, 2)
	rapid.Check(t, func(rt *rapid.T) {
		author := rapid.String().Draw(rt, "author")
		want := rapid.SliceOf(rapid.Byte()).Draw(rt, "delta")
		certificate := g.member(author, seal.Write, until)
		sealed := g.SealDelta(append(seal.BeginDelta(nil, [seal.NonceSize]byte{5}, certificate), want...), author)
		shown, got, err := g.OpenDelta(sealed, author)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
		require.Equal(t, certificate, shown)
	})
}
