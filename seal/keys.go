package seal

import (
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// SecretSize is the length in bytes of the secret of a registry's readers.
const SecretSize = 32

// Keys are what the nodes of a private registry derive from its name, its readers' secret and its owners' public key.
// They do not change, so they may be used concurrently.
type Keys struct {
	owner    ed25519.PublicKey
	topic    string
	id       [16]byte
	deltas   cipher.AEAD
	sessions [32]byte
}

// The labels of what is derived. A change of any of them makes another registry.
const (
	saltLabel    = "minikv/1/private\n"
	topicLabel   = "topic\n"
	idLabel      = "id\n"
	deltasLabel  = "deltas\n"
	sessionLabel = "sessions\n"
)

// NewKeys derives the keys of a registry. The owner's key has the length that ed25519 demands.
func NewKeys(name string, secret [SecretSize]byte, owner ed25519.PublicKey) (*Keys, error) {
	if len(owner) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("seal: the owners' key has %d bytes, not %d", len(owner), ed25519.PublicKeySize)
	}
	salt := sha256.Sum256(append(append([]byte(saltLabel), owner...), name...))
	root, err := hkdf.Extract(sha256.New, secret[:], salt[:])
	if err != nil {
		return nil, fmt.Errorf("seal: deriving keys: %w", err)
	}
	derive := func(label string, into []byte) {
		b, derr := hkdf.Expand(sha256.New, root, label+string(owner)+name, len(into))
		if derr != nil {
			err = derr
		}
		copy(into, b)
	}
	k := &Keys{owner: owner}
	var topic, deltas [32]byte
	derive(topicLabel, topic[:])
	derive(idLabel, k.id[:])
	derive(deltasLabel, deltas[:])
	derive(sessionLabel, k.sessions[:])
	if err != nil {
		return nil, fmt.Errorf("seal: deriving keys: %w", err)
	}
	k.topic = "minikv/1/" + hex.EncodeToString(topic[:])
	k.deltas, err = chacha20poly1305.NewX(deltas[:])
	return k, err
}

// Topic is the name of the registry's gossip topic. It tells an outsider nothing of the registry.
func (k *Keys) Topic() string { return k.topic }

// Owner is the owners' public key.
func (k *Keys) Owner() ed25519.PublicKey { return k.owner }

// String shows no secret.
func (k *Keys) String() string { return "keys of " + k.topic }

// GoString shows no secret either.
func (k *Keys) GoString() string { return k.String() }
