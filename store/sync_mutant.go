//go:build mutant_no_sync

package store

// A planted bug: what waits to be durable is handed to the engine, and not to the disk.
func (g *group) sync(tables []*table) error {
	for _, t := range tables {
		if err := t.flushLocked(); err != nil {
			return err
		}
	}
	return nil
}
