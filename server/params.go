package server

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

// params reads a call's query. The first mistake is kept and told by err.
type params struct {
	url.Values
	err error
}

func newParams(r *http.Request) *params {
	q, err := url.ParseQuery(r.URL.RawQuery)
	p := &params{Values: q}
	if err != nil {
		p.fail("the call's parameters are not well formed: %v", err)
	}
	return p
}

func (p *params) fail(format string, args ...any) {
	if p.err == nil {
		p.err = admin.Errorf(admin.CodeBadRequest, format, args...)
	}
}

func (p *params) duration(name string) time.Duration {
	s := p.Get(name)
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		p.fail("%s %q is no duration; write it as in 5s, 1m30s or 24h", name, s)
	}
	return d
}

func (p *params) flag(name string) bool {
	s := p.Get(name)
	if s == "" {
		return false
	}
	v, err := strconv.ParseBool(s)
	if err != nil {
		p.fail("%s is true or false, not %q", name, s)
	}
	return v
}

// token gives the option of a write under a lease, or none.
func (p *params) token() []minikv.WriteOption {
	s := strings.TrimSpace(p.Get("token"))
	if s == "" {
		return nil
	}
	t, err := minikv.ParseToken(s)
	if err != nil {
		p.fail("%.60q is no token: it has 48 hex digits", s)
		return nil
	}
	return []minikv.WriteOption{minikv.UnderToken(t)}
}

// registry is the open registry that the call is about.
func (s *Server) registry(ctx context.Context, p *params) (*minikv.Registry, error) {
	if p.err != nil {
		return nil, p.err
	}
	name := p.Get("registry")
	if name == "" {
		return nil, admin.Errorf(admin.CodeBadRequest, "the call names no registry")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, ok := s.node.Lookup(name)
	if !ok {
		return nil, notOpen(name)
	}
	return r, nil
}

func notOpen(name string) error {
	e := admin.Errorf(admin.CodeNoRegistry, "registry %q is not open on this node; make it with 'minikv reg add %s', or join it by its ticket with 'minikv join'", name, quoteArg(name))
	e.Registry = name
	return e
}

// quoteArg quotes what a shell would take apart.
func quoteArg(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+,", r))
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
