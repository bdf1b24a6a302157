package admin

import (
	"encoding/json"
	"time"
)

// Entry is what a registry holds under a key. Its JSON is the one of `minikv get -o json`.
type Entry struct {
	Key      string
	Value    []byte    // nil in events that tell of a key's end
	Node     string    // peer id of the writer
	Time     time.Time // of the write, by the hybrid logical clock
	Revision string    // sorts all writes to a key, on all nodes
	Expires  time.Time // zero: never
	Lock     *Lock     // nil: not locked
	Under    string    // token of the lease it was written under; "": none
}

// Lock is a held lease.
type Lock struct {
	Owner string    `json:"owner"` // peer id of the node that holds it
	Token string    `json:"token"` // fencing token; later holders have greater ones
	Until time.Time `json:"until"` // by this node's clock; the holder may renew it
}

type entryJSON struct {
	Key      *string    `json:"key,omitempty"`
	KeyB64   *string    `json:"key_base64,omitempty"`
	Value    *string    `json:"value,omitempty"`
	ValueB64 *string    `json:"value_base64,omitempty"`
	Node     string     `json:"node"`
	Time     time.Time  `json:"time"`
	Revision string     `json:"revision"`
	Expires  *time.Time `json:"expires"`
	Lock     *Lock      `json:"lock"`
	Under    string     `json:"under,omitempty"`
}

// MarshalJSON writes expires and lock as null where there is none.
func (e Entry) MarshalJSON() ([]byte, error) { return marshal(e.json()) }

func (e Entry) json() entryJSON {
	j := entryJSON{Node: e.Node, Time: e.Time, Revision: e.Revision, Expires: timePtr(e.Expires), Lock: e.Lock, Under: e.Under}
	j.Key, j.KeyB64 = texts(e.Key)
	if e.Value != nil {
		j.Value, j.ValueB64 = texts(e.Value)
	}
	return j
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Entry) UnmarshalJSON(b []byte) error {
	var j entryJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	key, _, err := untext("key", j.Key, j.KeyB64)
	if err != nil {
		return err
	}
	value, _, err := untext("value", j.Value, j.ValueB64)
	if err != nil {
		return err
	}
	*e = Entry{Key: string(key), Value: value, Node: j.Node, Time: j.Time, Revision: j.Revision, Lock: j.Lock, Under: j.Under}
	if j.Expires != nil {
		e.Expires = *j.Expires
	}
	return nil
}

func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Key is one line of a listing of keys.
type Key string

type keyJSON struct {
	Key    *string `json:"key,omitempty"`
	KeyB64 *string `json:"key_base64,omitempty"`
}

// MarshalJSON writes {"key": …}, or key_base64 for a key that is not UTF-8.
func (k Key) MarshalJSON() ([]byte, error) {
	var j keyJSON
	j.Key, j.KeyB64 = texts(k)
	return marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (k *Key) UnmarshalJSON(b []byte) error {
	var j keyJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	key, _, err := untext("key", j.Key, j.KeyB64)
	*k = Key(key)
	return err
}
