// Package ticket reads and writes tickets: one line of text that brings a node into a private registry. It knows the
// form of a ticket, not what its keys do; that is package seal.
//
// The text is "minikv1" and then base32 of the following bytes, in lower case and with the letters that are easily
// taken for digits left out (Crockford's alphabet). Capitals, line breaks, blanks, invisible characters and
// quotes around it do not matter, so it survives chat programs and mail.
//
//	offset  bytes  what
//	0       1      version, 1
//	1       1      rights: 1 read, 2 write, 3 owner
//	2       32     secret of the readers
//	34      32     public key of the owners; in an owner's ticket the seed of the private one
//	66      8      when it expires, in seconds since 1970, big-endian; 0: never
//	74      32     seed of the holder's key
//	106     64     signature of the owners under the holder's key, its rights and its expiry
//	170     1, n   length of the name, and the name: 1 to 255 bytes of UTF-8
//	        1      number of peers, at most 8; for each of them:
//	        1, n     length of its id, and the id as a multihash
//	        1        number of its addresses, at most 8; for each of them:
//	        1, n       its length, and a binary multiaddr without /p2p
//	        4      checksum: the first bytes of the SHA-256 of "minikv/ticket/1" and a line feed, and all before
//
// Exactly one sequence of bytes stands for a ticket. Who holds a ticket has what it grants: treat it as a password.
package ticket
