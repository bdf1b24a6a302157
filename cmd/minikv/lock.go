package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

// tokenEnv is where a command that runs under a lock finds the lock's token.
const tokenEnv = "MINIKV_TOKEN"

const lockHelp = `Take the lock on a key.

Without a command, print the token and leave the lock with the node until --ttl is over; it is not renewed. Pass the token to put, del, expire
and persist to write the key meanwhile, and to unlock to give it back.

With a command after --, run it under the lock, which is renewed meanwhile and given back at the end. MINIKV_TOKEN is the token in the command's
environment. When the lock is lost, the command is stopped: SIGTERM, and SIGKILL after --grace. Signals are passed on. The exit code is that of the command,
128 plus the signal if a signal ended it, 126 or 127 if it could not be run. A command that ends well although its lock was lost counts as failed (1).

Exit code 4 when somebody else holds the lock for longer than --wait. Across a partition each side may have a holder; after it, one remains.`

func newLock(a *app) *cobra.Command {
	var p admin.LockParams
	var grace time.Duration
	c := &cobra.Command{
		Use: "lock REG KEY [-- CMD ARG...]", GroupID: "data",
		Short:   "Lock a key, or run a command under its lock",
		Long:    lockHelp,
		Example: "  minikv lock jobs nightly -- ./backup.sh\n  t=$(minikv lock jobs nightly --ttl 1m) && minikv put jobs nightly done --token $t && minikv unlock jobs nightly --token $t",
		Args:    takesCommand,
	}
	f := c.Flags()
	f.DurationVar(&p.TTL, "ttl", minikv.DefaultLeaseTTL, "how long the lock lasts, from the last renewal; others wait a quarter longer, as clocks do not run alike")
	f.DurationVar(&p.Wait, "wait", 10*time.Second, "how long to wait for another holder; 0: do not wait")
	f.DurationVar(&grace, "grace", 10*time.Second, "between SIGTERM and SIGKILL when the lock is lost")
	f.BoolVar(&p.StopWhenIsolated, "stop-when-isolated", false, "lose the lock when no peer is there to take a renewal")
	c.RunE = func(c *cobra.Command, args []string) error {
		if p.TTL < minikv.MinLeaseTTL || p.TTL > minikv.MaxLeaseTTL {
			return usagef("--ttl %s: it can be %s to %s", p.TTL, minikv.MinLeaseTTL, minikv.MaxLeaseTTL)
		}
		if p.Wait < 0 || grace < 0 {
			return usagef("--wait and --grace cannot be negative")
		}
		cl, err := a.client()
		if err != nil {
			return err
		}
		defer cl.Close()
		if cmd := args[2:]; len(cmd) > 0 {
			return a.lockRun(c.Context(), cl, args[0], args[1], p, cmd, grace)
		}
		return a.lockOnly(c.Context(), cl, args[0], args[1], p)
	}
	return c
}

func takesCommand(c *cobra.Command, args []string) error {
	dash := c.ArgsLenAtDash()
	switch {
	case dash < 0 && len(args) > 2:
		return usagef("put -- before the command: minikv lock REG KEY -- %s", args[2])
	case dash >= 0 && dash != 2:
		return usagef("a registry and a key come before --: minikv lock REG KEY -- CMD")
	case dash == 2 && len(args) == 2:
		return usagef("no command after --")
	}
	return takes("REG", "KEY")(c, args[:min(len(args), 2)])
}

func (a *app) lockOnly(ctx context.Context, cl *admin.Client, registry, key string, p admin.LockParams) error {
	if a.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.timeout+p.Wait)
		defer cancel()
	}
	l, err := cl.Lock(ctx, registry, key, p)
	switch {
	case err != nil:
		return err
	case a.isJSON():
		return a.json(l)
	}
	return a.printf("%s\n", l.Token)
}

func newUnlock(a *app) *cobra.Command {
	var token string
	c := &cobra.Command{
		Use: "unlock REG KEY", GroupID: "data", Args: takes("REG", "KEY"),
		Short:   "Give a lock back before its time",
		Example: "  minikv unlock jobs nightly --token $t",
	}
	c.Flags().StringVar(&token, "token", "", "what lock printed (default $"+tokenEnv+")")
	c.RunE = func(c *cobra.Command, args []string) error {
		if token == "" {
			token = a.getenv(tokenEnv)
		}
		if token == "" {
			return usagef("the lock's token is missing: minikv unlock REG KEY --token TOKEN")
		}
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			return cl.Unlock(ctx, args[0], args[1], token)
		})
	}
	return c
}
