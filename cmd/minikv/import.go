package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv/cmd/minikv/internal/records"
	"github.com/minikv/minikv/server/admin"
)

const importHelp = `Write the records of a file, or of standard input for -.

JSON lines have one record each:
  {"key": "de/hamburg", "value": "1.9M", "ttl": "24h"}
A value that is not text is stored as its JSON. key_base64 and value_base64 stand for bytes that are not UTF-8; expires (RFC 3339) for ttl.
CSV begins with a header that names the columns key and value, and ttl if there is one.

Only what differs from what the node holds is written: an import that was cut off is finished by running it again. A record with a ttl
counts as held when its value is there and expires. The first bad line stops the import, with its number; --skip-bad leaves such lines out.`

// Batches are closed at the first of these.
const (
	batchRecords = 1000
	batchBytes   = 1 << 20
)

func newImport(a *app) *cobra.Command {
	im := &importer{app: a}
	var format string
	c := &cobra.Command{
		Use: "import REG FILE", GroupID: "data", Args: takes("REG", "FILE"),
		Short:   "Write the records of a file of JSON lines or CSV",
		Long:    importHelp,
		Example: "  minikv import cities cities.jsonl\n  minikv export cities | MINIKV_ADDR=unix:/other.sock minikv import cities -",
	}
	f := c.Flags()
	f.StringVar(&format, "format", "", "jsonl or csv (default: by the file's name, else by its first byte)")
	f.BoolVar(&im.skipBad, "skip-bad", false, "leave out bad lines rather than stop at the first")
	f.IntVar(&im.maxLine, "max-line", records.DefaultMaxRecord, "longest record, in bytes")
	c.RunE = func(c *cobra.Command, args []string) error {
		if format != "" && format != string(records.JSONLines) && format != string(records.CSV) {
			return usagef("--format %q: use jsonl or csv", format)
		}
		if im.maxLine <= 0 {
			return usagef("--max-line %d: it has to be more than zero", im.maxLine)
		}
		in, size, err := a.open(args[1])
		if err != nil {
			return err
		}
		defer in.Close()
		cl, err := a.client()
		if err != nil {
			return err
		}
		defer cl.Close()
		im.client, im.registry, im.file = cl, args[0], args[1]
		im.progress = newProgress(a.stderr, size)
		read := &counted{r: in, n: &im.progress.read}
		r, err := records.NewReader(read, records.Options{Format: records.Format(format), Name: args[1], MaxRecord: im.maxLine})
		if err != nil {
			return fmt.Errorf("%s: %w", printable(args[1]), err)
		}
		for _, n := range r.Notes() {
			a.complain("%s: %s", args[1], n)
		}
		return im.run(c.Context(), r)
	}
	return c
}

// open opens the file to import; its size is zero where that is not known.
func (a *app) open(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(a.stdin), 0, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory", printable(name))
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

type counted struct {
	r io.Reader
	n *int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}

// importer sends records in batches and keeps the score.
type importer struct {
	app            *app
	client         *admin.Client
	registry, file string
	skipBad        bool
	maxLine        int
	progress       *progress

	batch  []admin.Record
	bytes  int
	answer chan batchAnswer // of the batch under way; nil: none is
	sum    importSum
}

// importSum is what `import -o json` prints.
type importSum struct {
	Written   int     `json:"written"`
	Unchanged int     `json:"unchanged"`
	Expired   int     `json:"expired"` // over before they were read
	Skipped   int     `json:"skipped"` // bad lines, with --skip-bad
	Seconds   float64 `json:"seconds"`
}

func (im *importer) run(ctx context.Context, r *records.Reader) error {
	start := time.Now()
	err := im.copy(ctx, r)
	im.progress.clear()
	im.sum.Seconds = time.Since(start).Seconds()
	if errors.Is(err, errInterrupted) {
		im.app.complain("interrupted; %s before that: run the import again, it writes only what differs", im.sum)
		return err
	}
	if err != nil {
		return fmt.Errorf("%s: %w; %s before that: put it right and run the import again, it writes only what differs",
			printable(im.file), err, im.sum)
	}
	if im.app.isJSON() {
		return im.app.json(im.sum)
	}
	return im.app.printf("%s in %s\n", im.sum, time.Since(start).Round(time.Millisecond))
}

// String names what there is none of only where it matters.
func (s importSum) String() string {
	text := fmt.Sprintf("%s written, %s unchanged", count(s.Written), count(s.Unchanged))
	if s.Expired > 0 {
		text += fmt.Sprintf(", %s expired", count(s.Expired))
	}
	if s.Skipped > 0 {
		text += fmt.Sprintf(", %s bad lines skipped", count(s.Skipped))
	}
	return text
}

func (im *importer) copy(ctx context.Context, r *records.Reader) error {
	for {
		rec, _, err := r.Next()
		if err == io.EOF {
			return im.finish(ctx)
		}
		if err != nil && !im.skip(err) {
			if ferr := im.finish(ctx); ferr != nil {
				return fmt.Errorf("%w; and %w", err, ferr)
			}
			return err
		}
		if err != nil {
			continue
		}
		im.batch = append(im.batch, rec)
		im.bytes += len(rec.Key) + len(rec.Value)
		if len(im.batch) == batchRecords || im.bytes >= batchBytes {
			if err := im.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// maxComplaints is how many bad lines are named one by one.
const maxComplaints = 10

// skip tells whether the import goes on after a bad line, and names the line.
func (im *importer) skip(err error) bool {
	var le *records.LineError
	if !im.skipBad || !errors.As(err, &le) || le.Fatal {
		return false
	}
	im.sum.Skipped++
	if im.sum.Skipped <= maxComplaints {
		im.progress.clear()
		im.app.complain("%s: skipped %s", im.file, err)
	}
	return true
}

// flush sends the batch and waits for the one before it: while the node writes one, the next is read.
func (im *importer) flush(ctx context.Context) error {
	if err := im.settle(); err != nil || len(im.batch) == 0 {
		return err
	}
	batch := im.batch
	im.batch, im.bytes = make([]admin.Record, 0, cap(batch)), 0
	im.answer = make(chan batchAnswer, 1)
	go func() {
		if im.app.timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, im.app.timeout)
			defer cancel()
		}
		res, err := im.client.Batch(ctx, im.registry, batch)
		im.answer <- batchAnswer{res, err}
	}()
	return nil
}

type batchAnswer struct {
	res admin.BatchResult
	err error
}

// settle waits for the batch that is under way, if there is one.
func (im *importer) settle() error {
	if im.answer == nil {
		return nil
	}
	a := <-im.answer
	im.answer = nil
	if a.err != nil {
		return a.err
	}
	im.sum.Written += a.res.Written
	im.sum.Unchanged += a.res.Unchanged
	im.sum.Expired += a.res.Expired
	im.progress.show(im.sum.Written + im.sum.Unchanged + im.sum.Expired)
	return nil
}

// finish sends what is left and waits for all answers.
func (im *importer) finish(ctx context.Context) error {
	if err := im.flush(ctx); err != nil {
		return err
	}
	return im.settle()
}
