package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv/server/admin"
)

func newDoctor(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "doctor", GroupID: "node", Args: takes(),
		Short: "Say which ways to other nodes work on this network, and what to do about the rest",
		Long: `Say what a running node knows of the network it is on: where it listens, IPv6, mDNS, port mapping, whether it can be reached from outside, relays, the
distributed hash table, named peers, clocks, disk and directory; and what to do about what does not work. Nothing is sent for it. Some of it takes the
node a minute to find out after its start. The exit code is 0 whatever it finds.`,
		Example: "  minikv doctor\n  minikv doctor -o json",
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			checks, err := cl.Doctor(ctx)
			switch {
			case err != nil:
				return err
			case a.isJSON():
				return a.json(checks)
			}
			for _, check := range checks {
				a.linef("%-8s %-14s %s", check.State, check.Name, printable(check.Found))
				if check.Advice != "" {
					a.linef("%-8s %-14s → %s", "", "", printable(check.Advice))
				}
			}
			return outputError(a.stdout.Flush())
		})
	}
	return c
}
