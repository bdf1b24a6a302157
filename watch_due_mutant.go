//go:build mutant_watch_last_event

package minikv

// A planted bug: the last event stays behind until another comes.
const fewestDue = 2
