package minikv

import (
	"context"

	"github.com/minikv/minikv/store"
)

// CheckReport is what [CheckDir] found in a directory.
type CheckReport struct {
	Registries []CheckedRegistry // in ascending order of their names
	Faults     []CheckFault      // the first 100
	Found      int               // how many faults there are; zero: all is well
	Repaired   bool              // the directory's data is without them now
	Kept       string            // the directory, within, of what was there before; empty unless Repaired
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
// repair something is wrong: then the data is made anew of what is right and takes the old one's place, whose files are
// kept in a directory within; that needs as much room again. What was lost is taken out of what the
// registry has seen, so the node gets it from its peers when it is opened near them; nothing is made up.
//
// The keys of private registries are looked at, too; what is wrong with them cannot be repaired, only brought back from
// a copy, or by joining again. Faults are in the report; an error says that the directory could not be looked at: [ErrStorage],
// [ErrBadFormat] when it holds no node's data or that of a later version, [ErrCorrupt] when the engine cannot
// open it at all. In that case restore a snapshot to another directory; with repair the node begins here without
// data, as itself and with the keys of its private registries, and gets what it opens from its peers.
// CheckDir takes time and memory in proportion to the directory, some 10 bytes of it for each key.
func CheckDir(ctx context.Context, dir string, repair bool) (CheckReport, error) {
	if err := checkContext(ctx); err != nil {
		return CheckReport{}, wrapDir("check", err)
	}
	found, err := store.Check(ctx, dir, store.Options{}, digestKeyOf, repair)
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
