// Package admin is the client side of a node's admin API and the types that cross it.
//
// The API is HTTP with JSON bodies over a unix socket or loopback TCP. Registry and key travel as query parameters, since
// a key may hold any byte (slashes, dots, zeros) and a path may not. Answers that have no end in sight (keys, entries, watch,
// a held lock) are JSON lines: the writer blocks while the reader does not read, so neither side buffers more than a few lines.
// A line {"error": …} ends such a stream early; a stream that breaks without one was cut off, and the client reports that. A snapshot is bytes in a form of its own, which shows by itself whether it is complete.
//
// Package server has the other side. A [Client] is safe for concurrent use.
package admin
