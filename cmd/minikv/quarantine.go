package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv/server/admin"
)

// quarantineFlags say what is to be put back, if anything.
type quarantineFlags struct{ restore, all, force bool }

func newQuarantine(a *app) *cobra.Command {
	var f quarantineFlags
	c := &cobra.Command{
		Use: "quarantine REG [KEY...]", GroupID: "data", Args: f.args,
		Short: "List what a peer's word removed here, and put it back",
		Long: `List the entries that exchanges removed from this node because a peer had seen them and held them no more, the one removed last first. Nearly always they were
deleted, and the delete is forgotten; where the peer was wrong, or lied, they are here for a day, and until the node ends (10,000 entries, 16 MiB).

--restore writes the keys again, as they were, with the expiry they had; --restore-all does so with every key listed. All nodes get that, as any write. A
key that holds another value now is refused, and the others are put back; --force overwrites it. The exit code is 1 if any was refused.`,
		Example: "  minikv quarantine cities\n  minikv quarantine cities --restore de/hamburg de/kiel\n  minikv quarantine cities --restore-all",
	}
	c.Flags().BoolVar(&f.restore, "restore", false, "put these keys back")
	c.Flags().BoolVar(&f.all, "restore-all", false, "put all keys back")
	c.Flags().BoolVar(&f.force, "force", false, "overwrite what a key holds now")
	c.MarkFlagsMutuallyExclusive("restore", "restore-all")
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			if !f.restore && !f.all {
				return a.listQuarantine(ctx, cl, args[0])
			}
			r, err := f.putBack(ctx, cl, args[0], args[1:])
			if err != nil {
				return err
			}
			return a.printPutBack(r)
		})
	}
	return c
}

func (f *quarantineFlags) args(c *cobra.Command, got []string) error {
	if err := takes("REG")(c, got[:min(len(got), 1)]); err != nil {
		return err
	}
	keys := len(got) - 1
	switch {
	case f.restore && keys == 0:
		return usagef("--restore without a key; --restore-all puts all of them back")
	case f.all && keys > 0:
		return usagef("both --restore-all and keys; --restore puts back the keys that are named")
	case keys > 0 && !f.restore:
		return usagef("keys are given without --restore, which puts them back")
	case f.force && !f.restore && !f.all:
		return usagef("--force without --restore or --restore-all")
	}
	return nil
}

func (f *quarantineFlags) putBack(ctx context.Context, cl *admin.Client, registry string, keys []string) (sum admin.PutBackResult, err error) {
	if f.all {
		return cl.PutAllBack(ctx, registry, f.force)
	}
	sum.Refused = []admin.Error{}
	for _, key := range keys {
		r, err := cl.PutBack(ctx, registry, key, f.force)
		var e *admin.Error
		switch {
		case err == nil:
			sum.Restored += r.Restored
			sum.Unchanged += r.Unchanged
		case errors.As(err, &e) && e.Key != "":
			sum.Refused = append(sum.Refused, *e)
		default:
			return sum, err
		}
	}
	return sum, nil
}

func (a *app) listQuarantine(ctx context.Context, cl *admin.Client, registry string) error {
	list, err := cl.Quarantined(ctx, registry)
	switch {
	case err != nil:
		return err
	case a.isJSON():
		return a.json(list)
	case len(list) == 0:
		return a.printf("nothing is kept aside\n")
	}
	now := time.Now()
	var rows [][]string
	for _, q := range list {
		rows = append(rows, []string{printable(q.Key), ago(&q.Removed, now), q.Peer, expiresText(q.Expires), count(q.Size), beginning(q)})
	}
	return a.table("KEY REMOVED BY-WORD-OF EXPIRES BYTES VALUE", rows)
}

// beginning is the value, or what a line has room for.
func beginning(q admin.Quarantined) string {
	const most = 40
	v, cut := q.Value, ""
	if len(v) > most {
		n := most
		for n > most-utf8.UTFMax && !utf8.RuneStart(v[n]) {
			n--
		}
		v = v[:n]
	}
	if len(v) < q.Size {
		cut = "…"
	}
	return printable(string(v)) + cut
}

func expiresText(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format(time.DateTime)
}

// printPutBack says what was put back, and is an error if some was not.
func (a *app) printPutBack(r admin.PutBackResult) error {
	if a.isJSON() {
		if err := a.json(r); err != nil {
			return err
		}
	} else {
		text := plural(r.Restored, "key") + " put back"
		if r.Unchanged > 0 {
			text += fmt.Sprintf("; %s held the same value already", plural(r.Unchanged, "key"))
		}
		if err := a.printf("%s\n", text); err != nil {
			return err
		}
	}
	return refusedText(r.Refused)
}

// refusedText names the keys that were refused, the first few of them.
func refusedText(refused []admin.Error) error {
	const most = 5
	if len(refused) == 0 {
		return nil
	}
	var why []string
	for _, e := range refused[:min(len(refused), most)] {
		why = append(why, e.Message)
	}
	text := strings.Join(why, "; ")
	if more := len(refused) - len(why); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	first := refused[0]
	first.Message = fmt.Sprintf("%s not put back: %s", plural(len(refused), "key"), text)
	return &first
}
