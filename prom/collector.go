package prom

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minikv/minikv"
)

// MaxPeers is how many connected peers have series of their own: those of the lowest ids.
const MaxPeers = 200

// Collector is a prometheus.Collector of one node. Use [NewCollector]. Safe for concurrent use, and usable after the node was
// closed: then it shows that the node is not ready, and no registry.
type Collector struct{ node *minikv.Node }

// NewCollector makes the collector of a node. Each scrape asks the node anew; it takes less than a millisecond for each open registry.
func NewCollector(n *minikv.Node) *Collector { return &Collector{n} }

var _ prometheus.Collector = (*Collector)(nil)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range nodeFamilies {
		out <- f.desc
	}
	for _, f := range registryFamilies {
		out <- f.desc
	}
	for _, f := range peerFamilies {
		out <- f.desc
	}
	for _, d := range []*prometheus.Desc{descInfo, descRefused, descSyncs, descSyncBytes, descWriteTime, descSyncTime, descGossipLag, descPeerInfo, descPeerBytes} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	s := nodeState{ready: c.node.Ready() == nil, metrics: c.node.Metrics()}
	for name, err := range c.node.Registries(context.Background()) {
		if err != nil {
			break // closed
		}
		r, ok := c.node.Lookup(name)
		if !ok {
			continue // dropped a moment ago
		}
		s.registries++
		collectRegistry(out, name, r.Metrics())
	}
	out <- prometheus.MustNewConstMetric(descInfo, prometheus.GaugeValue, 1, string(c.node.ID()), c.node.Name())
	for _, f := range nodeFamilies {
		out <- f.metric(s)
	}
	c.collectPeers(out)
}

func collectRegistry(out chan<- prometheus.Metric, name string, m minikv.Metrics) {
	for _, f := range registryFamilies {
		out <- f.metric(m, name)
	}
	for _, k := range []struct {
		desc  *prometheus.Desc
		kind  string
		count float64
	}{
		{descRefused, "skew", float64(m.RefusedSkew)},
		{descRefused, "bounds", float64(m.RefusedBounds)},
		{descRefused, "forged", float64(m.RefusedForged)},
		{descRefused, "malformed", float64(m.RefusedMalformed)},
		{descRefused, "full", float64(m.RefusedFull)},
		{descRefused, "message", float64(m.RefusedMessages)},
		{descSyncs, "verified", float64(m.Syncs)},
		{descSyncs, "failed", float64(m.SyncsFailed)},
		{descSyncBytes, "in", float64(m.SyncBytesIn)},
		{descSyncBytes, "out", float64(m.SyncBytesOut)},
	} {
		out <- prometheus.MustNewConstMetric(k.desc, prometheus.CounterValue, k.count, name, k.kind)
	}
	out <- histogram(descWriteTime, m.WriteTime, name)
	out <- histogram(descSyncTime, m.SyncTime, name)
	out <- histogram(descGossipLag, m.GossipLag, name)
}

func (c *Collector) collectPeers(out chan<- prometheus.Metric) {
	shown := 0
	for _, p := range c.node.Peers() {
		if !p.Connected || shown == MaxPeers {
			continue
		}
		shown++
		out <- prometheus.MustNewConstMetric(descPeerInfo, prometheus.GaugeValue, 1, string(p.ID), p.Transport, string(p.Path))
		out <- prometheus.MustNewConstMetric(descPeerBytes, prometheus.CounterValue, float64(p.BytesIn), string(p.ID), "in")
		out <- prometheus.MustNewConstMetric(descPeerBytes, prometheus.CounterValue, float64(p.BytesOut), string(p.ID), "out")
		for _, f := range peerFamilies {
			out <- f.metric(p, string(p.ID))
		}
	}
}
