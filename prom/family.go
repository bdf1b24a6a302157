package prom

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minikv/minikv"
)

// family is one metric: how it is described, and what it reads from a source T.
type family[T any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(T) float64
}

func newDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("minikv_"+name, help, labels, nil)
}

func gauge[T any](name, help string, read func(T) float64, labels ...string) family[T] {
	return family[T]{newDesc(name, help, labels...), prometheus.GaugeValue, read}
}

func counter[T any](name, help string, read func(T) float64, labels ...string) family[T] {
	return family[T]{newDesc(name, help, labels...), prometheus.CounterValue, read}
}

func (f family[T]) metric(v T, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(f.desc, f.kind, f.read(v), labels...)
}

// seconds of a time since 1970, zero for no time: so that time() - x grows large where something has never been.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// histogram gives a timing the form of Prometheus, whose classes include those below.
func histogram(desc *prometheus.Desc, t minikv.Timing, labels ...string) prometheus.Metric {
	buckets, below := map[float64]uint64{}, uint64(0)
	for i, bound := range minikv.TimingBounds() {
		below += t.Counts[i]
		buckets[math.Round(bound.Seconds()*1e6)/1e6] = below
	}
	return prometheus.MustNewConstHistogram(desc, t.Count(), t.Sum.Seconds(), buckets, labels...)
}
