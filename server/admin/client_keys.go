package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Get reads one key; CodeNotFound if it is absent, deleted or expired.
func (c *Client) Get(ctx context.Context, registry, key string) (Entry, error) {
	var e Entry
	err := c.call(ctx, http.MethodGet, "/v1/entry", query("registry", registry, "key", key), nil, &e)
	return e, err
}

// Put writes one key. The value may be empty.
func (c *Client) Put(ctx context.Context, registry, key string, value []byte, p PutParams) (PutResult, error) {
	q := query("registry", registry, "key", key, "ttl", durationParam(p.TTL), "persist", boolParam(p.Persist), "keep_ttl", boolParam(p.KeepTTL),
		"token", p.Token, "lock", boolParam(p.Lock), "lock_ttl", durationParam(p.LockTTL))
	r := PutResult{Key: Key(key)}
	err := c.call(ctx, http.MethodPut, "/v1/entry", q, bytes.NewReader(value), &r)
	return r, err
}

// Delete deletes one key; no error if it is absent. A token writes under that lease.
func (c *Client) Delete(ctx context.Context, registry, key, token string) error {
	return c.call(ctx, http.MethodDelete, "/v1/entry", query("registry", registry, "key", key, "token", token), nil, nil)
}

// TTL tells how long a key has left.
func (c *Client) TTL(ctx context.Context, registry, key string) (TTLResult, error) {
	var r TTLResult
	err := c.call(ctx, http.MethodGet, "/v1/ttl", query("registry", registry, "key", key), nil, &r)
	return r, err
}

// Expire gives a present key a new time to live.
func (c *Client) Expire(ctx context.Context, registry, key string, ttl time.Duration, token string) error {
	q := query("registry", registry, "key", key, "ttl", ttl.String(), "token", token)
	return c.call(ctx, http.MethodPut, "/v1/ttl", q, nil, nil)
}

// Persist takes the expiry off a present key.
func (c *Client) Persist(ctx context.Context, registry, key, token string) error {
	return c.call(ctx, http.MethodDelete, "/v1/ttl", query("registry", registry, "key", key, "token", token), nil, nil)
}

// Limits of one batch, for those who make batches: a request beyond them is refused.
const (
	MaxBatchRecords = 10_000
	MaxBatchBytes   = 64 << 20 // of the request's body
)

// Batch writes those of the records that differ from what the registry holds, all in one step or, on an error, none.
func (c *Client) Batch(ctx context.Context, registry string, records []Record) (BatchResult, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	for _, r := range records {
		if err := enc.Encode(r); err != nil {
			return BatchResult{}, err
		}
	}
	var r BatchResult
	err := c.call(ctx, http.MethodPost, "/v1/batch", query("registry", registry), &body, &r)
	return r, err
}

// Quarantined lists what exchanges removed from the registry on a peer's word and is kept aside, the one removed last first.
func (c *Client) Quarantined(ctx context.Context, registry string) ([]Quarantined, error) {
	var out []Quarantined
	err := c.call(ctx, http.MethodGet, "/v1/quarantine", query("registry", registry, "limit", "10000"), nil, &out)
	return out, err
}

// PutBack writes again what is kept aside of a key. CodePresent where the key holds another value and force is false, CodeNotFound
// where nothing of it is kept aside.
func (c *Client) PutBack(ctx context.Context, registry, key string, force bool) (PutBackResult, error) {
	q := query("registry", registry)
	q.Set("key", key)
	return c.putBack(ctx, q, force)
}

// PutAllBack does so with all keys, and says which were refused.
func (c *Client) PutAllBack(ctx context.Context, registry string, force bool) (PutBackResult, error) {
	return c.putBack(ctx, query("registry", registry, "all", "true"), force)
}

func (c *Client) putBack(ctx context.Context, q url.Values, force bool) (r PutBackResult, err error) {
	q.Set("force", strconv.FormatBool(force))
	err = c.call(ctx, http.MethodPost, "/v1/quarantine", q, nil, &r)
	return r, err
}
