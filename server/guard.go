package server

import (
	"net"
	"net/http"
	"net/netip"

	"github.com/minikv/minikv/server/admin"
)

// guard keeps web pages out. A browser on this machine can reach loopback, so a page could call the API (cross-site request) or, by
// pointing a name of its own at 127.0.0.1, even read the answers (DNS rebinding). The Host header gives the second away.
func guard(next http.Handler) http.Handler {
	var cross http.CrossOriginProtection
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := cross.Check(r); err != nil || r.Header.Get("Origin") != "" || !loopbackHost(r.Host) {
			writeError(w, admin.Errorf(admin.CodeBadRequest, "the admin API is not for browsers or other machines; call it by a loopback address"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func loopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func unknownCall(_ http.ResponseWriter, r *http.Request) error {
	return admin.Errorf(admin.CodeBadRequest, "this node has no %s %.80q; is the client of another version?", r.Method, r.URL.Path)
}
