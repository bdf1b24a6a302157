// Package prom shows what a node holds and does to Prometheus.
//
//	registry.MustRegister(prom.NewCollector(node))
//
// All names begin with minikv_ and carry their unit; they are stable. docs/metrics.md lists them with what they mean, and
// docs/operations.md has the alerts. Counters count from when a registry was opened on the node and start anew with it. Peers have
// series of their own while they are connected, at most [MaxPeers] of them.
//
// It is a package of its own, so that who does not import it does not link it. The module it needs comes with
// libp2p in any case.
package prom
