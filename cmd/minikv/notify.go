package main

import (
	"net"
	"strings"
)

// notify tells systemd, or another supervisor that speaks its protocol, what has become of a service: one datagram to the socket that
// NOTIFY_SOCKET names. Without one it does nothing; nobody is told of a failure, for nobody could do anything about it.
func (a *app) notify(state string) {
	name := a.getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	if rest, abstract := strings.CutPrefix(name, "@"); abstract {
		name = "\x00" + rest
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = c.Write([]byte(state))
}
