package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

func newPut(a *app) *cobra.Command {
	var p admin.PutParams
	var ttl string
	c := &cobra.Command{
		Use: "put REG KEY [VALUE]", GroupID: "data", Args: takes("REG", "KEY", "[VALUE]"),
		Short: "Write a key; the value from standard input if it is not given",
		Long: `Write a key. Without VALUE, standard input is the value, byte by byte, a final newline included.

With --lock the key is locked in the same step, for --lock-ttl and not renewed, and the token is printed.`,
		Example: "  minikv put cities de/hamburg 1.9M --ttl 24h\n  minikv put files logo < logo.png",
	}
	f := c.Flags()
	f.StringVar(&ttl, "ttl", "", "time to live, such as 5s or 24h (default: the registry's)")
	f.BoolVar(&p.Persist, "persist", false, "never expire, whatever the registry's default")
	f.BoolVar(&p.KeepTTL, "keep-ttl", false, "keep the expiry that the key has")
	f.StringVar(&p.Token, "token", "", "write under the lock of this token")
	f.BoolVar(&p.Lock, "lock", false, "lock the key in the same step and print the token")
	f.DurationVar(&p.LockTTL, "lock-ttl", minikv.DefaultLeaseTTL, "how long the lock lasts")
	c.MarkFlagsMutuallyExclusive("ttl", "persist", "keep-ttl")
	c.MarkFlagsMutuallyExclusive("token", "lock")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if c.Flags().Changed("ttl") {
			if p.TTL, err = parseDuration("--ttl", ttl); err != nil {
				return err
			}
		}
		value, err := a.value(args[2:])
		if err != nil {
			return err
		}
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			r, err := cl.Put(ctx, args[0], args[1], value, p)
			if err != nil {
				return err
			}
			return a.printPut(r)
		})
	}
	return c
}

// value is what to put: the argument, or standard input.
func (a *app) value(arg []string) ([]byte, error) {
	if len(arg) > 0 {
		return []byte(arg[0]), nil
	}
	b, err := io.ReadAll(io.LimitReader(a.stdin, minikv.MaxValueLen+1))
	if err != nil {
		return nil, err
	}
	if len(b) > minikv.MaxValueLen {
		return nil, errors.New("the value on standard input is longer than 16 MiB, which is the most a node takes; put it in a file and its name here")
	}
	return b, nil
}

func (a *app) printPut(r admin.PutResult) error {
	switch {
	case a.isJSON():
		return a.json(r)
	case r.Lock != nil:
		return a.printf("%s\n", r.Lock.Token)
	}
	return nil
}

func newGet(a *app) *cobra.Command {
	var raw bool
	c := &cobra.Command{
		Use: "get REG KEY", GroupID: "data", Args: takes("REG", "KEY"),
		Short: "Print a key's value",
		Long: `Print a key's value and a newline. --raw prints the bytes alone. -o json prints key, value, node, time, expires and lock; a
value that is not UTF-8 is there in base64 as value_base64. On a terminal, a value that is not plain text is quoted unless --raw.`,
		Example: "  minikv get cities de/hamburg\n  minikv get files logo --raw > logo.png",
	}
	c.Flags().BoolVar(&raw, "raw", false, "the bytes alone, no newline added")
	c.RunE = func(c *cobra.Command, args []string) error {
		if raw && a.isJSON() {
			return usagef("--raw and -o json exclude each other")
		}
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			e, err := cl.Get(ctx, args[0], args[1])
			if err != nil {
				return err
			}
			return a.printEntry(e, raw)
		})
	}
	return c
}

func (a *app) printEntry(e admin.Entry, raw bool) error {
	switch {
	case a.isJSON():
		return a.json(e)
	case raw:
		_, err := a.stdout.Write(e.Value)
		return outputError(err)
	case a.tty:
		return a.printf("%s\n", printableText(string(e.Value)))
	}
	return a.printf("%s\n", e.Value)
}

func newDel(a *app) *cobra.Command {
	var token string
	c := &cobra.Command{
		Use: "del REG KEY", GroupID: "data", Args: takes("REG", "KEY"),
		Short:   "Delete a key; deleting one that is absent is no error",
		Example: "  minikv del cities de/atlantis",
	}
	c.Flags().StringVar(&token, "token", "", "write under the lock of this token")
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			return cl.Delete(ctx, args[0], args[1], token)
		})
	}
	return c
}

func newLs(a *app) *cobra.Command {
	var prefix string
	c := &cobra.Command{
		Use: "ls REG", GroupID: "data", Args: takes("REG"),
		Short:   "List the keys, one a line, in order",
		Long:    "List the keys, one a line, in order. Keys that are not one line of text are quoted as in Go; -o json has their bytes.",
		Example: "  minikv ls cities --prefix de/",
	}
	c.Flags().StringVar(&prefix, "prefix", "", "only keys that begin with this")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		for k, err := range cl.Keys(c.Context(), args[0], prefix) {
			if err == nil && a.isJSON() {
				err = a.json(admin.Key(k))
			} else if err == nil {
				err = a.printf("%s\n", printable(k))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

func newTTL(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "ttl REG KEY", GroupID: "data", Args: takes("REG", "KEY"),
		Short:   "Print how long a key has left, or none",
		Example: "  minikv ttl sessions 8f3a",
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			r, err := cl.TTL(ctx, args[0], args[1])
			switch {
			case err != nil:
				return err
			case a.isJSON():
				return a.json(r)
			case r.TTL == nil:
				return a.printf("none\n")
			}
			return a.printf("%s\n", time.Duration(*r.TTL))
		})
	}
	return c
}

func newExpire(a *app) *cobra.Command {
	var token string
	c := &cobra.Command{
		Use: "expire REG KEY DURATION", GroupID: "data", Args: takes("REG", "KEY", "DURATION"),
		Short:   "Make a key expire that long from now",
		Example: "  minikv expire sessions 8f3a 30m",
	}
	c.Flags().StringVar(&token, "token", "", "write under the lock of this token")
	c.RunE = func(c *cobra.Command, args []string) error {
		ttl, err := parseDuration("duration", args[2])
		if err != nil {
			return err
		}
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			return cl.Expire(ctx, args[0], args[1], ttl, token)
		})
	}
	return c
}

func newPersist(a *app) *cobra.Command {
	var token string
	c := &cobra.Command{
		Use: "persist REG KEY", GroupID: "data", Args: takes("REG", "KEY"),
		Short:   "Take the expiry off a key",
		Example: "  minikv persist sessions 8f3a",
	}
	c.Flags().StringVar(&token, "token", "", "write under the lock of this token")
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			return cl.Persist(ctx, args[0], args[1], token)
		})
	}
	return c
}
