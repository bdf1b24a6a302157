package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const identityName = "identity.key"

// identity is a node's key and the open, locked file it comes from: while it is open no other process takes the same identity.
type identity struct {
	key  ed25519.PrivateKey
	file *os.File
}

func (id *identity) Close() error { return id.file.Close() }

// openIdentity reads the key of the node that lives in dir, or makes both.
func openIdentity(dir string) (*identity, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	path := filepath.Join(dir, identityName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the node's key: %w", err)
	}
	id, err := loadIdentity(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("the node's key %s: %w", path, err)
	}
	return id, nil
}

func loadIdentity(f *os.File) (*identity, error) {
	if err := lockFile(f); err != nil {
		return nil, fmt.Errorf("another process uses this directory (%w); stop it, or give this node its own with --dir, or use --memory", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if p := info.Mode().Perm(); p&0o077 != 0 && checksModes {
		return nil, fmt.Errorf("others may read it (mode %04o): anyone with the key can pose as this node; chmod 600 it, or delete it for a new one", p)
	}
	if info.Size() == 0 {
		key, err := createIdentity(f)
		return &identity{key: key, file: f}, err
	}
	key, err := parseIdentity(f, info)
	return &identity{key: key, file: f}, err
}

func createIdentity(f *os.File) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der}); err != nil {
		return nil, errors.Join(err, f.Truncate(0)) // half a key would be in the way at the next start
	}
	return key, f.Sync()
}

func parseIdentity(f *os.File, info fs.FileInfo) (ed25519.PrivateKey, error) {
	errBad := errors.New("not an ed25519 private key in PEM; restore it from a backup, or delete it for a new one")
	if info.Size() > 64<<10 {
		return nil, errBad
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errBad
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := any.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, errBad
	}
	return key, nil
}
