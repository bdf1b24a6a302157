package p2p_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"os"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/minikv/minikv/p2p"
)

// newKey makes an identity in all the forms that tests need.
func newKey(t testing.TB) (crypto.PrivKey, ed25519.PrivateKey, peer.ID) {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	require.NoError(t, err)
	raw, err := key.Raw()
	require.NoError(t, err)
	id, err := peer.IDFromPrivateKey(key)
	require.NoError(t, err)
	return key, raw, id
}

func TestEnvelopeIsCanonicalCBOR(t *testing.T) {
	_, key, id := newKey(t)
	enc, err := cbor.CoreDetEncOptions().EncMode()
	require.NoError(t, err)
	for _, size := range []int{0, 1, 23, 24, 255, 256, 65535, 65536, 1 << 20} {
		payload := make([]byte, size)
		sealed := p2p.Seal(key, id, "topic", payload)
		var fields []any
		require.NoError(t, cbor.Unmarshal(sealed, &fields), size)
		require.Len(t, fields, 4)
		require.Equal(t, uint64(1), fields[0])
		require.Equal(t, []byte(id), fields[1])
		require.Equal(t, payload, fields[2])
		again, err := enc.Marshal(fields)
		require.NoError(t, err)
		require.Equal(t, again, sealed)
	}
}

func TestSealTellsTheMessageID(t *testing.T) {
	_, key, id := newKey(t)
	for _, size := range []int{0, 1, 5000} {
		data, mid := p2p.SealID(key, id, "topic", make([]byte, size))
		require.Equal(t, p2p.MessageID("topic", data), mid)
		require.NotEqual(t, p2p.MessageID("other", data), mid)
	}
}

func TestEnvelopeOpens(t *testing.T) {
	_, key, id := newKey(t)
	rapid.Check(t, func(t *rapid.T) {
		topic := rapid.StringN(1, 20, 256).Draw(t, "topic")
		payload := rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		author, got, err := p2p.OpenEnvelope(topic, p2p.Seal(key, id, topic, payload))
		require.NoError(t, err)
		require.Equal(t, id.String(), author)
		require.Equal(t, len(payload), len(got))
		require.Equal(t, string(payload), string(got))
	})
}

func TestEnvelopeChangedAnywhereIsRefused(t *testing.T) {
	_, key, id := newKey(t)
	sealed := p2p.Seal(key, id, "topic", []byte("some payload of more than 24 bytes"))
	for i := range sealed {
		for bit := range 8 {
			bad := append([]byte(nil), sealed...)
			bad[i] ^= 1 << bit
			_, _, err := p2p.OpenEnvelope("topic", bad)
			require.Error(t, err, "byte %d bit %d", i, bit)
			require.NotEqual(t, p2p.MessageID("topic", sealed), p2p.MessageID("topic", bad))
		}
	}
	for n := range sealed {
		_, _, err := p2p.OpenEnvelope("topic", sealed[:n])
		require.Error(t, err, "cut to %d bytes", n)
	}
	_, _, err := p2p.OpenEnvelope("topic", append(sealed, 0))
	require.Error(t, err, "a byte more")
}

func TestEnvelopeHoldsForItsTopicOnly(t *testing.T) {
	_, key, id := newKey(t)
	_, _, err := p2p.OpenEnvelope("b", p2p.Seal(key, id, "a", []byte("x")))
	require.Error(t, err)
	// Topic and payload cannot be moved into each other.
	_, _, err = p2p.OpenEnvelope("ab", p2p.Seal(key, id, "a", []byte("bx")))
	require.Error(t, err)
}

func TestEnvelopeLengthsMustBeShortest(t *testing.T) {
	_, key, id := newKey(t)
	sealed := p2p.Seal(key, id, "topic", []byte("x"))
	// Behind version and author (a two-byte head and 38 bytes) comes 0x41, the head
	// of a string of one byte.
	at := 2 + 2 + len(id)
	require.Equal(t, byte(0x41), sealed[at])
	for _, head := range [][]byte{{0x58, 1}, {0x59, 0, 1}, {0x5a, 0, 0, 0, 1}, {0x5b, 0, 0, 0, 0, 0, 0, 0, 1}, {0x5f, 0x41}} {
		long := append(append(append([]byte(nil), sealed[:at]...), head...), sealed[at+1:]...)
		_, _, err := p2p.OpenEnvelope("topic", long)
		require.Error(t, err, "head %x", head)
	}
}

func FuzzEnvelope(f *testing.F) {
	_, key, id := newKey(f)
	f.Add(p2p.Seal(key, id, "t", nil))
	f.Add(p2p.Seal(key, id, "t", make([]byte, 300)))
	f.Fuzz(func(t *testing.T, data []byte) {
		p2p.MessageID("t", data)
		author, payload, err := p2p.OpenEnvelope("t", data)
		if err != nil {
			return
		}
		p, err := peer.Decode(author)
		require.NoError(t, err)
		require.LessOrEqual(t, len(payload), len(data))
		pub, err := p.ExtractPublicKey()
		require.NoError(t, err)
		require.Equal(t, crypto.Ed25519, int(pub.Type()))
	})
}

// goldenFile was written by the first release with the format. It must open for
// ever.
const goldenFile = "testdata/envelope-v1.bin"

func TestGoldenEnvelopeOpens(t *testing.T) {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(i)
	}
	key := ed25519.NewKeyFromSeed(seed)
	pub, err := crypto.UnmarshalEd25519PublicKey(key.Public().(ed25519.PublicKey))
	require.NoError(t, err)
	id, err := peer.IDFromPublicKey(pub)
	require.NoError(t, err)
	golden, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	author, payload, err := p2p.OpenEnvelope("golden", golden)
	require.NoError(t, err)
	require.Equal(t, id.String(), author)
	require.Equal(t, "a message of the first format", string(payload))
	require.Equal(t, golden, p2p.Seal(key, id, "golden", payload), "the format has changed: give it a new version")
	require.Equal(t, "3d29db2f6bf04ab90a001a413bafc98c9576ddcf568c0fe83ec2266cd0795543df9adad5b4f7645c3f43a1e9f90fb495",
		hex.EncodeToString([]byte(p2p.MessageID("golden", golden))))
}
