package minikv_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"slices"
	"strings"
	"time"

	"github.com/minikv/minikv"
)

func ExampleBatch() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	b := r.NewBatch()
	b.Put("from", []byte("90"))
	b.Put("to", []byte("10"))
	fmt.Println(b.Len())
	_, err := b.Commit(ctx) // a watch here sees both or none
	fmt.Println(b.Len(), err)

	b.Put("", nil) // a mistake is told by Commit, and nothing is written
	b.Put("other", nil)
	_, err = b.Commit(ctx)
	ok, _ := r.Has(ctx, "other")
	fmt.Println(errors.Is(err, minikv.ErrKeyInvalid), ok)
	b.Reset()
	// Output:
	// 2
	// 0 <nil>
	// true false
}

// A bulk load need not wait for the disk at each batch: one Flush at its end does.
func ExampleBatchOption() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	b := r.NewBatch(minikv.NoWait())
	for i := range 10 {
		b.Put(fmt.Sprint(i), []byte("x"))
		if b.Len() == 4 || i == 9 {
			if _, err := b.Commit(ctx); err != nil {
				log.Fatal(err)
			}
		}
	}
	n, err := r.Len(ctx)
	fmt.Println(n, err, r.Node().Flush(ctx))
	// Output: 10 <nil> <nil>
}

func ExampleEntry() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	r.Put(ctx, "k", []byte("v"), minikv.TTL(time.Hour))
	e, err := r.Get(ctx, "k")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s=%s\n", e.Key, e.Value)
	fmt.Println(e.Writer == r.Node().ID(), time.Until(e.Expires).Round(time.Hour), e.Lock)
	e.Value[0] = 'w' // the caller owns it
	// Output:
	// k=v
	// true 1h0m0s <nil>
}

func ExampleRevision() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	first, _ := r.Put(ctx, "k", []byte("1"))
	second, _ := r.Put(ctx, "k", []byte("2"))
	fmt.Println(second.Compare(first), second.String() > first.String())
	same, err := minikv.ParseRevision(second.String())
	fmt.Println(same == second, err, time.Since(second.Time()) < time.Minute)
	// Output:
	// 1 true
	// true <nil> true
}

func ExampleDigest() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	fmt.Println(r.Root())
	r.Put(ctx, "k", []byte("v"))
	one := r.Root()
	r.Put(ctx, "other", []byte("w"))
	fmt.Println(r.Root() == one)
	r.Delete(ctx, "other")
	fmt.Println(r.Root() == one) // what is there counts, on this node and on any other
	// Output:
	// 00000000000000000000000000000000
	// false
	// true
}

func ExampleTTL() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	r.Put(ctx, "session", []byte("x"), minikv.TTL(time.Minute))
	r.Put(ctx, "session", []byte("y"), minikv.KeepTTL())
	left, expires, err := r.TTL(ctx, "session")
	fmt.Println(left.Round(time.Minute), expires, err)
	r.Put(ctx, "session", []byte("z")) // without either the expiry is gone
	_, expires, err = r.TTL(ctx, "session")
	fmt.Println(expires, err)
	// Output:
	// 1m0s true <nil>
	// false <nil>
}

func ExampleEvent() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	r.Put(ctx, "a", []byte("1"))
	r.Put(ctx, "b", []byte("2"))
	copied := map[string]string{} // of the registry, kept up to date
	for ev, err := range r.Watch(ctx, "") {
		if err != nil {
			log.Fatal(err)
		}
		switch ev.Kind {
		case minikv.EventPut:
			copied[ev.Entry.Key] = string(ev.Entry.Value)
		case minikv.EventDelete, minikv.EventExpire:
			delete(copied, ev.Entry.Key)
			fmt.Println(copied, ev.Local)
			return
		case minikv.EventSynced:
			fmt.Println(copied)
			r.Delete(ctx, "a")
		}
	}
	// Output:
	// map[a:1 b:2]
	// map[b:2] true
}

func ExampleEventKind() {
	fmt.Println(minikv.EventPut, minikv.EventDelete, minikv.EventExpire, minikv.EventSynced)
	// Output: put delete expire synced
}

func ExamplePosition() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	for ev, err := range r.Watch(ctx, "", minikv.UpdatesOnly()) {
		if err != nil {
			log.Fatal(err)
		}
		saved, _ := json.Marshal(ev.Position()) // with what the event led to, in one transaction
		var read minikv.Position
		err := json.Unmarshal(saved, &read)
		fmt.Println(read == ev.Position() || !read.IsZero(), err)
		break
	}
	_, err := minikv.ParsePosition("rubbish")
	fmt.Println(errors.Is(err, minikv.ErrInvalid))
	// Output:
	// true <nil>
	// true
}

func ExamplePutOption() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	var opts []minikv.PutOption
	if short := true; short {
		opts = append(opts, minikv.TTL(time.Second))
	}
	_, err := r.Put(ctx, "k", nil, append(opts, minikv.Persist())...) // Persist beats a TTL
	_, expires, _ := r.TTL(ctx, "k")
	fmt.Println(err, expires)
	// Output: <nil> false
}

func ExampleWriteOption() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	l, err := r.Lock(ctx, "k")
	if err != nil {
		log.Fatal(err)
	}
	var under minikv.WriteOption = minikv.Under(l)
	_, err = r.Put(ctx, "k", []byte("v"), under)
	fmt.Println(err, r.Expire(ctx, "k", time.Hour, under), r.Delete(ctx, "k", under))
	// Output: <nil> <nil> <nil>
}

func ExampleWatchOption() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	r.Put(ctx, "there already", nil)
	for ev := range r.Watch(ctx, "", minikv.UpdatesOnly()) {
		if ev.Kind == minikv.EventPut {
			fmt.Println(ev.Entry.Key)
			break
		}
		r.Put(ctx, "new", nil)
	}
	// Output: new
}

func ExampleTyped() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	t := minikv.NewTyped[wallet](r, nil)
	t.Put(ctx, "alice", wallet{"Alice", 1250})
	w, err := t.Get(ctx, "alice")
	fmt.Println(w.Cents, err)
	r.Put(ctx, "alice", []byte("rubbish"))
	_, err = t.Get(ctx, "alice")
	fmt.Println(errors.Is(err, minikv.ErrCodec))
	// Output:
	// 1250 <nil>
	// true
}

func ExampleTypedEntry() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	t := minikv.NewTyped[wallet](r, nil)
	t.Put(ctx, "alice", wallet{"Alice", 1250})
	t.Put(ctx, "bob", wallet{"Bob", 3})
	r.Put(ctx, "carol", []byte("rubbish"))
	for e, err := range t.Prefix(ctx, "") {
		if err != nil {
			fmt.Printf("%s is skipped: it has %d bytes that are no wallet\n", e.Key, len(e.Value))
			continue
		}
		fmt.Println(e.Key, e.V.Cents)
	}
	// Output:
	// alice 1250
	// bob 3
	// carol is skipped: it has 7 bytes that are no wallet
}

func ExampleTypedEvent() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	t := minikv.NewTyped[wallet](r, nil)
	t.Put(ctx, "alice", wallet{"Alice", 1250})
	for ev, err := range t.Watch(ctx, "") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ev.Kind, ev.Entry.Key, ev.V.Owner)
		break
	}
	// Output: put alice Alice
}

// words is a codec of its own for lists of words.
type words struct{}

func (words) Append(dst []byte, v []string) ([]byte, error) {
	if slices.ContainsFunc(v, func(w string) bool { return strings.Contains(w, " ") }) {
		return nil, errors.New("a word has no space")
	}
	return append(dst, strings.Join(v, " ")...), nil
}

func (words) Decode(src []byte, v *[]string) error {
	*v = strings.Fields(string(src)) // copies: src is not the codec's to keep
	return nil
}

func ExampleCodec() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	t := minikv.NewTyped(r, words{})
	t.Put(ctx, "greeting", []string{"good", "morning"})
	e, _ := r.Get(ctx, "greeting")
	v, err := t.Get(ctx, "greeting")
	fmt.Printf("%s %q %v\n", e.Value, v, err)
	_, err = t.Put(ctx, "bad", []string{"two words"})
	fmt.Println(errors.Is(err, minikv.ErrCodec))
	// Output:
	// good morning ["good" "morning"] <nil>
	// true
}

func ExampleError() {
	ctx := context.Background()
	r := exampleRegistry()
	defer r.Node().Close()
	_, err := r.Get(ctx, "absent")
	var e *minikv.Error
	fmt.Println(errors.Is(err, minikv.ErrNotFound), errors.As(err, &e))
	fmt.Println(e.Op, e.Registry, e.Key)
	fmt.Println(err)
	// Output:
	// true true
	// get example absent
	// minikv: get example/absent: key not found
}
