package property_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each exported type of the library has an example that is run: of itself, of a method, or of a function that makes it.
func TestEveryTypeHasAnExample(t *testing.T) {
	fset := token.NewFileSet()
	pkgs, err := parser.ParseDir(fset, "..", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_mutant.go") }, parser.ParseComments)
	require.NoError(t, err)
	var files []*ast.File
	for _, name := range []string{"minikv", "minikv_test"} {
		require.Contains(t, pkgs, name)
		for _, f := range pkgs[name].Files {
			files = append(files, f)
		}
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
