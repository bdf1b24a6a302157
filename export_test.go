package minikv

// NewRand is for a test of it; the others are for tests that speak to a node without the library.
var (
	TopicOf    = topicOf
	RegistryID = registryID
	NewRand    = newRand
)
