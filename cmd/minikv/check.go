package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv"
)

func newCheck(a *app) *cobra.Command {
	var repair bool
	c := &cobra.Command{
		Use: "check [DIR]", GroupID: "node", Args: takes("[DIR]"),
		Short: "Verify the directory of a node that does not run",
		Long: `Read all of the directory of a node that does not run, by default the one that serve uses, and verify every entry, index, digest, total and
context. The exit code is 0 when all is well, and 1 when not.

With --repair the data is made anew of what is right; the damaged files are kept in a directory within, to be removed when all is well. What was lost
the node gets from its peers when it runs near them; what no other node has is gone. Where nothing can be read the node begins without data, as
itself and with the keys of its private registries: name the registries to serve again, and their data comes from peers.`,
		Example: "  minikv check\n  minikv check /var/lib/minikv --repair",
	}
	c.Flags().BoolVar(&repair, "repair", false, "make the data anew of what is right")
	c.RunE = func(c *cobra.Command, args []string) error {
		dir := ""
		if len(args) > 0 {
			dir = args[0]
		}
		if dir == "" {
			var err error
			if dir, err = a.dataDir(); err != nil {
				return err
			}
		}
		r, err := minikv.CheckDir(c.Context(), dir, repair)
		if err != nil {
			return err
		}
		if err := a.printCheck(dir, r); err != nil {
			return err
		}
		switch ofKeys := countKeyFaults(r.Faults); {
		case ofKeys > 0 && (r.Repaired || ofKeys == r.Found):
			return fmt.Errorf("%s in the keys of %s, which no repair brings back: see above", plural(ofKeys, "fault"), dir)
		case r.Found > 0 && !r.Repaired:
			return fmt.Errorf("%s in %s; 'minikv check --repair %s' makes the data anew of what is right", plural(r.Found, "fault"), dir, quoteShell(dir))
		}
		return nil
	}
	return c
}

func (a *app) printCheck(dir string, r minikv.CheckReport) error {
	if a.isJSON() {
		return a.json(checkJSON(dir, r))
	}
	for _, f := range r.Faults {
		a.linef("%s: %s", f.Sort, printable(faultText(f)))
	}
	if more := r.Found - len(r.Faults); more > 0 {
		a.linef("and %s more", count(more))
	}
	if len(r.Registries) == 0 {
		a.linef("no registries")
	} else if err := a.table("REGISTRY KEYS TOMBSTONES LOST", checkRows(r.Registries)); err != nil {
		return err
	}
	if r.Repaired {
		a.linef("\nrepaired; what was damaged is in %s\nlost writes come from peers when the node runs near them", printable(r.Kept))
	}
	return nil
}

// countKeyFaults counts what is wrong with the keys of private registries, which is not repaired.
func countKeyFaults(faults []minikv.CheckFault) (n int) {
	for _, f := range faults {
		if f.Sort == "keys" {
			n++
		}
	}
	return n
}

func faultText(f minikv.CheckFault) string {
	if f.Registry == "" {
		return f.Text
	}
	return f.Registry + ": " + f.Text
}

func checkRows(regs []minikv.CheckedRegistry) (rows [][]string) {
	for _, r := range regs {
		lost := count(r.Lost)
		if r.LostUnknown {
			lost += " or more"
		}
		rows = append(rows, []string{printable(r.Name), count(r.Keys), count(r.Tombstones), lost})
	}
	return rows
}

type checkReport struct {
	Dir        string            `json:"dir"`
	Found      int               `json:"found"` // faults
	Repaired   bool              `json:"repaired"`
	Kept       string            `json:"kept,omitempty"`
	Registries []checkedRegistry `json:"registries"`
	Faults     []checkFault      `json:"faults"`
}

type checkedRegistry struct {
	Name        string `json:"name"`
	Keys        int    `json:"keys"`
	Tombstones  int    `json:"tombstones"`
	Lost        int    `json:"lost"`
	LostUnknown bool   `json:"lost_unknown"`
}

type checkFault struct {
	Sort     string `json:"sort"`
	Registry string `json:"registry,omitempty"`
	Text     string `json:"text"`
}

func checkJSON(dir string, r minikv.CheckReport) checkReport {
	out := checkReport{Dir: dir, Found: r.Found, Repaired: r.Repaired, Kept: r.Kept, Registries: []checkedRegistry{}, Faults: []checkFault{}}
	for _, reg := range r.Registries {
		out.Registries = append(out.Registries, checkedRegistry(reg))
	}
	for _, f := range r.Faults {
		out.Faults = append(out.Faults, checkFault(f))
	}
	return out
}
