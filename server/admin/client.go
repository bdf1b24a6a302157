package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxAnswer bounds an answer that is one JSON document: the largest value, as base64, twice over.
const maxAnswer = 64 << 20

// Client talks to one node's admin API. Safe for concurrent use. Every error from the node is an [*Error]; one that says
// that no node could be reached is an [*UnreachableError].
type Client struct {
	addr Addr
	http *http.Client
}

// UnreachableError says that no node answers at an address.
type UnreachableError struct {
	Addr Addr
	Err  error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no node answers at %s (%v): start one with 'minikv serve', or name another with --addr or MINIKV_ADDR", e.Addr, e.Err)
}
func (e *UnreachableError) Unwrap() error { return e.Err }

// NewClient makes a client for the node at addr. It connects with the first call.
func NewClient(addr Addr) *Client {
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			c, err := addr.DialContext(ctx)
			if err != nil {
				return nil, &UnreachableError{Addr: addr, Err: rootCause(err)}
			}
			return c, nil
		},
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}
	return &Client{addr: addr, http: &http.Client{Transport: t}}
}

// Addr is where the client connects to.
func (c *Client) Addr() Addr { return c.addr }

// Close closes idle connections. Calls under way go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// rootCause drops the "dial unix /path:" in front of the reason: the address is in the message already.
func rootCause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return err
}

// send makes one request and gives the answer's body, which the caller closes. Answers other than 2xx become errors.
func (c *Client) send(ctx context.Context, method, path string, q url.Values, body io.Reader) (io.ReadCloser, error) {
	res, err := c.request(ctx, method, path, q, body)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// request is send for one who wants more of the answer than its body.
func (c *Client) request(ctx context.Context, method, path string, q url.Values, body io.Reader) (*http.Response, error) {
	host := "localhost"
	if c.addr.Network == "tcp" {
		host = c.addr.Path
	}
	u := url.URL{Scheme: "http", Host: host, Path: path, RawQuery: q.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportError(ctx, err)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, decodeError(res)
}

func (c *Client) transportError(ctx context.Context, err error) error {
	var un *UnreachableError
	switch {
	case errors.As(err, &un) && ctx.Err() == nil:
		return un
	case errors.Is(err, context.DeadlineExceeded):
		return c.noAnswer()
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return fmt.Errorf("the connection to the node at %s broke: %w", c.addr, rootCause(err))
}

func (c *Client) noAnswer() *Error {
	return Errorf(CodeTimeout, "the node at %s did not answer in time; is it stopped or overloaded?", c.addr)
}

func decodeError(res *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	e := new(Error)
	if json.Unmarshal(b, e) != nil || e.Code == "" {
		return Errorf(CodeInternal, "the node answered %s: %s; is it of another version?", res.Status, clip(b))
	}
	return e
}

// call makes a request whose answer is one JSON document, or none if out is nil.
func (c *Client) call(ctx context.Context, method, path string, q url.Values, body io.Reader, out any) error {
	r, err := c.send(ctx, method, path, q, body)
	if err != nil {
		return err
	}
	defer r.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(r, maxAnswer))
	} else {
		err = json.NewDecoder(io.LimitReader(r, maxAnswer)).Decode(out)
	}
	if err != nil {
		return c.transportError(ctx, err)
	}
	return nil
}

// callJSON is call with a JSON document as the request's body.
func (c *Client) callJSON(ctx context.Context, method, path string, q url.Values, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.call(ctx, method, path, q, bytes.NewReader(b), out)
}

// query makes the parameters of a request from pairs, leaving out those with an empty value.
func query(pairs ...string) url.Values {
	q := make(url.Values, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func durationParam(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func boolParam(b bool) string {
	if b {
		return "true"
	}
	return ""
}
