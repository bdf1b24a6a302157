package minikv

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/minikv/minikv/store"
)

// CheckReport is what [CheckDir] found in a directory.
type CheckReport struct {
	Registries []CheckedRegistry // in ascending order of their names
	Faults     []CheckFault      // the first 100
	Found      int               // how many faults there are; zero: all is well
	Repaired   bool              // the directory is another now, without them
	Kept       string            // where the old one is; empty unless Repaired
}

// CheckedRegistry is a registry of a checked directory.
type CheckedRegistry struct {
	Name             string
	Keys, Tombstones int  // that are whole
	Lost             int  // writes that were held and are not any more; a repaired node asks its peers for them
	LostUnknown      bool // there may be more of them; a repaired node then compares all that it has with its peers
}

// CheckFault is something in a directory that is not as it should be.
type CheckFault struct {
	Sort     string // "entry", "index", "context", "digest", "state", "store", "unreadable" "unknown row" or "keys"
	Registry string // empty: none in particular
	Text     string
}

// CheckDir reads all of a node's directory and verifies every entry, every row of the indexes in both directions,
// digests, totals and contexts. No node may have it open, else [ErrDirInUse]. Nothing is changed unless with
// repair something is wrong: then a directory is made of what is right and takes the old one's place, which is
// kept under another name beside it; that needs as much room again. What was lost is taken out of what the
// registry has seen, so the node gets it from its peers when it is opened near them; nothing is made up.
//
// The keys of private registries are looked at, too; what is wrong with them cannot be repaired, only brought back from
// a copy, or by joining again. Faults are in the report; an error says that the directory could not be looked at: [ErrStorage],
// [ErrBadFormat] when it holds no node's data or that of a later version, [ErrCorrupt] when the engine cannot
// open it at all. In that case restore a snapshot, or begin with an empty directory and get the data from peers.
// CheckDir takes time and memory in proportion to the directory, some 10 bytes of it for each key.
func CheckDir(ctx context.Context, dir string, repair bool) (CheckReport, error) {
	if err := checkContext(ctx); err != nil {
		return CheckReport{}, wrapDir("check", err)
	}
	found, err := store.Check(ctx, dir, store.Options{}, digestKeyOf, repair)
	if err == nil && found.Repaired {
		if err = moveIdentity(found.Kept, dir); err == nil {
			err = moveKeys(found.Kept, dir)
		}
	}
	if err != nil {
		return CheckReport{}, wrapDir("check", err)
	}
	r := checkReport(found)
	for _, err := range checkKeys(dir) {
		r.Found++
		r.Faults = append(r.Faults, CheckFault{Sort: "keys", Text: err.Error()})
	}
	return r, nil
}

func checkReport(found store.Report) CheckReport {
	r := CheckReport{Repaired: found.Repaired, Kept: found.Kept}
	for _, n := range found.Found {
		r.Found += n
	}
	for _, reg := range found.Registries {
		r.Registries = append(r.Registries, CheckedRegistry{
			Name: reg.Name, Keys: reg.Keys, Tombstones: reg.Tombstones, Lost: reg.Lost, LostUnknown: reg.Unknown,
		})
	}
	for _, f := range found.Faults {
		r.Faults = append(r.Faults, CheckFault{Sort: f.Sort, Registry: f.Registry, Text: f.What})
	}
	return r
}

// moveIdentity makes a repaired directory that of the same node.
func moveIdentity(from, to string) error {
	b, err := os.ReadFile(filepath.Join(from, identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it had another from its configuration
	}
	if err == nil {
		err = writeFile(filepath.Join(to, identityFile), b)
	}
	if err != nil {
		return detailf(ErrStorage, "the directory is repaired, but its key is still in %s: %v", from, err)
	}
	return nil
}
