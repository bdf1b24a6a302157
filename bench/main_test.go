package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain lets the children that a test starts be children: they are this binary.
func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		exit(serve(role))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Every group runs to its end with few keys, and no row is without a figure. The figures themselves say nothing.
func TestEveryGroup(t *testing.T) {
	rows := map[string]int{"local": 7, "memory": 3, "transfer": 4, "visible": 4, "join": 6, "differ": 4, "writers": 2, "durable": 7, "durable-transfer": 2, "huge": 6, "private": 8, "resp": 12}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			if _, err := exec.LookPath("redis-benchmark"); err != nil && g.name == "resp" {
				t.Skip("SKIPPED: needs redis-server and redis-benchmark to compare with")
			}
			var out bytes.Buffer
			b := &bench{ctx: context.Background(), table: newTable(&out), config: config{Keys: 1000, Runs: 1, Limit: time.Minute}}
			require.NoError(t, g.run(b))
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			require.Len(t, lines, rows[g.name])
			for _, l := range lines {
				require.NotContains(t, l, "NaN")
				require.NotContains(t, l, "Inf")
				require.Equal(t, 7, strings.Count(l, "|"), l)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	all, err := choose("")
	require.NoError(t, err)
	require.Len(t, all, len(groups))

	some, err := choose("join,local")
	require.NoError(t, err)
	require.Len(t, some, 2)
	require.Equal(t, "local", some[0].name, "groups run in their own order")

	_, err = choose("local,jion")
	require.ErrorContains(t, err, `no group "jion"`)
}

func TestChildEndsWithItsParent(t *testing.T) {
	b := &bench{ctx: context.Background(), config: config{Limit: time.Minute}}
	c, err := b.start(roleNode, "end")
	require.NoError(t, err)
	require.NoError(t, c.call("Open", None{}, &Identity{}))
	c.stop()
	require.True(t, c.cmd.ProcessState.Success(), c.cmd.ProcessState)
	require.Error(t, c.call("Root", None{}, new(string)))
}

func TestKeysAreTheSameInEveryProcess(t *testing.T) {
	a, z := makeKeys(7, 100), makeKeys(7, 100)
	require.Equal(t, a, z)
	require.NotEqual(t, a, makeKeys(8, 100))
	require.ElementsMatch(t, a, shuffled(a, 1))
	require.NotEqual(t, a, shuffled(a, 1))
}
