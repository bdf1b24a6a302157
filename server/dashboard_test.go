package server_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

var metricName = regexp.MustCompile(`\b(minikv|process|go)_[a-z_]+\b`)

// exists says whether a query's name of a series is that of a metric.
func exists(families map[string]*dto.MetricFamily, name string) bool {
	if families[name] != nil {
		return families[name].GetType() != dto.MetricType_HISTOGRAM
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && families[base] != nil {
			return families[base].GetType() == dto.MetricType_HISTOGRAM
		}
	}
	return false
}

// labelsOf are those that a query asks of a series by.
func labelsOf(f *dto.MetricFamily) map[string]bool {
	labels := map[string]bool{"job": true, "instance": true, "le": true}
	for _, l := range f.GetMetric()[0].GetLabel() {
		labels[l.GetName()] = true
	}
	return labels
}

var selector = regexp.MustCompile(`\b(minikv_[a-z_]+)\{([^}]*)\}`)

func requireQuery(t *testing.T, families map[string]*dto.MetricFamily, expr string) {
	t.Helper()
	names := metricName.FindAllString(expr, -1)
	require.NotEmpty(t, names, expr)
	for _, name := range names {
		require.True(t, exists(families, name), "no metric %s: %s", name, expr)
	}
	for _, m := range selector.FindAllStringSubmatch(expr, -1) {
		f := families[m[1]]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base := families[strings.TrimSuffix(m[1], suffix)]; f == nil && base != nil {
				f = base
			}
		}
		for _, match := range regexp.MustCompile(`([a-z_]+)(=~|=)"`).FindAllStringSubmatch(m[2], -1) {
			require.True(t, labelsOf(f)[match[1]], "%s has no label %s: %s", m[1], match[1], expr)
		}
	}
	require.Equal(t, strings.Count(expr, "("), strings.Count(expr, ")"), expr)
}

// TestDashboardShowsMetricsThatExist reads the queries of the Grafana dashboard.
func TestDashboardShowsMetricsThatExist(t *testing.T) {
	families := scrapeAll(t)
	b, err := os.ReadFile("../contrib/grafana/minikv.json")
	require.NoError(t, err)
	var d struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
		Templating struct{ List []struct{ Definition string } }
	}
	require.NoError(t, json.Unmarshal(b, &d))
	queries := 0
	for _, p := range d.Panels {
		if p.Type == "row" {
			continue
		}
		require.NotEmpty(t, p.Targets, p.Title)
		for _, q := range p.Targets {
			requireQuery(t, families, q.Expr)
			queries++
		}
	}
	require.Greater(t, queries, 25)
	for _, v := range d.Templating.List {
		if v.Definition != "" {
			requireQuery(t, families, v.Definition)
		}
	}
}

// TestAlertsAreAboutMetricsThatExist reads the expressions of the alerts, each of which is explained.
func TestAlertsAreAboutMetricsThatExist(t *testing.T) {
	families := scrapeAll(t)
	b, err := os.ReadFile("../contrib/prometheus/alerts.yml")
	require.NoError(t, err)
	doc, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	exprs := regexp.MustCompile(`(?m)^ +expr: (.+)$`).FindAllStringSubmatch(string(b), -1)
	names := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(string(b), -1)
	require.Len(t, exprs, len(names))
	require.Greater(t, len(names), 8)
	for i, e := range exprs {
		requireQuery(t, families, e[1])
		require.Contains(t, string(doc), "`"+names[i][1]+"`", "docs/operations.md says what to do")
	}
}
