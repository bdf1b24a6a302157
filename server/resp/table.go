package resp

import (
	"maps"
	"slices"
)

// spec describes a command. arity is as with Redis: the number of words with the command's own, negative for at
// least so many.
type spec struct {
	name    string
	arity   int
	flags   flags
	group   string // of Redis's documentation
	keys    [3]int // first and last key, and the step between them; zero: none
	summary string
	run     func(*conn)
}

type flags uint8

const (
	writes     flags = 1 << iota // changes the registry
	reads                        // reads it
	open                         // also before AUTH
	subscribed                   // also where a client of RESP2 has subscriptions
	under                        // may follow UNDER
	about                        // about the server, not the data
	quick                        // takes no longer than its words do: a loop may run it
)

func (f flags) has(g flags) bool { return f&g != 0 }

var noKeys, oneKey, allKeys, pairs = [3]int{}, [3]int{1, 1, 1}, [3]int{1, -1, 1}, [3]int{1, -1, 2}

// commands is the table of what is served, by name in lower case. It is filled at the start: some commands look
// into it.
var commands map[string]*spec

func init() {
	commands = map[string]*spec{}
	for _, part := range [][]spec{connectionCommands, stringCommands, keyCommands, expiryCommands, serverCommands, notificationCommands, lockCommands} {
		for i := range part {
			commands[part[i].name] = &part[i]
		}
	}
}

// commandNames are the names in order.
func commandNames() []string { return slices.Sorted(maps.Keys(commands)) }
