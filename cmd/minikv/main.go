// Command minikv runs a node and talks to one.
//
//	minikv serve --public cities
//	minikv put cities de/hamburg 1.9M
//	minikv get cities de/hamburg
//
// `minikv --help` lists the commands. Exit codes: 0 done, 1 error, 2 wrong usage, 3 key absent or expired, 4 locked by someone else.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// Caught, a closed pipe is an error of the write, which ends the command in order; and unlike with signal.Ignore, the
	// commands that `lock` starts have their default back.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(run(newApp(), os.Args[1:]))
}
