//go:build !linux

// Package netlab makes networks of Linux network namespaces for tests; on other systems
// there is nothing in it.
package netlab
