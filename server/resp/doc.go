// Package resp serves registries of a node to Redis clients: RESP2 and RESP3 over TCP or a unix socket, so that
// redis-cli, redis-benchmark and the client libraries of any language work.
//
// A database (SELECT) is a registry. Commands on strings, expiry and keys do what Redis says they do, with its
// words, on this node; from there writes travel to the other nodes as the library's own do. What a map with
// many masters cannot honestly offer, such as SET NX, INCR or MULTI, is answered with an error that says why and
// what to use instead. Locks are LOCK, RENEW and UNLOCK, and UNDER runs a write under one. Keyspace
// notifications tell of changes by anyone, other nodes included. docs/resp.md has it all.
//
// On a node with a directory one goroutine serves a connection: it runs all commands that have arrived, waits for the
// disk once, and answers with one write. On a node in memory, on Linux, a loop does so for many connections, until one
// of them asks for something that may take long and gets a goroutine of its own. Nothing a client announces is
// believed: memory follows the bytes that came.
package resp
