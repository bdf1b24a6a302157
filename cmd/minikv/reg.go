package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv/server/admin"
)

func newReg(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "reg", GroupID: "node", Args: cobra.ArbitraryArgs, RunE: unknownCommand,
		Short:   "List, open and close registries",
		Long:    "A registry is a named map, like a bucket. It exists wherever a node has it open, and each such node holds all of it.",
		Example: "  minikv reg add cities --public\n  minikv reg ls",
	}
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(newRegLs(a), newRegAdd(a), newRegRm(a))
	return c
}

func newRegLs(a *app) *cobra.Command {
	c := &cobra.Command{Use: "ls", Args: takes(), Example: "  minikv reg ls -o json", Short: "List the open registries"}
	c.RunE = func(c *cobra.Command, _ []string) error {
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			regs, err := cl.Registries(ctx)
			switch {
			case err != nil:
				return err
			case a.isJSON():
				return a.json(regs)
			}
			return a.printRegistries(regs)
		})
	}
	return c
}

func newRegAdd(a *app) *cobra.Command {
	var p admin.RegistryParams
	var ttl string
	c := &cobra.Command{
		Use: "add NAME", Args: takes("NAME"),
		Short: "Open a registry, making it if it is new",
		Long: `Open a registry on this node, making it if it is new. A new one is private: this node is its owner, and others join it by a ticket ('minikv ticket',
'minikv join'). With --public whoever reaches a node of it and knows the name shares it, reading and writing.`,
		Example: "  minikv reg add sessions --public --default-ttl 1h",
	}
	f := c.Flags()
	f.BoolVar(&p.Public, "public", false, "without a secret: whoever reaches the node and knows the name shares it")
	f.BoolVar(&p.ReadOnly, "read-only", false, "follow it without writing to it from here")
	f.StringVar(&ttl, "default-ttl", "", "time to live of puts that give none, on this node")
	c.RunE = func(c *cobra.Command, args []string) error {
		if c.Flags().Changed("default-ttl") {
			d, err := parseDuration("--default-ttl", ttl)
			if err != nil {
				return err
			}
			p.DefaultTTL = admin.Duration(d)
		}
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			r, err := cl.AddRegistry(ctx, args[0], p)
			if err != nil || !a.isJSON() {
				return err
			}
			return a.json(r)
		})
	}
	return c
}

func newRegRm(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "rm NAME", Args: takes("NAME"),
		Short: "Close a registry here and forget its entries; other nodes keep theirs",
		Long: `Close a registry here and forget its entries; other nodes keep theirs. 'minikv reg add' opens it again and gets them back: the keys of a private one stay,
unless --keys is given, which also works on one that is closed. If this node was its only owner, nobody can make tickets for it then.`,
		Example: "  minikv reg rm sessions",
	}
	keys := c.Flags().Bool("keys", false, "forget the keys of a private registry, too, for good")
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			err := cl.DropRegistry(ctx, args[0])
			if !*keys {
				return err
			}
			if err != nil && !errors.Is(err, &admin.Error{Code: admin.CodeNoRegistry}) {
				return err
			}
			return cl.ForgetKeys(ctx, args[0])
		})
	}
	return c
}
