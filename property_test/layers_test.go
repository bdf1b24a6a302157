package property_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// listed is what go list tells of a package.
type listed struct {
	ImportPath string
	Doc        string
	Imports    []string
}

const module = "github.com/minikv/minikv"

// mayKnow is the picture in docs/architecture.md: which packages of this
// module a package may import. What is not named may import anything of it.
var mayKnow = map[string][]string{
	"/hlc":     {},
	"/crdt":    {},
	"/lwwmap":  {"/hlc", "/crdt"},
	"/replica": {"/hlc", "/crdt", "/lwwmap"},
	"/p2p":     {},
	"/store":   {"/hlc", "/crdt", "/lwwmap"},
	"/seal":    {},
	"/ticket":  {},
	"":         {"/hlc", "/crdt", "/lwwmap", "/replica", "/p2p", "/store", "/seal", "/ticket"},
}

// pure packages are step functions: time, randomness and messages come in as
// arguments.
var pure = []string{"/hlc", "/crdt", "/lwwmap", "/replica", "/seal", "/ticket"}

var impure = []string{"context", "net", "os", "io/fs", "syscall", "crypto/rand", "log", "log/slog"}

func packages(t *testing.T) (all []listed) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Doc,Imports", module+"/...")
	out, err := cmd.Output()
	require.NoError(t, err)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		all = append(all, p)
	}
	require.Greater(t, len(all), 8)
	return all
}

func TestImportsRunDown(t *testing.T) {
	seen := 0
	for _, p := range packages(t) {
		allowed, bound := mayKnow[strings.TrimPrefix(p.ImportPath, module)]
		if !bound {
			continue
		}
		seen++
		for _, path := range p.Imports {
			if rest, ours := strings.CutPrefix(path, module); ours {
				require.Contains(t, allowed, rest, "%s imports %s", p.ImportPath, path)
			}
		}
	}
	require.Len(t, mayKnow, seen)
}

func TestTheCoreIsPure(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains(pure, strings.TrimPrefix(p.ImportPath, module)) {
			continue
		}
		for _, path := range p.Imports {
			require.NotContains(t, impure, path, "%s imports %s", p.ImportPath, path)
		}
	}
}

func TestEveryPackageHasADoc(t *testing.T) {
	for _, p := range packages(t) {
		if !strings.HasSuffix(p.ImportPath, "_test") {
			require.NotEmpty(t, p.Doc, p.ImportPath)
		}
	}
}
