package resp_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/server/resp"
)

// section returns what the document says under a heading.
func section(t *testing.T, heading string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/resp.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(b), "\n## "+heading+"\n")
	require.True(t, ok, heading)
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

var quoted = regexp.MustCompile("`([A-Z_]+)`")

// firstColumn returns what is in quotes in the first column of a table.
func firstColumn(text string) (names []string) {
	for _, row := range strings.Split(text, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) < 3 {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			names = append(names, strings.ToLower(m[1]))
		}
	}
	slices.Sort(names)
	return names
}

// TestDocumentedCommands: the table in the document is that of the program.
func TestDocumentedCommands(t *testing.T) {
	require.Equal(t, resp.SpecNames(), firstColumn(section(t, "Commands")))
}

// TestDocumentedRefusals: what the document says is not offered is not; of the types and of replication it does not
// name the commands.
func TestDocumentedRefusals(t *testing.T) {
	refused := resp.Refused()
	named := firstColumn(section(t, "Not offered, and what to use"))
	for _, name := range named {
		if name == "set" || name == "nx" || name == "xx" {
			continue
		}
		require.NotEmpty(t, refused[name], name)
	}
	for name, why := range refused {
		if strings.HasPrefix(why, "values are strings here, merged") || strings.HasPrefix(why, "every node is a master") || strings.HasPrefix(name, "pf") || name == "lolwut" {
			continue
		}
		require.Contains(t, named, name)
	}
}

// TestDocumentedWrites: UNDER takes what the document says.
func TestDocumentedWrites(t *testing.T) {
	s := serve(t, resp.Config{})
	c := s.dial()
	token := strings.TrimPrefix(c.do("LOCK k 60000"), "$")
	text := section(t, "Locks")
	for _, name := range resp.SpecNames() {
		takes := !strings.Contains(c.do("UNDER %s %s", token, name+" k"), "UNDER token takes a write of keys")
		upper := strings.ToUpper(name)
		named := strings.Contains(text, "`"+upper+"`") && upper != "UNDER" || strings.Contains(upper, "EXPIREAT") || upper == "PEXPIRE"
		require.Equal(t, named, takes, name)
	}
}
