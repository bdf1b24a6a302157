//go:build !unix

package main

func sighupEnds() bool { return false }
