package minikv_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/minikv/minikv"
)

func Example() {
	ctx := context.Background()
	node, err := minikv.Open(ctx, "", minikv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	cities, err := node.Registry(ctx, "cities")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := cities.Put(ctx, "de/hamburg", []byte("1.9M")); err != nil {
		log.Fatal(err)
	}
	e, err := cities.Get(ctx, "de/hamburg")
	fmt.Printf("%s %v\n", e.Value, err)
	_, err = cities.Get(ctx, "de/atlantis")
	fmt.Println(err, errors.Is(err, minikv.ErrNotFound))
	// Output:
	// 1.9M <nil>
	// minikv: get cities/de/atlantis: key not found true
}

// Two nodes in one program; across machines only the address differs.
func Example_twoNodes() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	open := func() (*minikv.Node, *minikv.Registry) {
		node, err := minikv.Open(ctx, "", minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
		if err != nil {
			log.Fatal(err)
		}
		r, err := node.Registry(ctx, "inventory", minikv.Public())
		if err != nil {
			log.Fatal(err)
		}
		return node, r
	}
	a, left := open()
	defer a.Close()
	b, right := open()
	defer b.Close()

	left.Put(ctx, "bolt", []byte("12"))  // both write
	right.Put(ctx, "nut", []byte("500")) // before they have met

	if _, err := a.Connect(ctx, b.Addrs()[0]); err != nil {
		log.Fatal(err)
	}
	if err := a.WaitSynced(ctx, 1); err != nil {
		log.Fatal(err)
	}
	for e, err := range left.All(ctx) {
		fmt.Println(e.Key, string(e.Value), err)
	}
	// Output:
	// bolt 12 <nil>
	// nut 500 <nil>
}

// Two nodes of a private registry in one program; across machines the ticket is what travels.
func ExampleNode_Join() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cfg := minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}}
	home, err := minikv.Open(ctx, "", cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer home.Close()
	list, err := home.Registry(ctx, "shopping") // private: this node is its owner
	if err != nil {
		log.Fatal(err)
	}
	list.Put(ctx, "milk", []byte("2 l"))
	ticket, err := list.Ticket(ctx, minikv.TicketOptions{Rights: minikv.RightsRead, TTL: 24 * time.Hour})
	if err != nil {
		log.Fatal(err)
	}

	phone, err := minikv.Open(ctx, "", cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer phone.Close()
	copied, err := phone.Join(ctx, ticket) // dials home in the background
	if err != nil {
		log.Fatal(err)
	}
	if err := copied.WaitSynced(ctx, 1); err != nil {
		log.Fatal(err)
	}
	e, err := copied.Get(ctx, "milk")
	fmt.Println(string(e.Value), err)
	_, err = copied.Put(ctx, "beer", nil)
	fmt.Println(err)
	// Output:
	// 2 l <nil>
	// minikv: put shopping/beer: read-only: this node has joined the registry by a read ticket; join by a write ticket
}

func ExampleRegistry_Watch() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	r.Put(ctx, "door/front", []byte("shut"))
	for ev, err := range r.Watch(ctx, "door/") {
		if err != nil {
			log.Fatal(err)
		}
		if ev.Kind == minikv.EventSynced {
			fmt.Println("that was all so far")
			r.Put(ctx, "door/front", []byte("open"))
			continue
		}
		fmt.Println(ev.Kind, ev.Entry.Key, string(ev.Entry.Value))
		switch {
		case string(ev.Entry.Value) == "open":
			r.Delete(ctx, "door/front")
		case ev.Kind == minikv.EventDelete:
			return
		}
	}
	// Output:
	// put door/front shut
	// that was all so far
	// put door/front open
	// delete door/front
}

// After goes on where another watch stopped, as after a restart of the consumer.
func ExampleAfter() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	r.Put(ctx, "a", []byte("1"))
	var saved string
	for ev, _ := range r.Watch(ctx, "") {
		if ev.Kind == minikv.EventSynced {
			saved = ev.Position().String()
			break
		}
	}
	r.Put(ctx, "b", []byte("2"))
	r.Delete(ctx, "a")
	position, err := minikv.ParsePosition(saved)
	if err != nil {
		log.Fatal(err)
	}
	for ev, _ := range r.Watch(ctx, "", minikv.After(position)) {
		if ev.Kind == minikv.EventSynced {
			break
		}
		fmt.Println(ev.Kind, ev.Entry.Key)
	}
	// Output:
	// delete a
	// put b
}

func ExampleRegistry_NewBatch() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	b := r.NewBatch()
	for i := range 3 {
		b.Put(fmt.Sprintf("row/%d", i), []byte("x"), minikv.TTL(time.Hour))
	}
	b.Delete("row/1")
	if _, err := b.Commit(ctx); err != nil {
		log.Fatal(err)
	}
	for key := range r.Keys(ctx, "row/") {
		fmt.Println(key)
	}
	// Output:
	// row/0
	// row/2
}

func ExampleRegistry_WithLock() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	err := r.WithLock(ctx, "printer", func(ctx context.Context, l *minikv.Lease) error {
		_, err := r.Put(ctx, "printer", []byte("mine")) // a plain write, even on the holder's node
		fmt.Println(errors.Is(err, minikv.ErrLocked))
		if err := l.Check(time.Second); err != nil { // before any side effect elsewhere
			return err
		}
		_, err = l.Put(ctx, []byte("page 1"))
		return err
	}, minikv.TTL(5*time.Second))
	e, _ := r.Get(ctx, "printer")
	fmt.Println(err, string(e.Value), e.Lock == nil)
	// Output:
	// true
	// <nil> page 1 true
}

func ExampleLocked() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	var lease *minikv.Lease
	_, err := r.Put(ctx, "job/7", []byte("running"), minikv.Locked(&lease, minikv.TTL(time.Minute)))
	fmt.Println(err, lease.Key())
	_, err = r.TryLock(ctx, "job/7")
	var locked *minikv.LockedError
	fmt.Println(errors.As(err, &locked), locked.Owner == r.Node().ID())
	fmt.Println(r.Delete(ctx, "job/7", minikv.Under(lease)), lease.Unlock(ctx))
	// Output:
	// <nil> job/7
	// true true
	// <nil> <nil>
}

type wallet struct {
	Owner string
	Cents int64
}

// A registry declared once and used from anywhere.
var wallets = minikv.Declare[wallet]("wallets", minikv.Public(), minikv.DefaultTTL(24*time.Hour))

func ExampleDeclare() {
	ctx := context.Background()
	node, err := minikv.Open(ctx, "", minikv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	if _, err := wallets.In(node).Put(ctx, "alice", wallet{"Alice", 1250}); err != nil {
		log.Fatal(err)
	}
	w, err := wallets.In(node).Get(ctx, "alice")
	fmt.Println(w, err)
	ttl, _, _ := wallets.In(node).Raw().TTL(ctx, "alice")
	fmt.Println(ttl.Round(time.Hour))
	// Output:
	// {Alice 1250} <nil>
	// 24h0m0s
}

// Each node that it is used in has its own; none of them need be open before.
func ExampleDeclared_In() {
	ctx := context.Background()
	node, err := minikv.Open(ctx, "", minikv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = wallets.In(node).Get(ctx, "alice")
	fmt.Println(wallets.Name(), errors.Is(err, minikv.ErrNotFound))
	node.Close()
	_, err = wallets.In(node).Get(ctx, "alice")
	fmt.Println(errors.Is(err, minikv.ErrClosed))
	// Output:
	// wallets true
	// true
}

func ExampleRegistry_Expire() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	r.Put(ctx, "session", []byte("x"))
	fmt.Println(r.Expire(ctx, "session", time.Minute))
	_, expires, _ := r.TTL(ctx, "session")
	fmt.Println(expires)
	fmt.Println(r.Persist(ctx, "session"))
	_, expires, _ = r.TTL(ctx, "session")
	fmt.Println(expires)
	fmt.Println(r.Expire(ctx, "session", 0))
	// Output:
	// <nil>
	// true
	// <nil>
	// false
	// minikv: expire example/session: a TTL of 0s; it has to be more than zero: use Delete to remove the key now, Persist to drop its expiry
}

func exampleRegistry() *minikv.Registry {
	ctx := context.Background()
	node, err := minikv.Open(ctx, "", minikv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	r, err := node.Registry(ctx, "example", minikv.Public())
	if err != nil {
		log.Fatal(err)
	}
	return r
}
