package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestServiceFilesCallWhatThereIs: the systemd unit and the container image start the program with flags that it takes.
func TestServiceFilesCallWhatThereIs(t *testing.T) {
	unit, err := os.ReadFile("../../contrib/systemd/minikv.service")
	require.NoError(t, err)
	m := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/minikv (.*)$`).FindSubmatch(unit)
	require.NotNil(t, m)
	calls := [][]string{strings.Fields(strings.TrimSuffix(string(m[1]), " $MINIKV_FLAGS"))}

	image, err := os.ReadFile("../../Containerfile")
	require.NoError(t, err)
	for _, line := range regexp.MustCompile(`(?m)^(?:CMD|HEALTHCHECK .* CMD) (\[.*\])$`).FindAllSubmatch(image, -1) {
		var words []string
		require.NoError(t, json.Unmarshal(line[1], &words))
		if words[0] == "/minikv" {
			words = words[1:]
		}
		calls = append(calls, words)
	}
	require.Len(t, calls, 3, "the unit's, the image's, and that of its health check")
	for _, call := range calls {
		root := newRoot(newApp())
		c, rest, err := root.Find(call)
		require.NoError(t, err)
		require.NotEqual(t, root, c, call)
		require.NoError(t, c.ParseFlags(rest), call)
		require.NoError(t, c.ValidateArgs(c.Flags().Args()), call)
	}
}
