package admin

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// JSON has text and no bytes. Keys and values are any bytes, so each has two fields: NAME where the bytes are UTF-8,
// NAME_base64 (standard alphabet, padded) where they are not.

// texts splits b over the two fields.
func texts[B ~string | ~[]byte](b B) (text *string, b64 *string) {
	s := string(b)
	if utf8.ValidString(s) {
		return &s, nil
	}
	s = base64.StdEncoding.EncodeToString([]byte(b))
	return nil, &s
}

// marshal leaves <, > and & as they are: nothing of this goes into a web page.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), err
}

var errTwice = errors.New("given twice, as text and as base64")

// untext joins the two fields of NAME again. ok is false if neither is there.
func untext(name string, text, b64 *string) (b []byte, ok bool, err error) {
	switch {
	case text != nil && b64 != nil:
		return nil, false, fmt.Errorf("%s is %w", name, errTwice)
	case text != nil:
		return []byte(*text), true, nil
	case b64 != nil:
		b, err = base64.StdEncoding.DecodeString(*b64)
		if err != nil {
			return nil, false, fmt.Errorf("%s_base64 is not base64 (standard alphabet, padded): %w", name, err)
		}
		return b, true, nil
	}
	return nil, false, nil
}
