package minikv_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// Whatever is read as a position is written as the same text, and can be given to a watch.
func FuzzParsePosition(f *testing.F) {
	n, err := minikv.Open(ctx, "", minikv.Config{})
	require.NoError(f, err)
	f.Cleanup(func() { n.Close() })
	r, err := n.Registry(ctx, "r", minikv.Public())
	require.NoError(f, err)
	_, err = r.Put(ctx, "k", nil)
	require.NoError(f, err)
	for ev, err := range r.Watch(ctx, "") {
		require.NoError(f, err)
		if ev.Kind == minikv.EventSynced {
			f.Add(ev.Position().String())
			break
		}
	}
	f.Add("")
	f.Add("AQ")
	f.Add("AQAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := minikv.ParsePosition(text)
		if err != nil {
			require.ErrorIs(t, err, minikv.ErrInvalid)
			return
		}
		require.Equal(t, text, p.String())
		for _, err := range r.Watch(ctx, "", minikv.After(p)) {
			if err != nil {
				require.ErrorIs(t, err, minikv.ErrInvalid)
			}
			break
		}
	})
}
