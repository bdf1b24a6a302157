package main

import (
	"bufio"
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv/server/admin"
)

func newExport(a *app) *cobra.Command {
	var prefix, file string
	c := &cobra.Command{
		Use: "export REG", GroupID: "data", Args: takes("REG"),
		Short: "Print all entries as JSON lines that import reads",
		Long: `Print all entries, as they are at one moment, as JSON lines that import reads: key, value, and expires where there is an expiry. What has
expired by the time of an import is left out by it. With --file the file is there, complete, or not at all.`,
		Example: "  minikv export cities --file cities.jsonl\n  minikv export cities --prefix de/ | jq .key",
	}
	c.Flags().StringVar(&prefix, "prefix", "", "only keys that begin with this")
	c.Flags().StringVar(&file, "file", "", "write to this file instead of standard output")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		if file == "" {
			return a.export(c.Context(), cl, args[0], prefix)
		}
		return a.exportTo(c.Context(), file, cl, args[0], prefix)
	}
	return c
}

func (a *app) export(ctx context.Context, cl *admin.Client, registry, prefix string) error {
	for e, err := range cl.Entries(ctx, registry, prefix) {
		if err != nil {
			return err
		}
		if err := a.json(admin.Record{Key: e.Key, Value: e.Value, Expires: e.Expires}); err != nil {
			return err
		}
	}
	return nil
}

// exportTo is export to a file.
func (a *app) exportTo(ctx context.Context, name string, cl *admin.Client, registry, prefix string) error {
	return toFile(name, func(w io.Writer) error {
		to := *a
		to.stdout = bufio.NewWriterSize(w, 64<<10)
		if err := to.export(ctx, cl, registry, prefix); err != nil {
			return err
		}
		return outputError(to.stdout.Flush())
	})
}
