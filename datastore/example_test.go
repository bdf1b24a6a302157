package datastore_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/datastore"
)

func Example() {
	ctx := context.Background()
	node, err := minikv.Open(ctx, "", minikv.Config{}) // a directory instead of "" keeps it
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	reg, err := node.Registry(ctx, "pins", minikv.Public())
	if err != nil {
		log.Fatal(err)
	}
	var store ds.Batching = datastore.New(reg)

	if err := store.Put(ctx, ds.NewKey("/pins/one"), []byte("1")); err != nil {
		log.Fatal(err)
	}
	batch, err := store.Batch(ctx)
	if err != nil {
		log.Fatal(err)
	}
	batch.Put(ctx, ds.NewKey("/pins/two"), []byte("2"))
	batch.Delete(ctx, ds.NewKey("/pins/one"))
	if err := batch.Commit(ctx); err != nil {
		log.Fatal(err)
	}
	for e, err := range ds.QueryIter(ctx, store, query.Query{Prefix: "/pins"}) {
		fmt.Println(e.Key, string(e.Value), err)
	}
	_, err = store.Get(ctx, ds.NewKey("/pins/one"))
	fmt.Println(errors.Is(err, ds.ErrNotFound))
	// Output:
	// /pins/two 2 <nil>
	// true
}

func ExampleDatastore_PutWithTTL() {
	ctx := context.Background()
	store, end := exampleStore()
	defer end()
	key := ds.NewKey("/session")
	if err := store.PutWithTTL(ctx, key, []byte("x"), time.Hour); err != nil {
		log.Fatal(err)
	}
	expires, err := store.GetExpiration(ctx, key)
	fmt.Println(time.Until(expires).Round(time.Hour), err)
	// Output: 1h0m0s <nil>
}

// What go-datastore has no words for is done on the registry behind it: here a watch and a lease.
func ExampleDatastore_Registry() {
	ctx := context.Background()
	store, end := exampleStore()
	defer end()
	reg := store.Registry()
	err := reg.WithLock(ctx, "/counter", func(ctx context.Context, l *minikv.Lease) error {
		err := store.Put(ctx, ds.NewKey("/counter"), []byte("1"))
		fmt.Println("without the lease:", errors.Is(err, minikv.ErrLocked))
		_, err = l.Put(ctx, []byte("2"))
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	for ev, err := range reg.Watch(ctx, "/") {
		if err != nil || ev.Kind == minikv.EventSynced {
			break
		}
		fmt.Println(ev.Kind, ds.RawKey(ev.Entry.Key), string(ev.Entry.Value))
	}
	// Output:
	// without the lease: true
	// put /counter 2
}

func exampleStore() (store *datastore.Datastore, end func()) {
	ctx := context.Background()
	node, err := minikv.Open(ctx, "", minikv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	reg, err := node.Registry(ctx, "example", minikv.Public())
	if err != nil {
		log.Fatal(err)
	}
	return datastore.New(reg), func() { node.Close() }
}
