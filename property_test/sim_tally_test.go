package property_test

import (
	"fmt"
	"slices"
	"strings"
)

// What a simulation counts, by name.
const (
	cWorlds       = "worlds"
	cOps          = "operations"
	cMessages     = "gossip hops"
	cSessions     = "sessions"
	cMerged       = "sessions merged"
	cUnverified   = "sessions unverified"
	cAudits       = "sessions with an audit"
	cFetches      = "fetches"
	cFetched      = "entries fetched"
	cLoss         = "fault: message lost"
	cReplay       = "fault: message replayed"
	cReorder      = "fault: message overtook another"
	cDark         = "fault: message or frame into a partition"
	cOneWay       = "fault: one-way partition"
	cTwoWay       = "fault: two-way partition"
	cCut          = "fault: session cut"
	cCrashMemory  = "fault: crash of a node in memory"
	cCrashDisk    = "fault: crash of a node with a disk"
	cUnsynced     = "fault: write lost with a crash"
	cRollback     = "fault: backup restored"
	cJoin         = "fault: node joined"
	cLeave        = "fault: node left for ever"
	cSkewed       = "fault: entry refused for its stamp"
	cJump         = "fault: wall clock set back"
	cDisk         = "fault: disk refused a write"
	cSleep        = "fault: days without anything"
	cCollect      = "fault: tombstone collected early"
	cTies         = "ties of stamps"
	cTombstones   = "tombstones written"
	cExpired      = "entries expired"
	cLate         = "late writes"
	cDropped      = "entries dropped on a peer's word"
	cRestored     = "entries kept against a context"
	cBig          = "long values announced"
	cClaims       = "leases claimed"
	cRenewals     = "leases renewed"
	cReleases     = "leases released"
	cLeaseLost    = "leases lost to another"
	cRivals       = "overlapping leases reported"
	cFenced       = "fenced writes"
	cLocked       = "writes refused under a lease"
	cByTicks      = "worlds healed by schedule alone"
	cRounds       = "rounds to heal"
	cReplayedRuns = "seeds run twice"
	cReaders      = "readers"
	cOneSided     = "sessions of a reader"
	cFollowed     = "entries that a reader had seen deleted and took again"
	cAhead        = "readers found to hold more than any writer"
)

// leastShare is how often each of these must come up, per world and on
// average, or the campaign says nothing.
var leastShare = map[string]float64{
	cLoss: 1, cReplay: 1, cReorder: 1, cDark: 1, cOneWay: 0.5, cTwoWay: 0.5, cCut: 0.5, cCrashMemory: 0.5, cCrashDisk: 0.5,
	cUnsynced: 0.5, cRollback: 0.35, cJoin: 0.5, cLeave: 0.2, cSkewed: 0.5, cJump: 0.05, cDisk: 0.2, cSleep: 0.05, cCollect: 0.5,
	cTies: 0.5, cTombstones: 1, cExpired: 1, cLate: 0.05, cDropped: 0.5, cBig: 0.05, cClaims: 1, cRenewals: 1, cReleases: 0.5, cLeaseLost: 0.2, cRivals: 0.05,
	cFenced: 1, cLocked: 0.5, cByTicks: 0.1, cMerged: 5, cReaders: 0.2, cOneSided: 2,
	cFetches: 1, cFetched: 1,
}

// tally counts by name.
type tally map[string]int

func (t tally) add(o tally) {
	for name, n := range o {
		t[name] += n
	}
}

func (t tally) String() string {
	var lines []string
	for name, n := range t {
		lines = append(lines, fmt.Sprintf("%-45s %10d", name, n))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// shortfalls says what came up too rarely.
func (t tally) shortfalls() (out []string) {
	for name, share := range leastShare {
		if least := int(share * float64(t[cWorlds])); t[name] < least {
			out = append(out, fmt.Sprintf("%q came up %d times in %d worlds, want at least %d", name, t[name], t[cWorlds], least))
		}
	}
	slices.Sort(out)
	return out
}
