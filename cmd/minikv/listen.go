package main

import (
	"fmt"
	"net"
)

// defaultPort is where serve listens unless told otherwise. A second node on the machine takes a free one.
const defaultPort = 7420

// defaultListen is TCP and QUIC on all interfaces, on the given port; 0 takes free ones.
func defaultListen(port int) []string {
	ips := []string{"/ip4/0.0.0.0"}
	if l, err := net.Listen("tcp6", "[::]:0"); err == nil { // there are machines without
		l.Close()
		ips = append(ips, "/ip6/::")
	}
	var out []string
	for _, ip := range ips {
		out = append(out, fmt.Sprintf("%s/tcp/%d", ip, port), fmt.Sprintf("%s/udp/%d/quic-v1", ip, port))
	}
	return out
}

// choosePort is the default port if it is free for both TCP and UDP, else 0.
func choosePort() int {
	if portFree(defaultPort) {
		return defaultPort
	}
	return 0
}

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
