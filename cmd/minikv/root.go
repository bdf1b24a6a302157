package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// defaultTimeout is what a node has to answer one question.
const defaultTimeout = 30 * time.Second

const rootHelp = `A key-value store that every node holds in full, that each node may write at any time, and that repairs itself.

  minikv serve                            start a node, with a private registry "default"
  minikv put default de/hamburg 1.9M      write to it
  minikv ticket default --write           make a ticket, by which another node joins it: minikv join -
  minikv get default de/hamburg           read from it, here or on any other node

Commands find the running node by --addr, by MINIKV_ADDR, or where serve is by default. Those that need none are serve, demo, check, snapshot check,
snapshot restore, bench --embedded, completion, man and version.

Exit codes: 0 done, 1 error, 2 wrong usage, 3 key absent or expired, 4 locked by someone else.`

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:               "minikv",
		Short:             "A multi-master, offline-first key-value store",
		Long:              rootHelp,
		SilenceErrors:     true, // run prints them, as one line
		SilenceUsage:      true,
		Args:              cobra.ArbitraryArgs, // so that an unknown command comes to RunE
		RunE:              unknownCommand,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.checkFlags() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetIn(a.stdin)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%w; see '%s --help'", err, c.CommandPath())
	})
	f := root.PersistentFlags()
	f.StringVar(&a.addr, "addr", "", "admin address of the node: unix:PATH or HOST:PORT (default $MINIKV_ADDR, else where serve is by default)")
	f.StringVarP(&a.format, "output", "o", formatTable, "output: table or json")
	f.DurationVar(&a.timeout, "timeout", defaultTimeout, "how long to wait for the node's answer; 0 for ever")
	root.AddGroup(&cobra.Group{ID: "node", Title: "Nodes:"}, &cobra.Group{ID: "data", Title: "Data:"})
	for _, c := range []*cobra.Command{
		newServe(a), newDemo(a), newStatus(a), newTop(a), newBench(a), newPeers(a), newDoctor(a), newSync(a), newReg(a), newTicket(a), newJoin(a), newRotate(a), newSnapshot(a), newCheck(a), newCompact(a), newVersion(a), newMan(a),
		newPut(a), newGet(a), newDel(a), newLs(a), newTTL(a), newExpire(a), newPersist(a),
		newWatch(a), newLock(a), newUnlock(a), newImport(a), newExport(a), newQuarantine(a),
	} {
		root.AddCommand(c)
	}
	addCompletion(root)
	completeRegistryAndKey(a, root)
	a.noteStart(root)
	return root
}

// noteStart makes each command note that it has begun: what fails before that is a mistake on the command line.
func (a *app) noteStart(c *cobra.Command) {
	if runE := c.RunE; runE != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			a.begun = true
			return runE(c, args)
		}
	}
	for _, sub := range c.Commands() {
		a.noteStart(sub)
	}
}

func (a *app) checkFlags() error {
	if a.format != formatTable && a.format != formatJSON {
		return usagef("output format %q: use -o table or -o json", a.format)
	}
	if a.timeout < 0 {
		return usagef("--timeout %s is negative", a.timeout)
	}
	return nil
}

// unknownCommand is what a command with subcommands does when none of them is named.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	hint := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %s", strings.Join(near, " or "))
	}
	return usagef("unknown command %q%s? '%s --help' lists them", args[0], hint, c.CommandPath())
}

// takes demands the named arguments; those in brackets may be left out, a name that ends in ... takes any number.
func takes(names ...string) cobra.PositionalArgs {
	need := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, "[") })
	if need < 0 {
		need = len(names)
	}
	return func(c *cobra.Command, got []string) error {
		switch {
		case len(got) < need:
			return usagef("%s is missing: minikv %s", names[len(got)], useLine(c))
		case len(got) > len(names):
			return usagef("%q is one argument too many: minikv %s", got[len(names)], useLine(c))
		}
		if need > 0 && names[0] == "REG" && got[0] == "" {
			return usagef("the registry's name is empty: minikv %s", useLine(c))
		}
		if need > 1 && names[1] == "KEY" && got[1] == "" {
			return usagef("the key is empty; a key has 1 to 1,024 bytes")
		}
		return nil
	}
}

func useLine(c *cobra.Command) string {
	return strings.TrimPrefix(c.CommandPath(), "minikv ") + strings.TrimPrefix(c.Use, c.Name())
}

var errNoDuration = errors.New("a duration has a unit, as in 5s, 1m30s or 24h")

// parseDuration reads a duration that has to be more than zero.
func parseDuration(what, s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, usagef("%s %q: %w", what, s, errNoDuration)
	}
	if d <= 0 {
		return 0, usagef("%s %s: it has to be more than zero", what, s)
	}
	return d, nil
}
