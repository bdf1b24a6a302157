package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A store that is made of what was saved, or of what is right in a damaged one, is made within the directory that it
// is for, and takes its place there: so nothing but the directory need be writable, which may be where a disk is
// mounted, and all else in it stays. Each step is a rename. What a crash has interrupted goes on when the directory
// is opened the next time.
const (
	makingName  = "minikv.making"  // the new store; what is found of it is not whole, and goes
	madeName    = "minikv.made"    // it is whole; the files of the one before go to asideName
	movingName  = "minikv.moving"  // they have gone; the new files come up
	asideName   = "minikv.aside"   // gets a name with damagedName when all is done
	damagedName = "minikv.damaged" // the first of them
)

const lockName = "LOCK"

// lockDir makes a directory if need be, and locks it. It returns the directory's one name.
func lockDir(fs vfs.FS, dir string) (*pebble.Lock, string, error) {
	if err := makeDir(fs, dir); err != nil {
		return nil, dir, fmt.Errorf("%w: %s: %w; give a directory that can be written", ErrFailed, dir, err)
	}
	dir = realDir(fs, dir)
	lock, err := pebble.LockDirectory(dir, fs)
	if isPath(err) { // not even the lock's file could be made
		return nil, dir, fmt.Errorf("%w: %s: %w; give a directory that can be written", ErrFailed, dir, err)
	}
	if err != nil {
		return nil, dir, fmt.Errorf("%w: %s: %w; end the other process, or give this one a directory of its own", ErrInUse, dir, err)
	}
	return lock, dir, nil
}

// install puts what was made in the place of what is there, and returns where that is now, empty if nothing was. The
// directory is locked, and no store open in it.
func install(fs vfs.FS, dir string) (aside string, err error) {
	err = fs.Rename(fs.PathJoin(dir, makingName), fs.PathJoin(dir, madeName))
	if err == nil {
		err = syncDir(fs, dir) // from here on it will be done
	}
	if err == nil {
		aside, err = takeOver(fs, dir)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w; the next start goes on with it", ErrFailed, dir, err)
	}
	return aside, nil
}

// takeOver goes on with what an install has begun in a directory that is locked.
func takeOver(fs vfs.FS, dir string) (aside string, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return "", err
	}
	has := map[string]bool{}
	for _, name := range names {
		has[name] = true
	}
	if has[makingName] {
		if err := fs.RemoveAll(fs.PathJoin(dir, makingName)); err != nil {
			return "", err
		}
	}
	if has[madeName] {
		moved, err := moveFiles(fs, dir, fs.PathJoin(dir, asideName))
		if err == nil {
			err = rename(fs, dir, madeName, movingName)
		}
		if err != nil {
			return "", err
		}
		has[movingName], has[asideName] = true, has[asideName] || moved
	}
	if has[movingName] {
		from := fs.PathJoin(dir, movingName)
		if _, err := moveFiles(fs, from, dir); err != nil {
			return "", err
		}
		if err := errors.Join(fs.RemoveAll(from), syncDir(fs, dir)); err != nil {
			return "", err
		}
	}
	if !has[asideName] {
		return "", nil
	}
	name := damagedName
	for n := 2; has[name]; n++ {
		name = fmt.Sprintf("%s-%d", damagedName, n)
	}
	return fs.PathJoin(dir, name), rename(fs, dir, asideName, name)
}

func rename(fs vfs.FS, dir, from, to string) error {
	if err := fs.Rename(fs.PathJoin(dir, from), fs.PathJoin(dir, to)); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

// moveFiles moves the files of a store to another directory, durably. It says whether there were any.
func moveFiles(fs vfs.FS, from, to string) (any bool, err error) {
	names, err := fs.List(from)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		if !isOfStore(name) {
			continue
		}
		if !any {
			if err := fs.MkdirAll(to, 0o700); err != nil {
				return false, err
			}
		}
		any = true
		if err := fs.Rename(fs.PathJoin(from, name), fs.PathJoin(to, name)); err != nil {
			return any, err
		}
	}
	if any {
		err = errors.Join(syncDir(fs, to), syncDir(fs, from))
	}
	return any, err
}

// isOfStore says whether a file is one of a store: not its lock, and nothing that others keep in its directory.
func isOfStore(name string) bool {
	for _, prefix := range []string{"MANIFEST-", "OPTIONS-", "marker.", floorName, syncedName, spillName, probeName} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return isTable(name) || logNumber(name) != 0 || strings.HasSuffix(name, ".dbtmp")
}

// isOfNode says whether a file shows that its directory is one of a store, be it one that is being made.
func isOfNode(name string) bool {
	switch name {
	case makingName, madeName, movingName, asideName:
		return true
	}
	return isOfStore(name) || strings.HasPrefix(name, damagedName)
}
