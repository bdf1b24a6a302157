package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// maxStreamLine bounds one line of a stream: an entry with the largest value (16 MiB), each byte escaped or in base64.
const maxStreamLine = 128 << 20

// beginWithin is what a node has to begin a stream. There is no limit to how long it may last.
const beginWithin = 30 * time.Second

// WatchParams are the options of a watch.
type WatchParams struct {
	Prefix      string
	UpdatesOnly bool // leave out the present entries
}

// Keys lists the present keys under prefix, in order. The walk ends with the first error.
func (c *Client) Keys(ctx context.Context, registry, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for k, err := range stream[Key](ctx, c, "/v1/keys", query("registry", registry, "prefix", prefix)) {
			if !yield(string(k), err) {
				return
			}
		}
	}
}

// Entries lists the present entries under prefix, in order of their keys. The walk ends with the first error.
func (c *Client) Entries(ctx context.Context, registry, prefix string) iter.Seq2[Entry, error] {
	return stream[Entry](ctx, c, "/v1/entries", query("registry", registry, "prefix", prefix))
}

// Watch gives the present entries under the prefix, one [EventSynced], then every later change, until ctx ends. A reader that
// falls behind gets the last state of a key rather than each one. The walk ends with the first error.
func (c *Client) Watch(ctx context.Context, registry string, p WatchParams) iter.Seq2[Event, error] {
	q := query("registry", registry, "prefix", p.Prefix, "updates_only", boolParam(p.UpdatesOnly))
	return stream[Event](ctx, c, "/v1/watch", q)
}

// stream walks an answer of JSON lines.
func stream[T any](ctx context.Context, c *Client, path string, q url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil) // ends the request when the caller stops early
		slow := time.AfterFunc(beginWithin, func() { cancel(c.noAnswer()) })
		body, err := c.send(ctx, http.MethodGet, path, q, nil)
		slow.Stop()
		if err != nil {
			yield(none, err)
			return
		}
		defer body.Close()
		lines := newLines(body)
		for {
			line, err := lines.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(none, c.cut(ctx, err))
				return
			}
			v, err := decodeLine[T](line)
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// cut explains the end of a stream that did not come to its end.
func (c *Client) cut(ctx context.Context, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return Errorf(CodeClosed, "the node at %s ended in the middle of the answer", c.addr)
	}
	return c.transportError(ctx, err)
}

// decodeLine decodes one line of a stream, which is a T or {"error": …}.
func decodeLine[T any](line []byte) (v T, err error) {
	if bytes.HasPrefix(line, []byte(`{"error":`)) {
		var e struct {
			Error *Error `json:"error"`
		}
		if err := json.Unmarshal(line, &e); err == nil && e.Error != nil {
			return v, e.Error
		}
	}
	if err := json.Unmarshal(line, &v); err != nil {
		return v, Errorf(CodeInternal, "the node sent a line that is not understood (%v); is it of another version?", err)
	}
	return v, nil
}

// lines reads lines of bounded length. A stream that ends without a newline was cut.
type lines struct{ s *bufio.Scanner }

func newLines(r io.Reader) lines {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), maxStreamLine)
	s.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			return i + 1, data[:i], nil
		}
		if atEOF && len(data) > 0 {
			return 0, nil, io.ErrUnexpectedEOF
		}
		return 0, nil, nil
	})
	return lines{s}
}

// next gives a line, valid until the call after it.
func (l lines) next() ([]byte, error) {
	if l.s.Scan() {
		return l.s.Bytes(), nil
	}
	if err := l.s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("a line of more than %d bytes", maxStreamLine)
	} else if err != nil {
		return nil, err
	}
	return nil, io.EOF
}
