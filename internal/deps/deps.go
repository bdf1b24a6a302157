package deps

import (
	_ "github.com/fxamacker/cbor/v2"
	_ "github.com/libp2p/go-libp2p"
	_ "github.com/libp2p/go-libp2p-pubsub"
	_ "github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/spf13/cobra"
	_ "github.com/stretchr/testify/require"
	_ "github.com/tidwall/btree"
	_ "go.uber.org/goleak"
	_ "pgregory.net/rapid"
	_ "golang.org/x/sync/errgroup"
)
