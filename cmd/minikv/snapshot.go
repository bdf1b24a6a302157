package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

func newSnapshot(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "snapshot", GroupID: "node", Args: cobra.ArbitraryArgs, RunE: unknownCommand,
		Short: "Save all registries of a node to a file, check one, restore one",
		Long: `A snapshot holds all registries of a node's directory as they are at one moment. It is taken while the node runs and is written to, ends in a
checksum, and holds no keys: what is restored from it is a new node, in which a private registry is closed until it has joined it by a ticket or a copy of
the key file (DIR/registries/*.key).

Every node holds everything, so nodes are each other's backup. A snapshot is for the day on which all of them are gone, or have agreed on a mistake:
then restore it on each node while none of them runs. Restored on one of them it brings nothing back that was deleted since.`,
		Example: "  minikv snapshot save backup.mkv\n  minikv snapshot check backup.mkv",
	}
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(newSnapshotSave(a), newSnapshotCheck(a), newSnapshotRestore(a))
	return c
}

func newSnapshotSave(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "save FILE", Args: takes("FILE"),
		Short:   "Save all registries of the running node to a file, or to standard output as -",
		Long:    "Save all registries of the running node to a file, which is then there, complete and checked, or not at all. With - they go to standard output.",
		Example: "  minikv snapshot save backup.mkv\n  minikv snapshot save - | ssh elsewhere 'cat >backup.mkv'",
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		if args[0] == "-" {
			if a.tty {
				return usagef("a snapshot is not for a terminal; give a file, or send standard output to one")
			}
			_, err := saveSnapshot(c.Context(), cl, a.stdout)
			return err
		}
		var info minikv.SnapshotInfo
		err = toFile(args[0], func(w io.Writer) (err error) {
			info, err = saveSnapshot(c.Context(), cl, w)
			return err
		})
		if err != nil {
			return err
		}
		return a.printSnapshot("saved to "+printable(args[0]), snapshotJSON{File: args[0]}, info)
	}
	return c
}

// saveSnapshot copies a snapshot from the node and checks it on the way.
func saveSnapshot(ctx context.Context, cl *admin.Client, w io.Writer) (info minikv.SnapshotInfo, err error) {
	r, check := io.Pipe()
	bad := make(chan error, 1)
	go func() {
		var err error
		info, err = minikv.CheckSnapshot(r)
		_, _ = io.Copy(io.Discard, r) // the node's own error says more than that the end is missing
		bad <- err
	}()
	err = cl.Snapshot(ctx, io.MultiWriter(outputWriter{w}, check))
	check.Close()
	if broken := <-bad; err == nil && broken != nil {
		err = fmt.Errorf("what the node sent is no snapshot: %w", broken)
	}
	return info, err
}

// outputWriter gives the errors of a writer the words of the command line.
type outputWriter struct{ io.Writer }

func (o outputWriter) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	return n, outputError(err)
}

func newSnapshotCheck(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "check FILE", Args: takes("FILE"),
		Short:   "Read a snapshot to its end and say what it holds; - is standard input",
		Example: "  minikv snapshot check backup.mkv",
	}
	c.RunE = func(_ *cobra.Command, args []string) error {
		var info minikv.SnapshotInfo
		err := a.fromFile(args[0], func(r io.Reader) (err error) {
			info, err = minikv.CheckSnapshot(r)
			return err
		})
		if err != nil {
			return err
		}
		return a.printSnapshot("the snapshot is complete", snapshotJSON{File: args[0]}, info)
	}
	return c
}

func newSnapshotRestore(a *app) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "restore FILE", Args: takes("FILE"),
		Short:   "Make the directory of a new node from a snapshot; - is standard input",
		Example: "  minikv snapshot restore backup.mkv --dir /var/lib/minikv && minikv serve --dir /var/lib/minikv",
	}
	c.Flags().StringVar(&dir, "dir", "", "directory, which must be new or empty (default: where serve is by default)")
	c.RunE = func(c *cobra.Command, args []string) error {
		std, err := a.dataDir()
		if dir == "" {
			dir = std
		}
		if dir == "" {
			return err
		}
		var info minikv.SnapshotInfo
		err = a.fromFile(args[0], func(r io.Reader) (err error) {
			info, err = minikv.Restore(c.Context(), dir, r)
			return err
		})
		if err != nil {
			return err
		}
		if err := a.printSnapshot("restored to "+printable(dir), snapshotJSON{Dir: dir}, info); err != nil || a.isJSON() {
			return err
		}
		serve := programName(os.Args[0]) + " serve"
		if dir != std {
			serve += " --dir " + quoteShell(dir)
		}
		return a.printf("\nStart it with:\n  %s\n\n"+
			"Registries that were private stay closed until their keys are there, which a snapshot does not hold: join them by a ticket, or by a copy of their\n"+
			"key files, with '%s join --file'.\n", serve, programName(os.Args[0]))
	}
	return c
}

type snapshotJSON struct {
	File       string             `json:"file,omitempty"`
	Dir        string             `json:"dir,omitempty"`
	Bytes      int64              `json:"bytes"`
	Registries []snapshotRegistry `json:"registries"`
}

type snapshotRegistry struct {
	Name       string `json:"name"`
	Keys       int    `json:"keys"`
	Tombstones int    `json:"tombstones"`
}

// printSnapshot says what was done with a snapshot and what it holds.
func (a *app) printSnapshot(done string, at snapshotJSON, i minikv.SnapshotInfo) error {
	if a.isJSON() {
		at.Bytes, at.Registries = i.Bytes, []snapshotRegistry{}
		for _, r := range i.Registries {
			at.Registries = append(at.Registries, snapshotRegistry(r))
		}
		return a.json(at)
	}
	a.linef("%s: %s bytes", done, count(i.Bytes))
	if len(i.Registries) == 0 {
		return a.printf("no registries\n")
	}
	var rows [][]string
	for _, r := range i.Registries {
		rows = append(rows, []string{printable(r.Name), count(r.Keys), count(r.Tombstones)})
	}
	return a.table("REGISTRY KEYS TOMBSTONES", rows)
}
