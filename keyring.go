package minikv

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/minikv/minikv/ticket"
)

// keysDir is where a node's directory has the keys of its private registries, each in a file for its owner alone. What is
// in such a file is a ticket, with the addresses that were in the one the node has joined by: so it is saved by copying
// it, and brought back by joining. Nothing of it is in the store, nor in a snapshot.
const keysDir = "registries"

const maxKeyFile = ticket.MaxText

// keyFile is the path of the keys of a registry. Names can have characters that files cannot.
func keyFile(dir, name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(dir, keysDir, hex.EncodeToString(sum[:16])+".key")
}

// keyring has the keys of a node's private registries, open or not.
type keyring struct {
	dir    string                                  // "": in memory
	write  func(path string, content []byte) error // writeFile
	memory map[string]*ticket.Ticket
}

// load returns the ticket that is kept for a registry, nil if there is none.
func (k *keyring) load(name string) (*ticket.Ticket, error) {
	if k.dir == "" {
		return k.memory[name], nil
	}
	t, err := readKeyFile(keyFile(k.dir, name))
	if err == nil && t != nil && t.Name != name {
		err = detailf(ErrCorrupt, "the keys of %q: the file %s has those of another registry; restore it from a backup", name, keyFile(k.dir, name))
	}
	return t, err
}

func readKeyFile(path string) (*ticket.Ticket, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, detailf(ErrStorage, "a registry's keys: %v", err)
	}
	defer f.Close()
	if err := checkMode(f, "a registry's keys", "anyone with them can join it; chmod 600 it, and rotate if somebody may have read it"); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, detailf(ErrStorage, "a registry's keys: %v", err)
	}
	t, err := ticket.Decode(string(b))
	switch {
	case errors.Is(err, ticket.ErrVersion):
		return nil, detailf(ErrBadFormat, "the registry's keys %s are of a later version of minikv; update this one", path)
	case err != nil:
		return nil, detailf(ErrCorrupt, "the registry's keys %s are damaged; restore them from a backup, or delete the file and join by a ticket again", path)
	}
	return t, nil
}

// checkMode refuses a secret that others may read; advice says what that means, and what to do.
func checkMode(f *os.File, what, advice string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return detailf(ErrStorage, "%s: %v", what, err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return detailf(ErrStorage, "%s %s: others may read it (mode %04o), and %s", what, f.Name(), mode, advice)
	}
	return nil
}

// save keeps a ticket durably.
func (k *keyring) save(t *ticket.Ticket) error {
	if k.dir == "" {
		k.memory[t.Name] = t
		return nil
	}
	text, err := ticket.Encode(t)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(k.dir, keysDir), 0o700); err != nil {
		return detailf(ErrStorage, "the registry's keys: %v", err)
	}
	err = k.write(keyFile(k.dir, t.Name), []byte(text+"\n"))
	if err == nil {
		err = syncDir(k.dir)
	}
	if err != nil {
		return detailf(ErrStorage, "the registry's keys: %v", err)
	}
	return nil
}

// replace saves a ticket in place of another. After an error the old one is kept, unless the error says otherwise: a file
// may have its new content though it is not known to be durable.
func (k *keyring) replace(old, t *ticket.Ticket) error {
	err := k.save(t)
	if err == nil {
		return nil
	}
	if undo := k.save(old); undo != nil {
		return errors.Join(err, detailf(ErrStorage, "the old keys of %q may not be what is on the disk any more (%v); once it can be written again, rotate or join once more before the node ends", t.Name, undo))
	}
	return err
}

// forget removes the ticket of a registry, and says whether there was one.
func (k *keyring) forget(name string) (bool, error) {
	if k.dir == "" {
		_, ok := k.memory[name]
		delete(k.memory, name)
		return ok, nil
	}
	err := os.Remove(keyFile(k.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = syncDir(filepath.Join(k.dir, keysDir))
	}
	if err != nil {
		return false, detailf(ErrStorage, "the registry's keys: %v", err)
	}
	return true, nil
}

// checkKeys returns what is wrong with the keys in a directory.
func checkKeys(dir string) (faults []error) {
	files, err := os.ReadDir(filepath.Join(dir, keysDir))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return []error{detailf(ErrStorage, "the registries' keys: %v", err)}
	}
	for _, f := range files {
		if filepath.Ext(f.Name()) != ".key" {
			continue
		}
		path := filepath.Join(dir, keysDir, f.Name())
		t, err := readKeyFile(path)
		if err == nil && t != nil && keyFile(dir, t.Name) != path {
			err = detailf(ErrCorrupt, "the registry's keys %s are those of %q, whose file has another name", path, t.Name)
		}
		if err != nil {
			faults = append(faults, err)
		}
	}
	return faults
}
