//go:build !linux

package resp

import "errors"

// loop is for Linux alone: elsewhere each connection has a goroutine of its own.
type loop struct{}

func newLoops(*Server, int) []*loop { return nil }

func (*Server) startLoops() {}

func (*Server) toLoop(*conn) bool { return false }

func (*loop) wake() {}

func (*loop) forget(int) {}

func (*loop) leave(*conn) bool { return false }

func (*loop) read(*conn) (int, bool, error) { return 0, false, errNoLoop }

func (*loop) write(*conn, []byte) (int, bool, error) { return 0, false, errNoLoop }

func shutdown(int) {}

var errNoLoop = errors.New("resp: no loop on this system")

func (*loop) len() int { return 0 }
