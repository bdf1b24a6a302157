// Package seal is the cryptography of private registries: keys, certificates, sealed deltas, and the handshake of a
// session. It has neither clock nor source of randomness: times and random bytes come in as arguments.
//
// The primitives are those of the standard library and golang.org/x/crypto: HKDF and HMAC with SHA-256, ed25519,
// ChaCha20-Poly1305 and XChaCha20-Poly1305.
//
//	secret of the readers ─HKDF─┬─ topic      the name under which members find each other in gossip
//	 (salt and info bind the    ├─ id         what grants are signed for
//	  owners' key and the name) ├─ deltas     XChaCha20-Poly1305: seals gossip
//	                            └─ sessions   HMAC: makes the keys of each session
//
//	owners' key ─signs─► grant: holder's key, rights, expiry ─► ticket
//	                       holder's key ─signs─► peer id of a node = certificate
//
// So whoever knows the secret reads, and whoever shows a certificate for the peer id that it was authenticated under has
// the rights that the owners granted, until they end. docs/security.md says what follows from it.
package seal
