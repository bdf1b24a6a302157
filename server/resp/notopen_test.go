package resp_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/resp"
)

// onRegistry are all commands that need the registry, in a form that is right.
var onRegistry = []string{
	"GET k", "GETEX k", "GETDEL k", "GETSET k v", "MGET k", "SET k v", "SETEX k 10 v", "PSETEX k 10 v", "MSET k v", "STRLEN k",
	"DEL k", "DEL k l", "UNLINK k", "EXISTS k", "TOUCH k", "TYPE k", "KEYS *", "KEYS k", "SCAN 0", "RANDOMKEY", "DBSIZE", "FLUSHDB", "FLUSHALL",
	"EXPIRE k 10", "PEXPIRE k 10", "EXPIREAT k 10", "PEXPIREAT k 10", "TTL k", "PTTL k", "EXPIRETIME k", "PEXPIRETIME k", "PERSIST k",
	"LOCK k 1000", "RENEW k " + aToken + " 1000", "UNLOCK k " + aToken, "UNDER " + aToken + " SET k v",
}

const aToken = "000000000000000000000000000000000000000000000001"

// TestRegistryNotOpen: every command says so, and works once the registry is there.
func TestRegistryNotOpen(t *testing.T) {
	s := serve(t, resp.Config{})
	c := s.dial()
	drop := func() { require.NoError(t, s.node.DropRegistry(context.Background(), "default")) }
	open := func() {
		_, err := s.node.Registry(context.Background(), "default", minikv.Public())
		require.NoError(t, err)
	}
	const want = `-ERR database 0 is the registry "default", which is not open on this node`
	for _, command := range onRegistry {
		require.NotContains(t, c.do("%s", command), want, command)
		drop()
		if command != "FLUSHALL" { // that one asks for each registry anew
			require.Equal(t, want, c.do("%s", command), "the one that finds out: %s", command)
		}
		require.Equal(t, want, c.do("%s", command))
		open()
	}
	drop()
	c.raw(string(encode("SET", "a", "1")) + string(encode("SET", "b", "2")))
	require.Equal(t, want, c.answer())
	require.Equal(t, want, c.answer())
}

// TestNoDatabaseZero: whoever serves no registry as database 0 has clients SELECT.
func TestNoDatabaseZero(t *testing.T) {
	s := serve(t, resp.Config{Databases: map[int]string{1: "one"}})
	c := s.dial()
	for _, command := range onRegistry {
		if command != "FLUSHALL" {
			require.Equal(t, "-ERR database 0 is no registry; SELECT another one", c.do("%s", command))
		}
	}
	c.walk([]step{{"SELECT 1", "+OK"}, {"SET k v", "+OK"}, {"FLUSHALL", "+OK"}, {"DBSIZE", ":0"}})
}
