package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// cli runs a command line in this process, in an environment where no node runs.
func cli(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	env := map[string]string{"HOME": dir, "XDG_RUNTIME_DIR": dir, "MINIKV_ADDR": "unix:" + filepath.Join(dir, "no.sock")}
	var out, errs bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: bufio.NewWriter(&out), stderr: &errs, getenv: func(k string) string { return env[k] }}
	code = run(a, args)
	return code, out.String(), errs.String()
}

// commands calls f with each command that a person can give.
func commands(t *testing.T, f func(t *testing.T, c *cobra.Command)) {
	root := newRoot(newApp())
	n := 0
	require.NoError(t, eachCommand(root, func(c *cobra.Command) error {
		if c != root && c.Name() != "help" && !(c.Hidden && strings.HasPrefix(c.Name(), "__")) {
			n++
			t.Run(strings.ReplaceAll(c.CommandPath(), " ", "-"), func(t *testing.T) { f(t, c) })
		}
		return nil
	}))
	require.Greater(t, n, 30)
}

// path is the words that name a command.
func path(c *cobra.Command) []string { return strings.Fields(c.CommandPath())[1:] }

// Each help shows an example, and the examples are command lines that the program understands.
func TestEachCommandHasAnExample(t *testing.T) {
	calls := regexp.MustCompile(`\bminikv [^|&<>;)#\n]+`)
	commands(t, func(t *testing.T, c *cobra.Command) {
		require.NotEmpty(t, c.Short)
		require.False(t, strings.HasSuffix(c.Short, "."), "a short text is no sentence")
		require.NotEmpty(t, c.Example, "no example")
		for line := range strings.Lines(c.Example) {
			require.True(t, strings.HasPrefix(line, "  "), "indent %q", line)
		}
		shown := calls.FindAllString(c.Example, -1)
		require.NotEmpty(t, shown)
		require.True(t, strings.HasPrefix(shown[0], c.CommandPath()) || c.HasSubCommands(), "the first example is of another command: %s", shown[0])
		for _, call := range shown {
			words := strings.Fields(call)[1:]
			root := newRoot(newApp())
			found, rest, err := root.Find(words)
			require.NoError(t, err, call)
			require.NotEqual(t, root, found, call)
			require.NoError(t, found.ParseFlags(rest), call)
			require.NoError(t, found.ValidateArgs(found.Flags().Args()), call)
		}
	})
}

// argument is something that a command would take in the place of a name in its usage.
func argument(t *testing.T, name string) string {
	switch name {
	case "DURATION":
		return "5s"
	case "MULTIADDR":
		return "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWCheiFXk5Kxs6WBLmGZGJNsxuR2sB71RjzuXeRoexYCmt"
	case "FILE":
		file := filepath.Join(t.TempDir(), "records.jsonl")
		require.NoError(t, os.WriteFile(file, []byte(`{"key": "k", "value": "v"}`+"\n"), 0o600))
		return file
	}
	return strings.ToLower(name)
}

// arguments are those that a command cannot do without.
func arguments(t *testing.T, c *cobra.Command) (out []string) {
	for _, name := range strings.Fields(strings.TrimPrefix(c.Use, c.Name())) {
		if strings.HasPrefix(name, "[") {
			break
		}
		out = append(out, argument(t, name))
	}
	return out
}

// Wrong usage is told in one line, with exit code 2, before anything else is done.
func TestWrongUse(t *testing.T) {
	commands(t, func(t *testing.T, c *cobra.Command) {
		wrong := map[string][]string{
			"an unknown flag":   append(arguments(t, c), "--no-such-flag"),
			"a flag's value":    append(arguments(t, c), "--timeout", "soon"),
			"a negative time":   append(arguments(t, c), "--timeout", "-1s"),
			"an unknown output": append(arguments(t, c), "-o", "yaml"),
		}
		if c.Name() != "check" && c.Name() != "sync" { // which take one that is optional
			wrong["too many arguments"] = append(arguments(t, c), "1", "2", "3")
		} else {
			wrong["too many arguments"] = []string{"1", "2"}
		}
		if len(arguments(t, c)) > 0 {
			wrong["no arguments"] = nil
		}
		for name, args := range wrong {
			code, _, stderr := cli(t, append(path(c), args...)...)
			require.Equal(t, exitUsage, code, "%s: %s", name, stderr)
			require.Equal(t, 1, strings.Count(stderr, "\n"), "%s: %s", name, stderr)
			require.True(t, strings.HasPrefix(stderr, "minikv: "), stderr)
		}
	})
}

// extraFlags are what a command needs to come as far as asking the node.
var extraFlags = map[string][]string{
	"minikv unlock":  {"--token", strings.Repeat("0", 47) + "1"},
	"minikv reg add": {"--public"},
	"minikv ticket":  {"--read"},
	"minikv join":    {"a-ticket"},
}

// withoutNode are the commands that need no node.
var withoutNode = []string{
	"minikv serve", "minikv demo", "minikv check", "minikv version", "minikv man", "minikv snapshot check", "minikv snapshot restore", "minikv completion",
	"minikv completion bash", "minikv completion zsh", "minikv completion fish", "minikv completion powershell", "minikv reg", "minikv snapshot",
}

// A node that is not there is told in one line, with exit code 1 and what to do.
func TestUnreachableNode(t *testing.T) {
	commands(t, func(t *testing.T, c *cobra.Command) {
		if contains(withoutNode, c.CommandPath()) {
			return
		}
		args := append(append(path(c), arguments(t, c)...), extraFlags[c.CommandPath()]...)
		code, stdout, stderr := cli(t, args...)
		require.Equal(t, exitError, code, stderr)
		require.Empty(t, stdout)
		require.Regexp(t, `^minikv: .*no node answers at unix:.*: start one with 'minikv serve', or name another with --addr or MINIKV_ADDR.*\n$`, stderr)
	})
}

func TestColours(t *testing.T) {
	env := map[string]string{}
	a := &app{tty: true, errTTY: true, getenv: func(k string) string { return env[k] }}
	require.Equal(t, "\x1b[1mx\x1b[0m", a.paint(bold, "x"))
	require.Equal(t, "x", a.paint(plain, "x"))
	require.Equal(t, "\x1b[31mx\x1b[0m", a.paintError(red, "x"))
	env["NO_COLOR"] = "1"
	require.Equal(t, "x", a.paint(bold, "x"))
	require.Equal(t, "x", a.paintError(red, "x"))
	env["NO_COLOR"], env["TERM"] = "", "dumb"
	require.Equal(t, "x", a.paint(bold, "x"))
	env["TERM"] = "xterm"
	a.tty = false
	require.Equal(t, "x", a.paint(bold, "x"), "no terminal")
	require.NotEqual(t, "x", a.paintError(red, "x"), "standard error is one by itself")
}

func TestManualPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	code, stdout, stderr := cli(t, "man", dir)
	require.Zero(t, code, stderr)
	require.Regexp(t, `^[0-9]+ pages in `, stdout)
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	require.NoError(t, err)
	require.Contains(t, pages, filepath.Join(dir, "minikv.1"))
	require.Contains(t, pages, filepath.Join(dir, "minikv-reg-add.1"))
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Log("groff is not installed: the pages are not formatted here")
	}
	for _, p := range pages {
		text, err := os.ReadFile(p)
		require.NoError(t, err)
		require.NotRegexp(t, `[^\x00-\x7f]`, string(text), p)
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO"} {
			require.Contains(t, string(text), "\n.SH "+section+"\n", p)
		}
		if groff != "" {
			out, err := exec.Command(groff, "-man", "-ww", "-Tutf8", "-z", p).CombinedOutput()
			require.NoError(t, err)
			require.Empty(t, string(out), "the formatter warns")
		}
	}
}

// Each command is used by a script, in testdata/script.
func TestEachCommandHasAScript(t *testing.T) {
	var all strings.Builder
	files, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	require.NoError(t, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		all.Write(text)
	}
	commands(t, func(t *testing.T, c *cobra.Command) {
		use := regexp.MustCompile(`\b(minikv|node)( --addr \S+)? ` + regexp.QuoteMeta(strings.Join(path(c), " ")) + `\b`)
		if c.CommandPath() == "minikv serve" {
			use = regexp.MustCompile(`(?m)^node a`) // what runs it
		}
		require.Regexp(t, use, all.String(), "no script runs it")
	})
}

// The commands in docs/guide.md are such as the program understands, and guide.txtar runs them.
func TestTheGuidesCommands(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "guide.md"))
	require.NoError(t, err)
	script, err := os.ReadFile(filepath.Join("testdata", "script", "guide.txtar"))
	require.NoError(t, err)
	n := 0
	for i, block := range strings.Split(string(page), "```") {
		for line := range strings.Lines(block) {
			if line = strings.TrimSpace(line); i%2 == 0 || !strings.HasPrefix(line, "minikv ") {
				continue
			}
			n++
			words := strings.Fields(line)[1:]
			c, rest, err := newRoot(newApp()).Find(words)
			require.NoError(t, err, line)
			require.NoError(t, c.ParseFlags(rest), line)
			require.NoError(t, c.ValidateArgs(c.Flags().Args()), line)
			if words[0] != "serve" && words[0] != "join" { // which the script has by other names
				require.Contains(t, strings.ReplaceAll(string(script), "'", `"`), line)
			}
		}
	}
	require.Greater(t, n, 12)
}
