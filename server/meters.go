package server

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/prom"
)

// meters are what /metrics shows: the node, the process, and the calls of this server.
type meters struct {
	registry *prometheus.Registry
	page     http.Handler
	calls    *prometheus.CounterVec
	times    *prometheus.HistogramVec
}

func newMeters(node *minikv.Node, version string) *meters {
	m := &meters{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minikv_http_requests_total", Help: "Calls of the admin API, by route and status; a stream counts when it ends.",
		}, []string{"route", "code"}),
		times: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "minikv_http_request_duration_seconds", Help: "Time of calls of the admin API, streams left out.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "minikv_build_info", Help: "1; the program's version and that of Go are in the labels.",
	}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(prom.NewCollector(node), m.calls, m.times, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.page = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 8, Timeout: 30 * time.Second})
	return m
}

func (m *meters) serve(w http.ResponseWriter, r *http.Request) error {
	m.page.ServeHTTP(w, r)
	return nil
}

// measure counts the calls of a route.
func (m *meters) measure(r route, next http.HandlerFunc) http.HandlerFunc {
	name := r.method + " " + r.path
	return func(w http.ResponseWriter, req *http.Request) {
		began, seen := time.Now(), &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() { // also where the handler panics to cut the connection
			m.calls.WithLabelValues(name, strconv.Itoa(seen.status)).Inc()
			if !r.stream {
				m.times.WithLabelValues(name).Observe(time.Since(began).Seconds())
			}
		}()
		next(seen, req)
	}
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
