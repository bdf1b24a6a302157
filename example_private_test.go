package minikv_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/minikv/minikv"
)

// Two nodes share a private registry: its owner makes a ticket, and the other one joins by it.
func ExampleTicketOptions() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	mine := examplePrivate()
	defer mine.Node().Close()
	mine.Put(ctx, "k", []byte("v"))
	ticket, err := mine.Ticket(ctx, minikv.TicketOptions{Rights: minikv.RightsWrite, TTL: 24 * time.Hour})
	if err != nil {
		log.Fatal(err)
	}

	node, err := minikv.Open(ctx, "", minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	theirs, err := node.Join(ctx, ticket)
	if err != nil {
		log.Fatal(err)
	}
	if err := theirs.WaitSynced(ctx, 1); err != nil {
		log.Fatal(err)
	}
	e, err := theirs.Get(ctx, "k")
	fmt.Printf("%s %v\n", e.Value, err)
	// Output: v <nil>
}

func ExampleTicketInfo() {
	ctx := context.Background()
	r := examplePrivate()
	defer r.Node().Close()
	ticket, err := r.Ticket(ctx, minikv.TicketOptions{})
	if err != nil {
		log.Fatal(err)
	}
	info, err := minikv.ParseTicket(ticket)
	fmt.Println(info.Registry, info.Rights, info.Expires.IsZero(), len(info.Addrs), err)
	_, err = minikv.ParseTicket(ticket[:len(ticket)-3])
	fmt.Println(errors.Is(err, minikv.ErrTicket))
	// Output:
	// example read true 1 <nil>
	// true
}

func ExampleAccess() {
	ctx := context.Background()
	r := examplePrivate()
	defer r.Node().Close()
	ticket, err := r.Ticket(ctx, minikv.TicketOptions{Rights: minikv.RightsRead})
	if err != nil {
		log.Fatal(err)
	}
	node, err := minikv.Open(ctx, "", minikv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	theirs, err := node.Join(ctx, ticket)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Access().Rights, theirs.Access().Rights)
	_, err = theirs.Put(ctx, "k", nil)
	fmt.Println(errors.Is(err, minikv.ErrReadOnly))
	// Output:
	// owner read
	// true
}

func ExampleRights() {
	fmt.Println(minikv.RightsRead, minikv.RightsWrite, minikv.RightsOwner, minikv.RightsWrite > minikv.RightsRead)
	// Output: read write owner true
}

func ExampleJoinOption() {
	ctx := context.Background()
	r := examplePrivate()
	defer r.Node().Close()
	node, err := minikv.Open(ctx, "", minikv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	other, err := node.Registry(ctx, "example") // another registry, by the same name
	if err != nil {
		log.Fatal(err)
	}
	other.Put(ctx, "k", nil) // an empty one would give way
	ticket, err := r.Ticket(ctx, minikv.TicketOptions{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = node.Join(ctx, ticket)
	fmt.Println(errors.Is(err, minikv.ErrTicket))
	_, err = node.Join(ctx, ticket, minikv.Replace())
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

func ExampleMemberOption() {
	ctx := context.Background()
	r := examplePrivate()
	defer r.Node().Close()
	ticket, err := r.Ticket(ctx, minikv.TicketOptions{Rights: minikv.RightsWrite})
	if err != nil {
		log.Fatal(err)
	}
	node, err := minikv.Open(ctx, "", minikv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	theirs, err := node.Join(ctx, ticket, minikv.DefaultTTL(time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	theirs.Put(ctx, "k", nil)
	left, _, err := theirs.TTL(ctx, "k")
	fmt.Println(left.Round(time.Hour), err)
	// Output: 1h0m0s <nil>
}

func examplePrivate() *minikv.Registry {
	ctx := context.Background()
	node, err := minikv.Open(ctx, "", minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	if err != nil {
		log.Fatal(err)
	}
	r, err := node.Registry(ctx, "example") // private, as Public is not said
	if err != nil {
		log.Fatal(err)
	}
	return r
}
