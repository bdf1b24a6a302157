package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// Record is one line of import, export and [Client.Batch].
//
//	{"key": "k", "value": "text", "ttl": "5s"}
//
// A value that is text is stored as that text; any other JSON value is stored as its JSON, without the white space between its
// parts. key_base64 and value_base64 stand for bytes that are not UTF-8. expires (RFC 3339) is the absolute form of ttl, which export
// writes so that a file read back later does not prolong anything. The other fields of an [Entry] are accepted and ignored.
type Record struct {
	Key     string
	Value   []byte
	TTL     time.Duration // zero: none
	Expires time.Time     // zero: none; not together with TTL
}

type recordJSON struct {
	Key      *string         `json:"key,omitempty"`
	KeyB64   *string         `json:"key_base64,omitempty"`
	Value    json.RawMessage `json:"value,omitempty"`
	ValueB64 *string         `json:"value_base64,omitempty"`
	TTL      *Duration       `json:"ttl,omitempty"`
	Expires  *time.Time      `json:"expires,omitempty"`

	// Fields of an Entry that say nothing a record could keep.
	Node     json.RawMessage `json:"node,omitempty"`
	Time     json.RawMessage `json:"time,omitempty"`
	Revision json.RawMessage `json:"revision,omitempty"`
	Lock     json.RawMessage `json:"lock,omitempty"`
	Under    json.RawMessage `json:"under,omitempty"`
}

// MarshalJSON writes the value as text or value_base64, never as bare JSON, so that reading it back gives equal bytes.
func (r Record) MarshalJSON() ([]byte, error) {
	j := recordJSON{Expires: timePtr(r.Expires)}
	j.Key, j.KeyB64 = texts(r.Key)
	if utf8.Valid(r.Value) {
		v, err := marshal(string(r.Value))
		if err != nil {
			return nil, err
		}
		j.Value = v
	} else {
		_, j.ValueB64 = texts(r.Value)
	}
	if r.TTL != 0 {
		ttl := Duration(r.TTL)
		j.TTL = &ttl
	}
	return marshal(j)
}

// UnmarshalJSON reads one record and refuses what it would have to guess at: unknown fields, no key, no value, a ttl that is
// not positive, text that is not UTF-8.
func (r *Record) UnmarshalJSON(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("not UTF-8; give such bytes as key_base64 or value_base64")
	}
	var j recordJSON
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return tidyJSONError(err)
	}
	if rest := bytes.TrimSpace(b[d.InputOffset():]); len(rest) > 0 {
		return fmt.Errorf("%q after the end of the record", clip(rest))
	}
	if replaced(b, j.Key) {
		return errors.New("key holds half a surrogate pair, which is no text; give it as key_base64")
	}
	key, ok, err := untext("key", j.Key, j.KeyB64)
	if err != nil {
		return err
	}
	if !ok || len(key) == 0 {
		return errors.New("no key, or an empty one")
	}
	value, err := j.value()
	if err != nil {
		return err
	}
	*r = Record{Key: string(key), Value: value}
	return j.expiry(r)
}

func (j *recordJSON) value() ([]byte, error) {
	if len(j.Value) == 0 {
		v, ok, err := untext("value", nil, j.ValueB64)
		if err == nil && !ok {
			err = errors.New("no value")
		}
		return v, err
	}
	if j.ValueB64 != nil {
		return nil, fmt.Errorf("value is %w", errTwice)
	}
	if j.Value[0] != '"' {
		var out bytes.Buffer
		err := json.Compact(&out, j.Value)
		return out.Bytes(), err
	}
	var s string
	if err := json.Unmarshal(j.Value, &s); err != nil {
		return nil, err
	}
	if replaced(j.Value, &s) {
		return nil, errors.New("value holds half a surrogate pair, which is no text; give it as value_base64")
	}
	return []byte(s), nil
}

func (j *recordJSON) expiry(r *Record) error {
	switch {
	case j.TTL != nil && j.Expires != nil:
		return errors.New("ttl and expires are both given; use one")
	case j.TTL != nil && *j.TTL <= 0:
		return fmt.Errorf("ttl %s is not positive", *j.TTL)
	case j.TTL != nil:
		r.TTL = time.Duration(*j.TTL)
	case j.Expires != nil:
		r.Expires = *j.Expires
	}
	return nil
}

// replaced tells whether encoding/json put U+FFFD for an escape that is no character: it does so without an error.
func replaced(raw []byte, s *string) bool {
	const fffd = "\uFFFD"
	return s != nil && bytes.Contains([]byte(*s), []byte(fffd)) &&
		!bytes.Contains(raw, []byte(fffd)) && !bytes.Contains(bytes.ToLower(raw), []byte(`\ufffd`))
}

// tidyJSONError says what a person editing the line needs to know.
func tidyJSONError(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON at byte %d: %s", syntax.Offset, syntax)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("not JSON: it ends in the middle")
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf("a %s where a record {\"key\": …, \"value\": …} was expected", kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("%s is a %s", kind.Field, kind.Value)
	}
	return err
}
