package replica_test

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// The messages in docs/wire.md are those of this version, to the last byte.
func TestTheMessagesInThePages(t *testing.T) {
	page, err := os.ReadFile("../docs/wire.md")
	require.NoError(t, err)
	shown := ""
	for i, block := range strings.Split(string(page), "```") {
		for line := range strings.Lines(block) {
			if i%2 == 1 { // within a block: bytes, and behind two blanks what they are
				code, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
				shown += strings.ReplaceAll(code, " ", "")
			}
		}
	}
	put := lwwmap.Entry{Kind: lwwmap.Data, Key: "k", Value: []byte("v"), Dot: crdt.Dot{Actor: 7, Seq: 1}, Stamp: hlc.Make(1_800_000_000_000, 0)}
	delta, err := replica.EncodeDelta(nil, &replica.Delta{Actor: 7, Seqs: crdt.Ranges{{Lo: 1, Hi: 1}}, Entries: []lwwmap.Entry{put}})
	require.NoError(t, err)
	require.Contains(t, shown, hex.EncodeToString(delta), "delta")
	for _, f := range []replica.Frame{
		&replica.Hello{Version: replica.Version, Registry: "r", Clock: hlc.Make(1_800_000_000_000, 0), Wall: hlc.Make(1_800_000_000_000, 0), Keys: 1},
		&replica.Contexts{Spans: []crdt.Span{{Actor: 7, Ranges: crdt.Ranges{{Lo: 1, Hi: 1}}}}, Last: true},
		&replica.Entries{Last: true, Entries: []lwwmap.Entry{put}},
		&replica.Finish{State: replica.Equal},
	} {
		data, err := replica.EncodeFrame(nil, f)
		require.NoError(t, err)
		require.Contains(t, shown, hex.EncodeToString(data), "%T", f)
		back, err := replica.DecodeFrame(data)
		require.NoError(t, err)
		require.IsType(t, f, back)
	}
}
