// Package hostile has peers that attack a mesh, each a host of its own that speaks raw messages below the library:
// outsiders, who have no ticket or not the right one, insiders, who may write and lie, and sybils, who are many. It
// uses the packages of the protocol only to craft bytes.
//
// [Serve] runs them in a process of their own, so that the memory of the honest nodes can be told from theirs. The
// test of this package holds the honest side, and says what each attack may come to.
package hostile
