//go:build !mutant_watch_last_event

package minikv

// fewestDue is how many changes have to wait for one to be delivered.
const fewestDue = 1
