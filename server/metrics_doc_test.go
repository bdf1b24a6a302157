package server_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server"
)

var update = flag.Bool("update", false, "write the generated parts of the documentation anew")

const (
	metricsDoc = "../docs/metrics.md"
	tableBegin = "<!-- generated: go test ./server -run TestMetricsAreDocumented -update -->\n"
	tableEnd   = "<!-- end -->\n"
)

// scrapeAll reads /metrics of a node that has a peer, so that every metric has a series.
func scrapeAll(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	var nodes []*minikv.Node
	for range 2 {
		n, err := minikv.Open(t.Context(), "", minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, n.Close()) })
		_, err = n.Registry(t.Context(), "r", minikv.Public())
		require.NoError(t, err)
		nodes = append(nodes, n)
	}
	_, err := nodes[0].Connect(t.Context(), nodes[1].Addrs()[0])
	require.NoError(t, err)
	s := server.New(nodes[0], server.Config{Version: "v"})
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	w, err := s.Web("127.0.0.1:0", server.WebConfig{})
	require.NoError(t, err)
	r := &webRig{rig: &rig{t: t, ctx: t.Context()}, handler: w.Handler()}
	r.status(200, "GET", "/v1/status", "")
	page := r.status(200, "GET", "/metrics", "")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(page))
	require.NoError(t, err)
	return families
}

// ours are the names of the metrics that are minikv's, in order.
func ours(families map[string]*dto.MetricFamily) (names []string) {
	for name := range families {
		if strings.HasPrefix(name, "minikv_") {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

func TestMetricNames(t *testing.T) {
	families := scrapeAll(t)
	names := ours(families)
	require.Greater(t, len(names), 40)
	for _, name := range names {
		f := families[name]
		require.NotEmpty(t, f.GetHelp(), name)
		require.NotEmpty(t, f.Metric, name)
		require.Regexp(t, regexp.MustCompile(`^minikv_[a-z][a-z_]*[a-z]$`), name)
		require.Equal(t, f.GetType() == dto.MetricType_COUNTER, strings.HasSuffix(name, "_total"), "%s: counters, and nothing else, end in _total", name)
		require.NotRegexp(t, `_(ms|milliseconds|kib|mib|minutes)(_|$)`, name, "base units")
	}
	require.Contains(t, families, "go_goroutines")
	require.Contains(t, families, "process_resident_memory_bytes")
}

// TestMetricsAreDocumented compares the table in docs/metrics.md with what a node shows.
func TestMetricsAreDocumented(t *testing.T) {
	families := scrapeAll(t)
	var table strings.Builder
	table.WriteString("| name | type | labels | meaning |\n|---|---|---|---|\n")
	for _, name := range ours(families) {
		f := families[name]
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}
	doc, err := os.ReadFile(metricsDoc)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(doc), tableBegin)
	require.True(t, ok, "%s has no %s", metricsDoc, tableBegin)
	_, after, ok := strings.Cut(rest, tableEnd)
	require.True(t, ok)
	want := before + tableBegin + table.String() + tableEnd + after
	if *update {
		require.NoError(t, os.WriteFile(metricsDoc, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(doc), "run it with -update")
}
