package minikv

// TopicOf and RegistryID are for tests that speak to a node without the library.
var (
	TopicOf    = topicOf
	RegistryID = registryID
)
