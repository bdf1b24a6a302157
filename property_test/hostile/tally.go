package hostile

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// tally counts what the attackers of one order do.
type tally struct {
	attack  string
	in, out atomic.Int64
	begun   func()

	mu      sync.Mutex
	ids     []string
	waiting int // attackers that have sent nothing yet
	sent    map[string]int
	seen    map[string]int
	ratio   map[string]Ratio
}

func newTally(o *Order) *tally {
	return &tally{attack: o.Attack, waiting: o.Number, sent: map[string]int{}, seen: map[string]int{}, ratio: map[string]Ratio{}}
}

func (t *tally) report(event string) Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Report{
		Attack: t.attack, Event: event, IDs: slices.Clone(t.ids), Sent: maps.Clone(t.sent), Seen: maps.Clone(t.seen),
		In: t.in.Load(), Out: t.out.Load(), Ratio: maps.Clone(t.ratio),
	}
}

// note counts something that came of an attack.
func (t *tally) note(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen[what]++
}

// noteRatio keeps the worst ratio of a kind.
func (t *tally) noteRatio(kind string, request, reply int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w, ok := t.ratio[kind]; !ok || reply*max(w.Request, 1) > w.Reply*max(request, 1) {
		t.ratio[kind] = Ratio{request, reply}
	}
}
