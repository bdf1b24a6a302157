package minikv

import "github.com/minikv/minikv/store"

// NewRand is for a test of it; the others are for tests that speak to a node without the library.
var (
	TopicOf    = topicOf
	RegistryID = registryID
	NewRand    = newRand
)

// Tuned lets a node open its store with other options.
func Tuned(cfg Config, tune func(*store.Options)) Config {
	cfg.tune = tune
	return cfg
}

var DigestKeyOf = digestKeyOf

// HoldRenewal acts as if the node's store were being renewed, until letGo is called.
func HoldRenewal(n *Node) (letGo func()) {
	n.renewing.Lock()
	return n.renewing.Unlock
}
