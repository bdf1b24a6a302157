package minikv_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryTypeHasAnExample: the documentation of each exported type shows how it is used, in a program that runs.
func TestEveryTypeHasAnExample(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var types []string
	examples := map[string]bool{}
	example := regexp.MustCompile(`(?m)^func Example([A-Z]\w*)[_(]`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.HasSuffix(file, "_test.go") {
			for _, m := range example.FindAllStringSubmatch(string(text), -1) {
				name, _, _ := strings.Cut(m[1], "_")
				examples[name] = true
			}
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
				types = append(types, spec.Name.Name)
			}
			_, isFunc := n.(*ast.FuncDecl)
			return !isFunc
		})
	}
	require.Greater(t, len(types), 50)
	for _, name := range types {
		require.True(t, examples[name], "func Example%s, or Example%s_Method, is missing", name, name)
	}
}
