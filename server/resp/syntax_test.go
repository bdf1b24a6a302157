package resp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/server/resp"
)

// Every command says what follows its name, in a form that redis-cli makes hints of.
func TestCommandDocsHaveArguments(t *testing.T) {
	s := serve(t, resp.Config{})
	c := s.dial()
	none := map[string]bool{"quit": true, "reset": true, "time": true, "randomkey": true, "dbsize": true}
	for _, name := range resp.SpecNames() {
		require.Equal(t, !none[name], strings.Contains(c.do("COMMAND DOCS %s", name), "$arguments, "), name)
	}
	require.Equal(t, "[$lock, [$summary, $Take the lock on a key for milliseconds; answers its token, $group, $lock, $arguments, [[$name, $key, $type, $string], [$name, $milliseconds, $type, $string]]]]",
		c.do("COMMAND DOCS lock"))
	require.Contains(t, c.do("COMMAND DOCS set"), "[$name, $get, $type, $pure-token, $token, $GET, $flags, [+optional]], [$name, $seconds, $type, $string, $token, $EX, $flags, [+optional]]")
	require.Contains(t, c.do("COMMAND DOCS mget"), "[[$name, $key, $type, $string, $flags, [+multiple]]]")
	require.Contains(t, c.do("HELLO 3"), "$proto: :3")
	require.Contains(t, c.do("COMMAND DOCS unsubscribe"), "$arguments: [{$name: $channel, $type: $string, $flags: ~[+optional, +multiple]}]")
}

// What an error tells to try is there.
func TestHelpOfSubcommands(t *testing.T) {
	s := serve(t, resp.Config{})
	c := s.dial()
	for _, command := range []string{"CLIENT", "CONFIG", "COMMAND"} {
		require.Equal(t, "-ERR unknown subcommand 'NOSUCH'. Try "+command+" HELP.", c.do("%s NOSUCH", command))
		require.Regexp(t, `^\[\+`+command+` <subcommand> \[<arg> \[value\] \[opt\] \.\.\.\]\. Subcommands are:, .*, \+HELP, \+    Print this help\.\]$`, c.do("%s HELP", command))
	}
}

// TestFieldsThatClientsCountOn: redis-py reads these of CLIENT INFO as numbers, and fails where one is missing.
func TestFieldsThatClientsCountOn(t *testing.T) {
	s := serve(t, resp.Config{})
	info := s.dial().do("CLIENT INFO")
	for _, field := range []string{"id", "age", "idle", "db", "sub", "psub", "multi", "qbuf", "qbuf-free", "obl", "argv-mem", "oll", "omem", "tot-mem"} {
		require.Regexp(t, `(^\$| )`+field+`=-?[0-9]+ `, info)
	}
}
