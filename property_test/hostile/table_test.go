package hostile_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/property_test/hostile"
)

// The table of docs/security.md lists the attacks of the suite, and no others.
func TestTheTableOfAttacksIsTrue(t *testing.T) {
	doc, err := os.ReadFile("../../docs/security.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(doc), "| attack | who |")
	require.True(t, found)
	var listed []string
	for i, line := range strings.Split(table, "\n") {
		if i < 2 {
			continue // the rest of the head, and the rule below it
		}
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			break
		}
		listed = append(listed, strings.TrimSpace(cells[1]))
	}
	slices.Sort(listed)
	require.Equal(t, hostile.Attacks(), listed)
}
