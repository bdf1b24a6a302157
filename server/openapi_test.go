package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server"
)

// described is the description of the API.
type described struct {
	Paths map[string]map[string]struct {
		Parameters []struct {
			Name     string
			Required bool
		}
		Responses map[string]struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

func readOpenAPI(t *testing.T) (d described) {
	t.Helper()
	b, err := os.ReadFile("openapi.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &d))
	return d
}

// TestRoutesAreDescribed: every route is in the description, and nothing else is.
func TestRoutesAreDescribed(t *testing.T) {
	r := newRig(t)
	var want []string
	for path, ops := range readOpenAPI(t).Paths {
		for method := range ops {
			want = append(want, strings.ToUpper(method)+" "+path)
		}
	}
	require.ElementsMatch(t, want, r.server.Routes())
	_, body := r.raw("GET", "/openapi.json", nil)
	own, err := os.ReadFile("openapi.json")
	require.NoError(t, err)
	require.Equal(t, string(own), body)
}

// schema is what the description uses of JSON Schema.
type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Properties map[string]schema
	Required   []string
	Additional json.RawMessage `json:"additionalProperties"`
	Items      *schema
	OneOf      []schema
	Enum       []string
	Pattern    string
	Format     string
}

// check returns what is wrong with a document.
func (d described) check(at string, s schema, v any) error {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		def, ok := d.Components.Schemas[name]
		if !ok {
			return fmt.Errorf("%s: no schema %s", at, name)
		}
		return d.check(at, def, v)
	}
	if len(s.OneOf) > 0 {
		var err error
		for _, o := range s.OneOf {
			if err = d.check(at, o, v); err == nil {
				return nil
			}
		}
		return err
	}
	types, ok := s.Type.([]any)
	if !ok && s.Type != nil {
		types = []any{s.Type}
	}
	if s.Type != nil && !slices.Contains(types, any(kindOf(v))) && !(kindOf(v) == "integer" && slices.Contains(types, any("number"))) {
		return fmt.Errorf("%s: a %s, not %v", at, kindOf(v), types)
	}
	switch v := v.(type) {
	case map[string]any:
		return d.checkObject(at, s, v)
	case []any:
		for i, e := range v {
			if err := d.check(fmt.Sprintf("%s[%d]", at, i), *s.Items, e); err != nil {
				return err
			}
		}
	case string:
		if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) || s.Enum != nil && !slices.Contains(s.Enum, v) {
			return fmt.Errorf("%s: %q is neither %s nor one of %v", at, v, s.Pattern, s.Enum)
		}
		if s.Format == "date-time" {
			_, err := time.Parse(time.RFC3339Nano, v)
			return err
		}
	}
	return nil
}

func (d described) checkObject(at string, s schema, v map[string]any) error {
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			return fmt.Errorf("%s: no %s", at, name)
		}
	}
	for name, e := range v {
		p, ok := s.Properties[name]
		if !ok && bytes.HasPrefix(s.Additional, []byte("{")) {
			ok = json.Unmarshal(s.Additional, &p) == nil
		}
		if !ok {
			return fmt.Errorf("%s: %s is not described", at, name)
		}
		if err := d.check(at+"."+name, p, e); err != nil {
			return err
		}
	}
	return nil
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "number"
		}
		return "integer"
	case []any:
		return "array"
	}
	return "object"
}

// answers checks an answer against its description, line by line where it has lines.
func (d described) answers(t *testing.T, call, contentType, body string) {
	t.Helper()
	method, path, _ := strings.Cut(call, " ")
	path, _, _ = strings.Cut(path, "?")
	op, ok := d.Paths[path][strings.ToLower(method)]
	require.True(t, ok, call)
	content, ok := op.Responses["200"].Content[contentType]
	require.True(t, ok, "%s answers %s", call, contentType)
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	n := 0
	for ; dec.More(); n++ {
		var v any
		require.NoError(t, dec.Decode(&v), call)
		require.NoError(t, d.check("answer", content.Schema, v), "%s: %s", call, body)
	}
	require.Positive(t, n, call)
}

// TestAnswersAreAsDescribed calls what people call, on a node that has some of everything, and compares each answer with the description.
func TestAnswersAreAsDescribed(t *testing.T) {
	d := readOpenAPI(t)
	r := newWebRig(t, "127.0.0.1:7422", server.WebConfig{Write: true})
	_, err := r.reg.Put(r.ctx, "a", []byte("text"), minikv.TTL(time.Hour))
	require.NoError(t, err)
	_, err = r.reg.Put(r.ctx, "b\xff", []byte{0xff})
	require.NoError(t, err)
	l, err := r.reg.TryLock(r.ctx, "c", minikv.Meta([]byte("me")))
	require.NoError(t, err)
	_, err = l.Put(r.ctx, []byte("fenced"))
	require.NoError(t, err)
	for _, tt := range []struct{ call, body string }{
		{"GET /v1/entry?registry=r&key=a", ""},
		{"GET /v1/entry?registry=r&key=b%ff", ""},
		{"GET /v1/entry?registry=r&key=c", ""},
		{"PUT /v1/entry?registry=r&key=d&lock=true", "v"},
		{"PUT /v1/entry?registry=r&key=e", ""},
		{"DELETE /v1/entry?registry=r&key=e", ""},
		{"GET /v1/ttl?registry=r&key=a", ""},
		{"GET /v1/ttl?registry=r&key=c", ""},
		{"PUT /v1/ttl?registry=r&key=a&ttl=1m", ""},
		{"DELETE /v1/ttl?registry=r&key=a", ""},
		{"GET /v1/keys?registry=r", ""},
		{"GET /v1/entries?registry=r", ""},
		{"GET /v1/page?registry=r", ""},
		{"POST /v1/batch?registry=r", `{"key":"f","value":{"a":1},"ttl":"1h"}`},
		{"POST /v1/lock?registry=r&key=g&ttl=10s", ""},
		{"GET /v1/locks?registry=r", ""},
		{"GET /v1/quarantine?registry=r", ""},
		{"POST /v1/quarantine?registry=r&all=true", ""},
		{"GET /v1/changes", ""},
		{"GET /v1/samples", ""},
		{"GET /v1/status", ""},
		{"GET /v1/peers", ""},
		{"GET /v1/doctor", ""},
		{"POST /v1/sync", ""},
		{"GET /v1/registries", ""},
		{"POST /v1/registries?registry=new", `{"public":true}`},
		{"DELETE /v1/registries?registry=new", ""},
	} {
		t.Run(tt.call, func(t *testing.T) {
			method, target, _ := strings.Cut(tt.call, " ")
			res := r.do(method, target, tt.body)
			b := new(bytes.Buffer)
			_, err := b.ReadFrom(res.Body)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, res.StatusCode, b.String())
			d.answers(t, tt.call, res.Header.Get("Content-Type"), b.String())
		})
	}
	res := r.do("GET", "/v1/entry?registry=r&key=absent", "")
	var v any
	require.NoError(t, json.NewDecoder(res.Body).Decode(&v))
	require.NoError(t, d.check("error", schema{Ref: "#/components/schemas/Error"}, v))
}
