package main

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"

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

// exportTo writes beside the file and moves it to its name at the end: a full disk or a lost node leaves no half of it.
func (a *app) exportTo(ctx context.Context, name string, cl *admin.Client, registry, prefix string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".minikv-export-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	to := *a
	to.stdout = bufio.NewWriterSize(f, 64<<10)
	if err := to.export(ctx, cl, registry, prefix); err != nil {
		return err
	}
	if err := errors.Join(to.stdout.Flush(), f.Sync(), f.Close()); err != nil {
		return outputError(err)
	}
	return os.Rename(f.Name(), name)
}
