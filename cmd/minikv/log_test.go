package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var logMethods = map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1} // how many arguments come before the keys

// TestLogKeysAreOfOneKind reads the calls of loggers in the whole repository: a key is one word in lower case, and what
// an error, a peer, a registry is called is the same everywhere.
func TestLogKeysAreOfOneKind(t *testing.T) {
	word := regexp.MustCompile(`^[a-z][a-z_]*$`)
	calls, keys := 0, map[string]bool{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata" || d.Name() == "bench") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, src, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || logMethods[sel.Sel.Name] == 0 {
				return true
			}
			on := strings.ToLower(string(src[sel.X.Pos()-1 : sel.X.End()-1]))
			if !strings.HasSuffix(on, "log") && !strings.HasSuffix(on, "logger") {
				return true
			}
			calls++
			for i := logMethods[sel.Sel.Name]; i < len(call.Args); i += 2 {
				lit, ok := call.Args[i].(*ast.BasicLit)
				if !ok {
					break // handed on
				}
				key, err := strconv.Unquote(lit.Value)
				require.NoError(t, err)
				require.Regexp(t, word, key, set.Position(lit.Pos()).String())
				require.NotContains(t, []string{"error", "reg", "id", "peer_id", "node_id", "name"}, key, set.Position(lit.Pos()).String())
				keys[key] = true
			}
			return true
		})
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, calls, 25)
	doc, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	require.NoError(t, err)
	for _, key := range []string{"node", "registry", "peer", "key", "err"} {
		require.True(t, keys[key] || key == "node", "%s is logged nowhere", key)
		require.Contains(t, string(doc), "`"+key+"`")
	}
}
