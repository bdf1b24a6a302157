// Package datastore views a minikv registry as a go-datastore, so that programs written for
// github.com/ipfs/go-datastore run on a replicated map.
//
//	node, err := minikv.Open(ctx, "data", minikv.Config{Listen: []string{"/ip4/0.0.0.0/tcp/4001"}})
//	reg, err := node.Registry(ctx, "app", minikv.Public())
//	var ds datastore.Batching = minikvds.New(reg)
//
// [Datastore] is a Batching, TTLDatastore, PersistentDatastore and GCDatastore of that module. It is no
// TxnDatastore: what a transaction would have read may have changed on another node by the time it is
// written, and nobody would be told. Use a lease of the registry for what only one node may do at a time.
//
// # Keys
//
// The key /a/b of the datastore is the key "/a/b" of the registry, the slash at the beginning included.
// Two limits follow from that:
//
//   - A key has at most 1,024 bytes (minikv.MaxKeyLen, less where minikv.Config.MaxKeyLen says so); a longer
//     one is refused with minikv.ErrKeyInvalid. A CID or a path of names is far below it. Who needs longer
//     keys hashes them.
//   - What was put into the registry by other means under a key that no datastore.Key can have, one that
//     does not begin with a slash or ends in one, is not shown by Query.
//
// Values have up to 1 MiB, up to 16 MiB by minikv.Config.MaxValueLen; larger ones are minikv.ErrTooLarge, at
// Put or when the batch is committed.
//
// # Errors
//
// A key that is not there is datastore.ErrNotFound. All other errors are those of the registry, for
// errors.Is with the variables of package minikv: a Put can meet minikv.ErrLocked while someone holds a
// lease on the key.
package datastore
