package hostile

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

// Order starts an attack, or ends all of them.
type Order struct {
	Attack  string            // its name; "": end all attacks
	Number  int               // attackers; at least 1
	Nodes   []string          // multiaddrs of the honest nodes
	Tickets map[string]string // by sort: see the Ticket constants
	Keys    int               // of a flood, at most
	Seed    uint64
}

// Sorts of tickets in an [Order].
const (
	TicketRead    = "read"
	TicketWrite   = "write"
	TicketExpired = "expired" // it gave the right to write
	TicketWrong   = "wrong"   // of another registry of the same name
)

// Report tells what an attack has done.
type Report struct {
	Attack  string
	Event   string           // EventBegun, EventEnded or EventFailed
	IDs     []string         // peer ids of the attackers
	Sent    map[string]int   // messages by kind
	Seen    map[string]int   // what came of them, as far as attackers can see
	In, Out int64            // bytes of the registry's protocols, received and sent
	Ratio   map[string]Ratio // of the worst exchange before a proof, by kind
	Err     string
}

// Ratio is what a peer without proof was answered, in bytes.
type Ratio struct{ Request, Reply int64 }

// Events of a [Report].
const (
	EventBegun  = "begun"  // all attackers have sent something hostile
	EventEnded  = "ended"  // they are gone
	EventFailed = "failed" // something is wrong with the attacker
)

// attacks are all attacks by name.
var attacks = map[string]func(*attacker) error{}

// Attacks are the names of all attacks, sorted.
func Attacks() []string { return slices.Sorted(maps.Keys(attacks)) }

// Serve takes orders, a JSON value each, until there are no more, and writes reports.
func Serve(orders io.Reader, reports io.Writer) error {
	end := make(chan struct{}) // closed at the end of all attacks that run
	var running sync.WaitGroup
	var mu sync.Mutex
	tell := func(r Report) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(reports).Encode(r) // who does not listen any more needs no report
	}
	for in := json.NewDecoder(bufio.NewReader(orders)); ; {
		var o Order
		if err := in.Decode(&o); err == io.EOF {
			close(end)
			running.Wait()
			return nil
		} else if err != nil {
			return err
		}
		if o.Attack == "" {
			close(end)
			running.Wait()
			end = make(chan struct{})
			continue
		}
		ended := end
		running.Go(func() { campaign(ended, &o, tell) })
	}
}

// seedOf gives each attacker another identity.
func seedOf(attack string, i int) uint64 {
	h := fnv.New64()
	fmt.Fprint(h, attack, i)
	return h.Sum64()
}

// campaign runs the attackers of an order.
func campaign(ended <-chan struct{}, o *Order, tell func(Report)) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ta := newTally(o)
	attack := attacks[o.Attack]
	if attack == nil {
		tell(Report{Attack: o.Attack, Event: EventFailed, Err: "no such attack"})
		return
	}
	var all sync.WaitGroup
	var crew []*attacker
	for i := range o.Number {
		a, err := newAttacker(ctx, o, ta, rand.New(rand.NewPCG(o.Seed, seedOf(o.Attack, i))))
		if err != nil {
			tell(Report{Attack: o.Attack, Event: EventFailed, Err: err.Error()})
			return
		}
		defer a.close()
		crew = append(crew, a)
		ta.ids = append(ta.ids, a.id.String())
	}
	ta.begun = func() { tell(ta.report(EventBegun)) }
	for _, a := range crew {
		all.Go(func() {
			if err := attack(a); err != nil && ctx.Err() == nil {
				tell(Report{Attack: o.Attack, Event: EventFailed, Err: fmt.Sprintf("%s: %v", a.id, err)})
			}
		})
	}
	<-ended
	cancel()
	for _, a := range crew {
		a.close()
	}
	all.Wait()
	tell(ta.report(EventEnded))
}
