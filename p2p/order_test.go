package p2p_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOneAuthorsMessagesComeInOrder(t *testing.T) {
	const n = 5000
	a, b := newHost(t), newHost(t)
	in := newInbox()
	ta, tb := join(t, a, "reg", newInbox().handle), join(t, b, "reg", in.handle)
	connect(t, a, b)
	meet(t, 1, ta, tb)
	for i := range n {
		// Lengths differ, and so does the time that verifying takes.
		msg := make([]byte, 8+i%7*300)
		binary.BigEndian.PutUint64(msg, uint64(i))
		require.NoError(t, ta.Publish(t.Context(), msg))
	}
	swaps := 0
	for i, m := range in.wait(t, n) {
		if int(binary.BigEndian.Uint64(m.Data)) != i {
			swaps++
		}
	}
	require.Zero(t, swaps)
}
