package examples_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

const patience = 30 * time.Second // for what takes a second on a quiet machine

var programs string // the directory of the built examples

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "minikv-examples")
	if err == nil {
		defer os.RemoveAll(dir)
		programs = dir
		var out []byte
		if out, err = exec.Command("go", "build", "-ldflags=-s -w", "-o", dir, "./...", "../cmd/minikv").CombinedOutput(); err != nil {
			err = fmt.Errorf("building the examples: %w\n%s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// TestScripts runs testdata, one file for each example. Beside the commands of testscript there are:
//
//	start NAME PROGRAM [ARG...]   run an example; what it prints is in the file NAME
//	hear NAME REGEXP [VAR]        wait until it has printed that; VAR becomes what the first group matched
//	signal NAME INT|KILL|STOP|CONT
//	fetch URL                     GET, with the answer in the file fetched
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(2 * time.Minute),
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", programs+string(os.PathListSeparator)+e.Getenv("PATH"))
			examples, err := filepath.Abs(".")
			if err != nil {
				return err
			}
			e.Setenv("EXAMPLES", examples)
			e.Setenv("HOME", e.WorkDir)
			e.Values[runningKey{}] = map[string]*exec.Cmd{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "hear": hear, "signal": send, "fetch": fetch,
		},
	})
}

type runningKey struct{}

func running(ts *testscript.TestScript) map[string]*exec.Cmd {
	return ts.Value(runningKey{}).(map[string]*exec.Cmd)
}

func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME PROGRAM [ARG...]")
	}
	out, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	program, err := lookPath(args[1])
	ts.Check(err)
	cmd := exec.Command(program, args[2:]...)
	cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "MINIKV_RESP=" + ts.Getenv("MINIKV_RESP")}
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), out, out
	ts.Check(cmd.Start())
	ts.Check(out.Close()) // it has its own
	running(ts)[args[0]] = cmd
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// lookPath finds an example, or a program of the machine.
func lookPath(name string) (string, error) {
	if p := filepath.Join(programs, name); fileExists(p) {
		return p, nil
	}
	return exec.LookPath(name)
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func hear(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: hear NAME REGEXP [VAR]")
	}
	want := regexp.MustCompile("(?m)" + args[1])
	err := eventually(func() bool {
		m := want.FindStringSubmatch(ts.ReadFile(args[0]))
		if m != nil && len(args) == 3 {
			ts.Setenv(args[2], m[1])
		}
		return m != nil
	})
	if err != nil {
		ts.Fatalf("%s never said %q, but:\n%s", args[0], args[1], ts.ReadFile(args[0]))
	}
}

func eventually(ok func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("not in time")
		}
	}
	return nil
}

func send(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || running(ts)[args[0]] == nil || signals[args[1]] == 0 {
		ts.Fatalf("usage: signal NAME INT|KILL|STOP|CONT")
	}
	cmd := running(ts)[args[0]]
	ts.Check(cmd.Process.Signal(signals[args[1]]))
	if args[1] == "INT" {
		if err := cmd.Wait(); err != nil {
			ts.Fatalf("%s ended with %v:\n%s", args[0], err, ts.ReadFile(args[0]))
		}
	}
}

func fetch(ts *testscript.TestScript, neg bool, args []string) {
	resp, err := http.Get(args[0])
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if (resp.StatusCode != http.StatusOK) != neg {
		ts.Fatalf("%s: %s", resp.Status, body)
	}
	ts.Check(os.WriteFile(ts.MkAbs("fetched"), body, 0o600))
}

// An example is short, says at its top what it is and how to run it, and has a script.
func TestExamplesAreExamples(t *testing.T) {
	mains, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	require.Len(t, mains, 6)
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for _, path := range append(mains, "resp/client.py") {
		name, comment, run := filepath.Dir(path), "//", "go run ./examples/"+filepath.Dir(path)
		if strings.HasSuffix(path, ".py") {
			comment, run = "#", "python3 examples/"+path
		}
		f, err := os.Open(path)
		require.NoError(t, err)
		var header []string
		lines, inHeader := 0, true
		for s := bufio.NewScanner(f); s.Scan(); lines++ {
			if inHeader = inHeader && strings.HasPrefix(s.Text(), comment); inHeader {
				header = append(header, s.Text())
			}
		}
		require.NoError(t, f.Close())
		require.LessOrEqual(t, lines, 150, path)
		require.Contains(t, strings.Join(header, "\n"), "It shows:", path)
		require.Contains(t, strings.Join(header, "\n"), run, path)
		require.FileExists(t, filepath.Join("testdata", name+".txtar"))
		require.Contains(t, string(doc), "//   - "+name+": ")
	}
}
