package minikv

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	mathrand "math/rand/v2"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// identify sets the node's peer id and returns the key behind it.
func (n *Node) identify() (crypto.PrivKey, error) {
	private, err := n.privateKey()
	if err != nil {
		return nil, err
	}
	key, err := crypto.UnmarshalEd25519PrivateKey(private)
	if err != nil {
		return nil, detailf(ErrInvalid, "Config.Identity: %v", err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, detailf(ErrInvalid, "Config.Identity: %v", err)
	}
	n.id = PeerID(id.String())
	return key, nil
}

// privateKey returns the key that was configured, or that of the directory, or a fresh one.
func (n *Node) privateKey() (ed25519.PrivateKey, error) {
	switch {
	case n.cfg.Identity != nil:
		return n.cfg.Identity, nil
	case n.store() != nil:
		return keptIdentity(n.dir)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return private, err
}

// checkPeer refuses what is no peer id.
func checkPeer(p PeerID) error {
	if _, err := peer.Decode(string(p)); err != nil {
		return detailf(ErrInvalid, "%q is no peer id; the list of peers has those of this node's peers", p)
	}
	return nil
}

// topicOf is the name under which nodes of a public registry find each other. It does not show the
// registry's name.
func topicOf(registry string) string {
	sum := sha256.Sum256([]byte("minikv/1/public/topic\n" + registry))
	return "minikv/1/" + hex.EncodeToString(sum[:])
}

// registryID is what an exchange of a public registry calls it by: short, as it is all that most of them say.
func registryID(registry string) string {
	sum := sha256.Sum256([]byte("minikv/1/public/exchange\n" + registry))
	return string(sum[:16])
}

// digestKeyOf keys the digests of a public registry, so that equal entries of two registries differ in them.
func digestKeyOf(registry string) []byte {
	sum := sha256.Sum256([]byte("minikv/1/public/digest\n" + registry))
	return sum[:]
}

// newRand returns a generator that keeps no state.
func newRand() *mathrand.Rand { return mathrand.New(systemRandom{}) }

// systemRandom draws from the system each time: a machine that is copied while it runs would go on with
// the same state as its copy, and both would mint the same actors and nonces. The system's own generator
// is seeded anew where the machine's monitor says that it was copied.
type systemRandom struct{}

// Uint64 implements [mathrand.Source].
func (systemRandom) Uint64() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see its documentation
	return binary.NativeEndian.Uint64(b[:])
}
