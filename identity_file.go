package minikv

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// identityFile is where a node's directory has the private key, in PEM and for its owner alone. It is a file
// of its own, so that it has a mode of its own, and so that who copies a directory can leave it out: the copy
// then is another node.
const identityFile = "identity.key"

const maxIdentityFile = 64 << 10 // bytes

// keptIdentity reads the key of the node that lives in dir, or makes one.
func keptIdentity(dir string) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, identityFile)
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return makeIdentity(path)
	case err != nil:
		return nil, detailf(ErrStorage, "the node's key: %v", err)
	}
	defer f.Close()
	if err := checkMode(f, "the node's key", "anyone with the key can pose as this node; chmod 600 it, or delete it for a new one"); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxIdentityFile))
	if err != nil {
		return nil, detailf(ErrStorage, "the node's key: %v", err)
	}
	key, ok := parseIdentity(b)
	if !ok {
		return nil, detailf(ErrCorrupt, "the node's key %s: not an ed25519 private key in PEM; restore it from a backup, or delete it for a new one", path)
	}
	return key, nil
}

func parseIdentity(b []byte) (ed25519.PrivateKey, bool) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, false
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	return key, ok && err == nil
}

// makeIdentity writes a fresh key. A crash leaves the whole of it or nothing.
func makeIdentity(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := writeFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return nil, detailf(ErrStorage, "the node's key: %v", err)
	}
	return key, nil
}

// writeFile puts a file of mode 0600 in its place, durably and all at once.
func writeFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // no more there when all went well
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // has no such thing
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing the directory %s: %w", dir, err)
	}
	return nil
}
