package minikv

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// newcomer is for how long a peer may be connected and not have said yet what it shares.
const newcomer = 15 * time.Second

// registries looks for peers that have shared a private registry and are connected, but share it no more: the keys were
// changed, which whoever has the old ones is not told.
func (d *doctor) registries(peers []PeerInfo) {
	since := map[PeerID]time.Time{}
	for _, p := range peers {
		if p.Connected {
			since[p.ID] = p.Since
		}
	}
	open, err := d.n.open(context.Background())
	if err != nil {
		return // closed meanwhile
	}
	var found []string
	for _, r := range open {
		if gone := r.estranged(since); len(gone) > 0 {
			found = append(found, fmt.Sprintf("%q: %s", r.name, strings.Join(gone, ", ")))
		}
	}
	if len(found) > 0 {
		slices.Sort(found)
		d.add("registries", CheckNote, "connected, but these peers share it no more: "+strings.Join(found, "; "), "if its keys were changed ('minikv rotate'), whoever has the old ones joins again by a new ticket ('minikv join - --replace'); if the peers have closed it, all is well")
	}
}

// estranged returns the peers, by since when they are connected, with which a private registry was exchanged and that are
// in its topic no more.
func (r *Registry) estranged(since map[PeerID]time.Time) (gone []string) {
	if r.link == nil || r.member.Load() == nil {
		return nil
	}
	here := r.link.now().topic.Peers()
	r.mu.RLock()
	defer r.mu.RUnlock()
	for id, p := range r.peers {
		at, connected := since[id]
		told := p.synced.After(at) || !p.synced.IsZero() && time.Since(at) > newcomer
		if connected && told && !slices.Contains(here, string(id)) {
			gone = append(gone, string(id))
		}
	}
	slices.Sort(gone)
	return gone
}
