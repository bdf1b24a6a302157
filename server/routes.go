package server

import (
	"net/http"
	"net/http/pprof"
)

// route is one call of the API. The unix socket and HTTP serve the same ones.
type route struct {
	method, path string
	handle       func(http.ResponseWriter, *http.Request) error
	stream       bool // has no end in sight
}

// routes are all calls of the API; openapi.json describes each.
func (s *Server) routes() []route {
	return []route{
		{method: "GET", path: "/v1/entry", handle: s.getEntry},
		{method: "PUT", path: "/v1/entry", handle: s.putEntry},
		{method: "DELETE", path: "/v1/entry", handle: s.deleteEntry},
		{method: "GET", path: "/v1/ttl", handle: s.getTTL},
		{method: "PUT", path: "/v1/ttl", handle: s.putTTL},
		{method: "DELETE", path: "/v1/ttl", handle: s.deleteTTL},
		{method: "GET", path: "/v1/keys", handle: s.listKeys, stream: true},
		{method: "GET", path: "/v1/entries", handle: s.listEntries, stream: true},
		{method: "GET", path: "/v1/page", handle: s.page},
		{method: "GET", path: "/v1/changes", handle: s.listChanges},
		{method: "GET", path: "/v1/locks", handle: s.listLocks},
		{method: "GET", path: "/v1/quarantine", handle: s.listQuarantine},
		{method: "POST", path: "/v1/quarantine", handle: s.putBack},
		{method: "GET", path: "/v1/samples", handle: s.listSamples},
		{method: "GET", path: "/v1/live", handle: s.live, stream: true},
		{method: "GET", path: "/v1/watch", handle: s.watch, stream: true},
		{method: "POST", path: "/v1/batch", handle: s.batch},
		{method: "POST", path: "/v1/lock", handle: s.lock},
		{method: "POST", path: "/v1/lock/hold", handle: s.hold, stream: true},
		{method: "DELETE", path: "/v1/lock", handle: s.unlock},
		{method: "GET", path: "/v1/status", handle: s.getStatus},
		{method: "GET", path: "/v1/peers", handle: s.listPeers},
		{method: "POST", path: "/v1/peers", handle: s.connect},
		{method: "POST", path: "/v1/sync", handle: s.sync},
		{method: "GET", path: "/v1/doctor", handle: s.doctor},
		{method: "GET", path: "/v1/snapshot", handle: s.snapshot, stream: true},
		{method: "POST", path: "/v1/compact", handle: s.compact},
		{method: "GET", path: "/v1/registries", handle: s.listRegistries},
		{method: "POST", path: "/v1/registries", handle: s.addRegistry},
		{method: "DELETE", path: "/v1/registries", handle: s.dropRegistry},
		{method: "POST", path: "/v1/ticket", handle: s.makeTicket},
		{method: "POST", path: "/v1/join", handle: s.join},
		{method: "POST", path: "/v1/rotate", handle: s.rotate},
		{method: "DELETE", path: "/v1/secrets", handle: s.forgetKeys},
		{method: "GET", path: "/healthz", handle: s.healthz},
		{method: "GET", path: "/readyz", handle: s.readyz},
		{method: "GET", path: "/metrics", handle: s.meters.serve},
		{method: "GET", path: "/openapi.json", handle: s.openapi},
	}
}

// mux makes the handler of all routes, without any guard.
func (s *Server) mux(profile bool) *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.HandleFunc(r.method+" "+r.path, s.meters.measure(r, s.handle(r.handle)))
	}
	if profile {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	mux.HandleFunc("/", s.handle(unknownCall))
	return mux
}
