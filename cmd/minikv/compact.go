package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv/server/admin"
)

func newCompact(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "compact", GroupID: "node", Args: takes(),
		Short: "Give the disk back what deletes and overwriting have freed",
		Long: `Give the disk back, now, what deletes, expiry and overwriting have freed. The node does so by itself by and by; this reads and writes all that it
keeps and waits until that is done, without a limit in time unless --timeout is given.`,
		Example: "  minikv compact",
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		if !c.Flag("timeout").Changed {
			a.timeout = 0
		}
		began := time.Now()
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			r, err := cl.Compact(ctx)
			switch {
			case err != nil:
				return err
			case a.isJSON():
				return a.json(r)
			}
			return a.printf("%s bytes on disk, %s before, in %s\n", count(r.After), count(r.Before), time.Since(began).Round(time.Millisecond))
		})
	}
	return c
}
