// Package clienttest runs client libraries that others have written against the server for Redis clients. It is a
// module of its own, so that whoever uses minikv as a library does not download them.
package clienttest
