package main

import (
	"context"
	"errors"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv/server/admin"
)

func newWatch(a *app) *cobra.Command {
	var p admin.WatchParams
	c := &cobra.Command{
		Use: "watch REG", GroupID: "data", Args: takes("REG"),
		Short: "Print what is there and every change, until interrupted",
		Long: `Print the present entries, the line "synced", and then every change as it comes, until interrupted (exit code 0).
Lines are KIND, KEY and VALUE with tabs between, KIND being put, delete or expire. A reader that falls behind
gets the last state of each key rather than every one. -o json has whole values and who wrote them.`,
		Example: "  minikv watch cities --prefix de/\n  minikv watch jobs --updates-only -o json | while read -r event; do echo \"$event\"; done",
	}
	c.Flags().StringVar(&p.Prefix, "prefix", "", "only keys that begin with this")
	c.Flags().BoolVar(&p.UpdatesOnly, "updates-only", false, "leave out what is there already")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancelCause(c.Context())
		defer cancel(nil)
		go func() {
			if awaitHangup(os.Stdout) {
				cancel(syscall.EPIPE)
			}
		}()
		live := false
		for ev, err := range cl.Watch(ctx, args[0], p) {
			if errors.Is(context.Cause(ctx), errInterrupted) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := a.printEvent(ev); err != nil {
				return err
			}
			if live = live || ev.Kind == admin.EventSynced; live {
				if err := a.stdout.Flush(); err != nil {
					return outputError(err)
				}
			}
		}
		return nil
	}
	return c
}

func (a *app) printEvent(ev admin.Event) error {
	switch {
	case a.isJSON():
		return a.json(ev)
	case ev.Entry == nil:
		return a.printf("%s\n", ev.Kind)
	case ev.Kind == admin.EventPut:
		return a.printf("%s\t%s\t%s\n", ev.Kind, printable(ev.Entry.Key), shortValue(ev.Entry.Value))
	}
	return a.printf("%s\t%s\n", ev.Kind, printable(ev.Entry.Key))
}
