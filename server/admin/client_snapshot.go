package admin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// ErrorTrailer is the trailer of a snapshot that broke off: an [Error] in JSON.
const ErrorTrailer = "Minikv-Error"

// Snapshot writes a snapshot of the node to w: all its registries, as they are at one moment. CodeBadRequest for a node in
// memory. With a nil error the node has said all; what arrived is to be checked with minikv.CheckSnapshot.
func (c *Client) Snapshot(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slow := time.AfterFunc(beginWithin, func() { cancel(c.noAnswer()) })
	res, err := c.request(ctx, http.MethodGet, "/v1/snapshot", nil, nil)
	slow.Stop()
	if err != nil {
		return err
	}
	defer res.Body.Close()
	to := &noting{w: w}
	if _, err := io.Copy(to, res.Body); err != nil {
		if to.err != nil {
			return to.err
		}
		return c.cut(ctx, err)
	}
	if s := res.Trailer.Get(ErrorTrailer); s != "" {
		e := new(Error)
		if json.Unmarshal([]byte(s), e) != nil || e.Code == "" {
			e = Errorf(CodeInternal, "the snapshot broke off: %s", clip([]byte(s)))
		}
		return e
	}
	return nil
}

// noting keeps the error of a writer, to tell it from that of the reader.
type noting struct {
	w   io.Writer
	err error
}

func (n *noting) Write(b []byte) (int, error) {
	k, err := n.w.Write(b)
	if err != nil {
		n.err = err
	}
	return k, err
}

// CompactResult says what a compaction brought.
type CompactResult struct {
	Before int64 `json:"before"` // bytes on disk
	After  int64 `json:"after"`
}

// Compact makes the node give its disk back what deletes and overwriting have freed, and waits until it is done.
func (c *Client) Compact(ctx context.Context) (CompactResult, error) {
	var r CompactResult
	err := c.call(ctx, http.MethodPost, "/v1/compact", nil, nil, &r)
	return r, err
}
