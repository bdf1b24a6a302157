package prom_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/prom"
)

func Example() {
	ctx := context.Background()
	node, _ := minikv.Open(ctx, "", minikv.Config{})
	defer node.Close()
	cities, _ := node.Registry(ctx, "cities", minikv.Public())
	_, _ = cities.Put(ctx, "de/hamburg", []byte("1.9M"))

	registry := prometheus.NewRegistry()
	registry.MustRegister(prom.NewCollector(node))
	families, _ := registry.Gather()
	for _, f := range families {
		if f.GetName() == "minikv_puts_total" {
			fmt.Println(f.GetMetric()[0].GetLabel()[0].GetValue(), f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	// Output: cities 1
}

// scrape reads a node's metrics the way Prometheus does.
func scrape(t *testing.T, n *minikv.Node) map[string]*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry() // refuses what Describe has not told of
	require.NoError(t, registry.Register(prom.NewCollector(n)))
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, 200, w.Code, w.Body.String())
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(w.Body)
	require.NoError(t, err)
	return families
}

func TestCollector(t *testing.T) {
	ctx := context.Background()
	n, err := minikv.Open(ctx, t.TempDir(), minikv.Config{NodeName: "rig"})
	require.NoError(t, err)
	r, err := n.Registry(ctx, "one \"two\"\\", minikv.Public())
	require.NoError(t, err)
	for i := range 3 {
		_, err = r.Put(ctx, fmt.Sprint(i), nil)
		require.NoError(t, err)
	}
	require.NoError(t, r.Delete(ctx, "0"))
	m := scrape(t, n)
	one := func(name string) *dto.Metric {
		require.Contains(t, m, name)
		require.Len(t, m[name].Metric, 1, name)
		return m[name].Metric[0]
	}
	require.EqualValues(t, 1, one("minikv_ready").GetGauge().GetValue())
	require.EqualValues(t, 3, one("minikv_puts_total").GetCounter().GetValue())
	require.EqualValues(t, 2, one("minikv_keys").GetGauge().GetValue())
	require.EqualValues(t, 1, one("minikv_tombstones").GetGauge().GetValue())
	require.Equal(t, "one \"two\"\\", one("minikv_keys").GetLabel()[0].GetValue())
	require.Positive(t, one("minikv_disk_bytes").GetGauge().GetValue())
	h := one("minikv_write_duration_seconds").GetHistogram()
	require.EqualValues(t, 4, h.GetSampleCount())
	require.Positive(t, h.GetSampleSum())
	require.EqualValues(t, 4, h.GetBucket()[len(h.GetBucket())-1].GetCumulativeCount())
	require.Len(t, m["minikv_refused_total"].Metric, 6)

	require.NoError(t, n.Close())
	m = scrape(t, n)
	require.Zero(t, one("minikv_ready").GetGauge().GetValue())
	require.NotContains(t, m, "minikv_keys")
}

func TestPeersHaveSeries(t *testing.T) {
	ctx := context.Background()
	var nodes []*minikv.Node
	for range 2 {
		n, err := minikv.Open(ctx, "", minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
		require.NoError(t, err)
		defer n.Close()
		nodes = append(nodes, n)
	}
	_, err := nodes[0].Connect(ctx, nodes[1].Addrs()[0])
	require.NoError(t, err)
	m := scrape(t, nodes[0])
	require.EqualValues(t, 1, m["minikv_peers"].Metric[0].GetGauge().GetValue())
	require.Len(t, m["minikv_peer_rtt_seconds"].Metric, 1)
	labels := map[string]string{}
	for _, l := range m["minikv_peer_info"].Metric[0].Label {
		labels[l.GetName()] = l.GetValue()
	}
	require.Equal(t, map[string]string{"peer": string(nodes[1].ID()), "transport": "tcp", "path": "direct"}, labels)
}
