package property_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each exported type of the library has an example that is run: of itself, of a method, or of a function that makes it.
func TestEveryTypeHasAnExample(t *testing.T) {
	fset := token.NewFileSet()
	names, err := filepath.Glob("../*.go")
	require.NoError(t, err)
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_mutant.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, f)
	}
	d, err := doc.NewFromFiles(fset, files, "github.com/minikv/minikv")
	require.NoError(t, err)
	require.Greater(t, len(d.Types), 30)
	for _, typ := range d.Types {
		examples := typ.Examples
		for _, f := range append(typ.Funcs, typ.Methods...) {
			examples = append(examples, f.Examples...)
		}
		run := 0
		for _, e := range examples {
			if e.Output != "" || e.EmptyOutput {
				run++
			}
		}
		assert.NotZero(t, run, "%s has no example that is run", typ.Name)
	}
}
