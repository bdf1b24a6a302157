package minikv_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/minikv/minikv"
)

func ExampleLease() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	l, err := r.Lock(ctx, "valve", minikv.TTL(5*time.Second)) // renewed every third of it
	if err != nil {
		log.Fatal(err)
	}
	defer l.Unlock(ctx)
	if err := l.Check(time.Second); err != nil { // right before a side effect that may take a second
		log.Fatal(err)
	}
	_, err = l.Put(ctx, []byte("open"))
	fmt.Println(err, l.Err(), time.Until(l.Until()) > time.Second)
	select {
	case <-l.Done():
		fmt.Println("lost:", l.Err())
	default:
		fmt.Println("still held")
	}
	// Output:
	// <nil> <nil> true
	// still held
}

// The guarded resource remembers the highest token it saw.
func ExampleToken() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	var highest minikv.Token
	write := func(t minikv.Token, text string) {
		if t.Compare(highest) < 0 {
			fmt.Println("refused:", text)
			return
		}
		highest = t
		fmt.Println("written:", text)
	}
	first, _ := r.Lock(ctx, "file")
	old := first.Token()
	first.Unlock(ctx)
	second, _ := r.Lock(ctx, "file")
	write(second.Token(), "by the second holder")
	write(old, "by the first one, who was paused")
	parsed, err := minikv.ParseToken(old.String())
	fmt.Println(parsed == old, err)
	// Output:
	// written: by the second holder
	// refused: by the first one, who was paused
	// true <nil>
}

func ExampleLockInfo() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	r.Lock(ctx, "printer", minikv.Meta([]byte("page 1 of 7")))
	for info, err := range r.Locks(ctx, "") {
		fmt.Printf("%s %s %v %v\n", info.Key, info.Meta, info.Owner == r.Node().ID(), err)
	}
	e, ok, err := r.LockInfo(ctx, "nothing")
	fmt.Println(e.Key, ok, err)
	// Output:
	// printer page 1 of 7 true <nil>
	//  false <nil>
}

func ExampleLockOption() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	// A lease that outlives its handle: for a minute, whoever has the token may use it.
	l, err := r.TryLock(ctx, "k", minikv.TTL(time.Minute), minikv.NoRenew())
	if err != nil {
		log.Fatal(err)
	}
	_, err = r.Put(ctx, "k", []byte("v"), minikv.UnderToken(l.Token()))
	fmt.Println(err, r.Unlock(ctx, "k", l.Token()))
	// Output: <nil> <nil>
}

func ExampleLockedError() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	r.Lock(ctx, "k", minikv.TTL(time.Minute))
	_, err := r.TryLock(ctx, "k")
	var locked *minikv.LockedError
	if errors.As(err, &locked) {
		fmt.Println(locked.Owner == r.Node().ID(), locked.Remaining > 50*time.Second)
	}
	fmt.Println(errors.Is(err, minikv.ErrLocked))
	// Output:
	// true true
	// true
}

func ExampleLeaseLostError() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	l, err := r.Lock(ctx, "k", minikv.TTL(minikv.MinLeaseTTL), minikv.NoRenew())
	if err != nil {
		log.Fatal(err)
	}
	<-l.Done()
	var lost *minikv.LeaseLostError
	fmt.Println(errors.As(l.Err(), &lost), errors.Is(l.Err(), minikv.ErrLeaseLost))
	fmt.Println(lost.Reason == minikv.LostExpired, errors.Is(context.Cause(l.Context()), minikv.ErrLeaseLost))
	// Output:
	// true true
	// true true
}

func ExampleLossReason() {
	for _, r := range []minikv.LossReason{minikv.LostExpired, minikv.LostBeaten, minikv.LostReleased, minikv.LostIsolated, minikv.LostClosed} {
		fmt.Println(r)
	}
	// Output:
	// not renewed in time
	// beaten by another claim
	// released by its token
	// no peer reachable to renew
	// closed
}

func ExampleLockEvent() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	l, err := r.Lock(ctx, "k")
	if err != nil {
		log.Fatal(err)
	}
	for ev, err := range r.WatchLocks(ctx, "") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ev.Kind, ev.Info.Key)
		if ev.Kind == minikv.LockReleased {
			break
		}
		l.Unlock(ctx)
	}
	// Output:
	// held k
	// released k
}

func ExampleLockEventKind() {
	fmt.Println(minikv.LockHeld, minikv.LockRenewed, minikv.LockReleased, minikv.LockExpired, minikv.LockOverlap)
	// Output: held renewed released expired overlap
}
