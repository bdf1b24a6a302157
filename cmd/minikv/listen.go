package main

import (
	"fmt"
	"net"
)

// defaultPort is where serve listens unless told otherwise. A second node on the machine takes a free one.
const defaultPort = 7420

// defaultListen is TCP and QUIC on all interfaces, both on one port if it is free.
func defaultListen() []string {
	port := defaultPort
	if !portFree(port) {
		port = 0
	}
	var out []string
	for _, ip := range []string{"/ip4/0.0.0.0", "/ip6/::"} {
		out = append(out, fmt.Sprintf("%s/tcp/%d", ip, port), fmt.Sprintf("%s/udp/%d/quic-v1", ip, port))
	}
	return out
}

// portFree tells whether both TCP and UDP may be had. libp2p would go on without an address that it cannot have.
func portFree(port int) bool {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{Port: port})
	if err != nil {
		return false
	}
	defer l.Close()
	c, err := net.ListenUDP("udp", &net.UDPAddr{Port: port})
	if err != nil {
		return false
	}
	c.Close()
	return true
}
