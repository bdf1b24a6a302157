// Notes is a notebook that works offline and syncs with another one when it is told to.
//
// It shows: a node with a directory, keys that two offline nodes cannot both choose, and one exchange with a
// peer. Of two edits of one note the later one is seen everywhere; notes themselves are never in each other's way.
//
//	go run ./examples/notes -dir laptop add "buy bolts"
//	go run ./examples/notes -dir phone add "call Ada"
//	go run ./examples/notes -dir phone serve               # prints its address; stays until Ctrl-C
//	go run ./examples/notes -dir laptop sync ADDRESS
//	go run ./examples/notes -dir laptop ls
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/minikv/minikv"
)

const usage = "usage: notes [-dir DIR] add TEXT | edit ID TEXT | rm ID | ls | serve | sync ADDRESS"

func main() {
	dir := flag.String("dir", "notes", "where the notes are kept")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *dir, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "notes:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string, args []string) error {
	command, args := first(args), args[min(1, len(args)):]
	cfg := minikv.Config{}
	if command == "serve" || command == "sync" { // all else needs no network
		cfg.Listen = []string{"/ip4/127.0.0.1/tcp/0"}
	}
	node, err := minikv.Open(ctx, dir, cfg)
	if err != nil {
		return err
	}
	defer node.Close()
	notes, err := node.Registry(ctx, "notes", minikv.Public())
	if err != nil {
		return err
	}
	switch {
	case command == "add" && len(args) == 1:
		// Two notebooks that are apart must not choose the same key, or one note would replace the other.
		id := time.Now().UTC().Format("20060102-150405") + "-" + strings.ToLower(rand.Text()[:6])
		_, err = notes.Put(ctx, id, []byte(args[0]))
		fmt.Println(id)
		return err
	case command == "edit" && len(args) == 2:
		if ok, err := notes.Has(ctx, args[0]); err != nil || !ok {
			return errors.Join(err, fmt.Errorf("there is no note %s", args[0]))
		}
		_, err = notes.Put(ctx, args[0], []byte(args[1]))
		return err
	case command == "rm" && len(args) == 1:
		return notes.Delete(ctx, args[0])
	case command == "ls" && len(args) == 0:
		return list(ctx, notes)
	case command == "serve" && len(args) == 0:
		fmt.Println("sync with", node.Addrs()[0])
		<-ctx.Done()
		return nil
	case command == "sync" && len(args) == 1:
		return sync(ctx, notes, args[0])
	}
	return errors.New(usage)
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func list(ctx context.Context, notes *minikv.Registry) error {
	for note, err := range notes.All(ctx) {
		if err != nil {
			return err
		}
		fmt.Printf("%s  %s\n", note.Key, note.Value)
	}
	return nil
}

// sync makes both notebooks equal.
func sync(ctx context.Context, notes *minikv.Registry, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := notes.Node().Connect(ctx, addr); err != nil {
		return err
	}
	if err := notes.WaitSynced(ctx, 1); err != nil { // one exchange that was verified equal on both sides
		return err
	}
	n, err := notes.Len(ctx)
	fmt.Printf("in sync: %d notes\n", n)
	return err
}
