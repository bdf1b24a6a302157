//go:build !mutant_no_sync

package store

// sync hands the steps of some tables to the engine, and all that it has to the
// disk.
func (g *group) sync(tables []*table) error {
	if len(tables) == 1 {
		return g.syncOne(tables[0])
	}
	for _, t := range tables {
		if err := t.flushLocked(); err != nil {
			return err
		}
	}
	return g.syncAll()
}
