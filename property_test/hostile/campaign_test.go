package hostile_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/property_test/hostile"
)

var (
	long    = flag.Duration("hostile.long", 0, "how long the campaign of all attacks at a time goes on; 0: it is left out")
	only    = flag.String("hostile.only", "", "attacks of the campaign, separated by commas; none: all but floods, which need -hostile.most")
	own     = flag.Bool("hostile.own", false, "attackers of each kind have a ticket of their own in the campaign, not one that was stolen for all of them")
	most    = flag.Int("hostile.most", 0, "MiB that a registry may take on honest nodes in the campaign; floods take part then. 0: no limit")
	without = flag.String("hostile.without", "", "attacks that are left out of the campaign, separated by commas")
)

// campaign are the attacks of the campaign: all but those whose writes take their place by right, and those that are for
// another mesh.
func campaign() (names []string) {
	if *only != "" {
		return strings.Split(*only, ",")
	}
	for _, name := range hostile.Attacks() {
		if (*most > 0 || !isFlood(name)) && name != "eclipse" && name != "forgotten deletes" && !slices.Contains(strings.Split(*without, ","), name) {
			names = append(names, name)
		}
	}
	return names
}

// TestAllAtATime runs all attacks, floods if there is a limit, beside each other, at 4 and at 20 attackers for each honest node. What
// members may delete is put back at the end.
func TestAllAtATime(t *testing.T) {
	if *long == 0 {
		t.Skip("NOT RUN: the long campaign needs -hostile.long")
	}
	names := campaign()
	for _, ratio := range []int{4, 20} {
		t.Run(fmt.Sprint(ratio, " to 1"), func(t *testing.T) {
			cfg := config()
			cfg.MaxBytes = int64(*most) << 20
			e, m := newEnemies(t), newMeshOf(t, 3, cfg)
			var orders []hostile.Order
			total := ratio * len(m.regs)
			for i, name := range names {
				if number := (total*(i+1))/len(names) - total*i/len(names); number > 0 {
					orders = append(orders, hostile.Order{Attack: name, Number: number, Nodes: m.addrs(), Tickets: m.stolen(), Seed: *seed, Keys: keysOf(name)})
				}
			}
			before, spent, theirs := resident(t), effort(t), e.effort()
			e.start(slices.DeleteFunc(slices.Clone(orders), func(o hostile.Order) bool { return isFlood(o.Attack) })...)
			e.join(slices.DeleteFunc(slices.Clone(orders), func(o hostile.Order) bool { return !isFlood(o.Attack) })...) // once all others are at it: they leave them little
			began := time.Now()
			rounds, lost, growth := []time.Duration(nil), 0, int64(0)
			for time.Since(began) < *long {
				took, n := m.workOrPutBack()
				rounds, lost = append(rounds, took), lost+n
				growth = max(growth, resident(t)-before)
			}
			took := time.Since(began)
			share := func(d time.Duration) float64 { return 100 * float64(d) / float64(took) }
			nodes, attackers, weight := effort(t)-spent, e.effort()-theirs, weigh(t)
			sent, byKind := 0, map[string]int{}
			for _, r := range e.end(orders...) {
				for _, n := range r.Sent {
					sent += n
					byKind[r.Attack] += n
				}
			}
			if *most > 0 {
				m.arrive() // nodes without room are not equal
			} else {
				m.settle()
			}
			m.requireNoBans()
			m.requireClocks()
			t.Logf("nodes %v, rounds %v", m.ids(), rounds)
			slices.Sort(rounds)
			t.Logf("%d attackers of %d kinds for %v sent %d hostile messages; %d rounds of honest work, half of them in %v, the slowest %v (quiet %v); %d entries that members had removed were put back; memory of 3 nodes grew by %.0f MiB, in the end %s; processors: nodes %.0f %%, honest work included, attackers %.0f %%; %d insiders' entries; blamed %s",
				total, len(orders), took.Round(time.Second), sent, len(rounds), rounds[len(rounds)/2].Round(time.Millisecond), rounds[len(rounds)-1].Round(time.Millisecond), m.quiet.Round(time.Millisecond), lost, float64(growth)/(1<<20), weight, share(nodes), share(attackers), m.insiders(), m.blame())
			t.Logf("messages: %v", byKind)
		})
	}
}

func isFlood(attack string) bool { return strings.HasPrefix(attack, "flood") }

// keysOf is how many keys an attacker of the campaign writes, where that is its attack.
func keysOf(attack string) int {
	if isFlood(attack) {
		return 1_000_000
	}
	return 1000
}

// stolen are the attackers' tickets.
func (m *mesh) stolen() map[string]string {
	all := maps.Clone(m.tickets)
	if *own {
		all[hostile.TicketWrite] = m.ticket(minikv.RightsWrite)
	}
	return all
}

// ids are the nodes' names, to find them in the log.
func (m *mesh) ids() (all []minikv.PeerID) {
	for _, r := range m.regs {
		all = append(all, r.Node().ID())
	}
	return all
}

// insiders is how many entries there are that attackers wrote by right.
func (m *mesh) insiders() (n int) {
	for range m.regs[0].Prefix(ctx, insider) {
		n++
	}
	return n
}

// blame is what honest nodes hold against each other.
func (m *mesh) blame() (out string) {
	for i, r := range m.regs {
		for j, o := range m.regs {
			for _, p := range r.Node().Peers() {
				if p.ID == o.Node().ID() && len(p.Refusals) > 0 {
					out += fmt.Sprintf("%d of %d: %v, score %.0f; ", i, j, p.Refusals, p.Score)
				}
			}
		}
	}
	return out
}
