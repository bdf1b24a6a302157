package minikv

// TopicOf is for tests that speak to a node without the library.
var TopicOf = topicOf
