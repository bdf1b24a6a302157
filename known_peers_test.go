package minikv_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// What is in the file of known peers is never a reason not to start.
func TestTheFileOfKnownPeersMayBeAnything(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "garbage": "\x00\x01\x02", "another format": "minikv peers 9\n/ip4/127.0.0.1/tcp/1\n", "no addresses": "minikv peers 1\nnonsense\n/ip4/\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "peers.txt"), []byte(content), 0o600))
			log := &safeBuffer{}
			n, err := minikv.Open(ctx, dir, minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Logger: slog.New(slog.NewTextHandler(log, nil))})
			require.NoError(t, err)
			require.NoError(t, n.Close())
			if name != "no addresses" {
				require.Contains(t, log.String(), "peers have to be found anew")
			}
		})
	}
}
