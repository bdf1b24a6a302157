package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/minikv/minikv/server/admin"
)

// CSRFHeader carries the page's proof, on calls of the inspector that write, that they come from the inspector.
const CSRFHeader = "Minikv-CSRF"

// policy is the content security policy of all that the web side answers: scripts, styles and pictures from here, nothing inline,
// nothing from elsewhere, in no frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard stands before all handlers: it knows who calls, from where, and what they may do.
func (w *Web) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		secure(rw.Header())
		if e := w.admit(r); e != nil {
			w.turnAway(rw, r, e)
			return
		}
		next.ServeHTTP(patient{rw}, r)
	})
}

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // with none, a browser does not say either where the page's own forms come from
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// admit returns why a call is refused, nil if it is not.
func (w *Web) admit(r *http.Request) *admin.Error {
	if !w.isOurName(r.Host) {
		return admin.Errorf(admin.CodeForbidden, "this node is not called %.80q: use its IP address, or start it with --http-host NAME", r.Host)
	}
	if isCrossSite(r) && !isVisit(r) {
		return admin.Errorf(admin.CodeForbidden, "pages of other sites may not call this node")
	}
	who := w.caller(r)
	if who == nobody && w.needsKey && !isOpen(r.URL.Path) {
		return admin.Errorf(admin.CodeUnauthorized, "show the token: Authorization: Bearer TOKEN, or log in at /login in a browser")
	}
	if isSafe(r.Method) || r.URL.Path == "/login" || r.URL.Path == "/logout" || who == tokenHolder {
		return nil
	}
	if !w.cfg.Write {
		return admin.Errorf(admin.CodeReadOnly, "this way in is for reading: start the node with --admin-write, give it a token and show that, or use the command line")
	}
	if isBrowser(r) && subtle.ConstantTimeCompare([]byte(r.Header.Get(CSRFHeader)), []byte(w.sessions.csrf(r))) != 1 {
		return admin.Errorf(admin.CodeForbidden, "the call does not come from this node's own page; load it again")
	}
	return nil
}

// turnAway answers a call that is refused; people who are to log in are shown where.
func (w *Web) turnAway(rw http.ResponseWriter, r *http.Request, e *admin.Error) {
	if e.Code == admin.CodeUnauthorized {
		if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") {
			http.Redirect(rw, r, "/login", http.StatusSeeOther)
			return
		}
		rw.Header().Set("WWW-Authenticate", `Bearer realm="minikv"`)
	}
	writeError(rw, e)
}

// isOpen says what is shown without the token: words for a load balancer, and the door itself.
func isOpen(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/login" || strings.HasPrefix(path, "/static/")
}

type caller int

const (
	nobody      caller = iota
	visitor            // logged in, by a browser
	tokenHolder        // a program with the token
)

func (w *Web) caller(r *http.Request) caller {
	if given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && w.isToken(given) {
		return tokenHolder
	}
	if w.sessions.has(r) {
		return visitor
	}
	return nobody
}

// isToken compares hashes, which have one length, in a time that says nothing.
func (w *Web) isToken(given string) bool {
	a, b := sha256.Sum256([]byte(strings.TrimSpace(given))), sha256.Sum256([]byte(w.cfg.Token))
	return w.cfg.Token != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// isOurName tells names that this node may be called by from those that somebody else has pointed at it. An address in figures
// cannot be pointed anywhere.
func (w *Web) isOurName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	if host == "localhost" || slices.ContainsFunc(w.cfg.Hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return true
	}
	_, err = netip.ParseAddr(host)
	return err == nil
}

func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// isBrowser says whether a browser sends the call: they say so themselves with all that writes, and a page cannot keep them from it.
func isBrowser(r *http.Request) bool {
	return r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Cookie") != ""
}

func isCrossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}

// isVisit says whether somebody follows a link to the page: they see it, the site they come from does not.
func isVisit(r *http.Request) bool {
	return r.Method == http.MethodGet && (r.URL.Path == "/" || r.URL.Path == "/login") &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}
