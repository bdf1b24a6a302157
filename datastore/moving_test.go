package datastore_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/datastore"
)

const guide = "../docs/moving-from-go-ds-crdt.md"

// The code in the guide that is about minikv is that of this file.
func TestTheGuideShowsCodeThatRuns(t *testing.T) {
	text, err := os.ReadFile(guide)
	require.NoError(t, err)
	source, err := os.ReadFile("moving_test.go")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	require.Len(t, blocks, 4)
	require.Contains(t, blocks[0][1], "crdt.New(", "the first is what there was before")
	for _, b := range blocks[1:] {
		require.Contains(t, bare(string(source)), bare(b[1]), "not in moving_test.go")
	}
}

// bare leaves out how far lines are indented.
func bare(code string) string {
	return regexp.MustCompile(`(?m)^\s+`).ReplaceAllString(code, "")
}

func openStore(ctx context.Context, dir string, listen []string, peers []string) (*datastore.Datastore, error) {
	node, err := minikv.Open(ctx, dir, minikv.Config{Listen: listen, Bootstrap: peers})
	if err != nil {
		return nil, err
	}
	reg, err := node.Registry(ctx, "app", minikv.Public())
	if err != nil {
		node.Close()
		return nil, err
	}
	return datastore.New(reg), nil // a ds.Batching; node.Close at the end of the program
}

func follow(ctx context.Context, store *datastore.Datastore, onPut func(ds.Key, []byte), onDelete func(ds.Key)) error {
	for ev, err := range store.Registry().Watch(ctx, "/", minikv.UpdatesOnly()) {
		switch {
		case err != nil:
			return err
		case ev.Kind == minikv.EventPut:
			onPut(ds.RawKey(ev.Entry.Key), ev.Entry.Value)
		case ev.Kind == minikv.EventDelete, ev.Kind == minikv.EventExpire:
			onDelete(ds.RawKey(ev.Entry.Key))
		}
	}
	return nil
}

func copyAll(ctx context.Context, from ds.Datastore, to ds.Batching) error {
	batch, err := to.Batch(ctx)
	if err != nil {
		return err
	}
	n := 0
	for e, err := range ds.QueryIter(ctx, from, query.Query{}) {
		if err != nil {
			return err
		}
		if err := batch.Put(ctx, ds.RawKey(e.Key), e.Value); err != nil {
			return err
		}
		if n++; n%10_000 == 0 { // as much as is to be in memory at a time
			if err := batch.Commit(ctx); err != nil {
				return err
			}
			if batch, err = to.Batch(ctx); err != nil {
				return err
			}
		}
	}
	return batch.Commit(ctx)
}

// What a program that used go-ds-crdt does now: it opens a store on each node, follows it, and writes.
func TestMoving(t *testing.T) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	loopback := []string{"/ip4/127.0.0.1/tcp/0"}
	a, err := openStore(ctx, "", loopback, nil)
	require.NoError(t, err)
	defer a.Registry().Node().Close()
	b, err := openStore(ctx, "", loopback, a.Registry().Node().Addrs()[:1])
	require.NoError(t, err)
	defer b.Registry().Node().Close()
	require.NoError(t, b.Registry().WaitSynced(ctx, 1))

	following, stop := context.WithCancel(ctx)
	ended := make(chan error)
	var told []string
	go func() {
		ended <- follow(following, b, func(k ds.Key, v []byte) {
			told = append(told, "put "+k.String()+" "+string(v))
			if err := b.Delete(ctx, k); err != nil { // what a hook could not do
				told = append(told, err.Error())
			}
		}, func(k ds.Key) {
			told = append(told, "delete "+k.String())
			stop()
		})
	}()
	require.Eventually(t, func() bool { return b.Registry().Metrics().Watches == 1 }, patience, time.Millisecond)
	require.NoError(t, a.Put(ctx, ds.NewKey("greeting"), []byte("hello")))
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Equal(t, []string{"put /greeting hello", "delete /greeting"}, told)
	requireEqual(t, a, b)
}

func TestCopyAll(t *testing.T) {
	old, to := ds.NewMapDatastore(), open(t, "", minikv.Config{})
	const n = 25_000
	for i := range n {
		require.NoError(t, old.Put(ctx, ds.NewKey(fmt.Sprint(i)), []byte(strings.Repeat("v", i%7))))
	}
	require.NoError(t, copyAll(ctx, old, to))
	require.Len(t, keys(t, to, query.Query{KeysOnly: true}), n)
	for i := range n {
		size, err := to.GetSize(ctx, ds.NewKey(fmt.Sprint(i)))
		require.NoError(t, err)
		require.Equal(t, i%7, size)
	}
}
