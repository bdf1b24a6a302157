package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Lock takes the lease on a key and leaves it with the node until its ttl is over, not renewed, or [Client.Unlock]. CodeLocked if
// somebody else holds it for longer than the wait.
func (c *Client) Lock(ctx context.Context, registry, key string, p LockParams) (Lock, error) {
	var l Lock
	err := c.call(ctx, http.MethodPost, "/v1/lock", lockQuery(registry, key, p), nil, &l)
	return l, err
}

// Locks lists the live locks of a registry by key, the first 500 of them at most.
func (c *Client) Locks(ctx context.Context, registry string) ([]HeldLock, error) {
	var l []HeldLock
	err := c.call(ctx, http.MethodGet, "/v1/locks", query("registry", registry), nil, &l)
	return l, err
}

// Unlock releases a lease that this node took with Lock or with a put that locks.
func (c *Client) Unlock(ctx context.Context, registry, key, token string) error {
	return c.call(ctx, http.MethodDelete, "/v1/lock", query("registry", registry, "key", key, "token", token), nil, nil)
}

// Held is a lease that the node renews for as long as this client stays connected.
type Held struct {
	Lock          Lock
	registry, key string

	client *Client
	ctx    context.Context
	end    context.CancelFunc
	body   io.Closer
	lines  lines
}

// Hold takes the lease on a key and keeps it until Release, the end of ctx, or its loss. The caller must go on calling Next:
// it is how a loss is learnt. A node that does not answer within the wait and 30 s more is given up.
func (c *Client) Hold(ctx context.Context, registry, key string, p LockParams) (*Held, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	slow := time.AfterFunc(p.Wait+beginWithin, func() { cancel(c.noAnswer()) })
	body, err := c.send(ctx, http.MethodPost, "/v1/lock/hold", lockQuery(registry, key, p), nil)
	slow.Stop()
	if err != nil {
		cancel(nil)
		return nil, err
	}
	h := &Held{registry: registry, key: key, client: c, ctx: ctx, end: func() { cancel(nil) }, body: body, lines: newLines(body)}
	ev, err := h.Next()
	if err == nil && ev.Lock == nil {
		err = Errorf(CodeLeaseLost, "the lease was lost at once: %s", ev.Reason)
	}
	if err != nil {
		h.Release()
		return nil, err
	}
	h.Lock = *ev.Lock
	return h, nil
}

// Next waits for the next renewal or the loss of the lease, which is also reported as an error once the connection is gone.
// Not for concurrent use with itself.
func (h *Held) Next() (HoldEvent, error) {
	line, err := h.lines.next()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return HoldEvent{}, h.client.cut(h.ctx, err)
	}
	return decodeLine[HoldEvent](line)
}

// Release gives the lease back and hangs up. Should the node not answer within two seconds, hanging up alone has to do: the node
// releases what its client no longer holds. Safe to call more than once and beside Next.
func (h *Held) Release() {
	if h.Lock.Token != "" && h.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(h.ctx, 2*time.Second)
		_ = h.client.Unlock(ctx, h.registry, h.key, h.Lock.Token) // lost already: nothing to give back
		cancel()
	}
	h.end()
	h.body.Close()
}

func lockQuery(registry, key string, p LockParams) url.Values {
	return query("registry", registry, "key", key, "ttl", durationParam(p.TTL), "wait", durationParam(p.Wait),
		"stop_when_isolated", boolParam(p.StopWhenIsolated))
}
