package main

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"minikv": main})
}

// TestScripts runs testdata/script, one file for each command. See there for how a script looks; beside the commands of
// testscript it has these:
//
//	node NAME [FLAG...]     start a node on loopback; sets NAME (admin address), NAME_ID, NAME_ADDR; the first is MINIKV_ADDR
//	stopnode NAME [SIGNAL]  end it with TERM, INT, HUP or KILL; ! demands that it ends badly
//	signal NAME SIGNAL      STOP or CONT a node
//	until [REGEXP] -- CMD   repeat CMD until it succeeds and its output matches
//	removed NODE REG KEY VALUE...  leave NODE with entries that a node in this process has removed by its word
//	code N CMD              run CMD and demand exit code N and one line of error for other codes than 0
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(3 * time.Minute), // ends what hangs, before the test program is
		Setup: func(e *testscript.Env) error {
			e.Values[nodesKey{}] = map[string]*proc{}
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"node": scriptNode, "stopnode": scriptStop, "signal": scriptSignal, "until": scriptUntil, "code": scriptCode,
			"redis": scriptRedis, "removed": scriptRemoved,
		},
	})
}

type nodesKey struct{}

func nodesOf(ts *testscript.TestScript) map[string]*proc {
	return ts.Value(nodesKey{}).(map[string]*proc)
}

func scriptNode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: node NAME [FLAG...]")
	}
	name := args[0]
	var env []string
	for _, k := range []string{"HOME", "PATH", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "GOCOVERDIR"} {
		if v := ts.Getenv(k); v != "" {
			env = append(env, k+"="+v)
		}
	}
	p, err := startProc(ts.MkAbs("."), name, env, args[1:]...)
	ts.Check(err)
	ts.Defer(func() { _ = p.stop(syscall.SIGKILL) })
	nodesOf(ts)[name] = p
	ts.Setenv(name, p.client.Addr().String())
	ts.Setenv(name+"_ID", p.status.Node)
	ts.Setenv(name+"_ADDR", p.status.Addrs[0])
	if ts.Getenv("MINIKV_ADDR") == "" {
		ts.Setenv("MINIKV_ADDR", p.client.Addr().String())
	}
}

func signalArg(ts *testscript.TestScript, args []string) (*proc, syscall.Signal) {
	if len(args) == 1 {
		args = append(args, "TERM")
	}
	if len(args) != 2 || nodesOf(ts)[args[0]] == nil || signals[args[1]] == 0 {
		ts.Fatalf("usage: stopnode|signal NAME [SIGNAL]")
	}
	return nodesOf(ts)[args[0]], signals[args[1]]
}

func scriptStop(ts *testscript.TestScript, neg bool, args []string) {
	p, sig := signalArg(ts, args)
	if err := p.stop(sig); (err != nil) != neg {
		ts.Fatalf("the node ended with %v", err)
	}
}

func scriptSignal(ts *testscript.TestScript, _ bool, args []string) {
	p, sig := signalArg(ts, args)
	ts.Check(p.cmd.Process.Signal(sig))
}

func scriptUntil(ts *testscript.TestScript, neg bool, args []string) {
	at := index(args, "--")
	if neg || at < 0 || at > 1 || at == len(args)-1 {
		ts.Fatalf("usage: until [REGEXP] -- CMD ARG...")
	}
	want := regexp.MustCompile("(?m)" + strings.Join(args[:at], ""))
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), procWait)
	defer cancel()
	for {
		err := ts.Exec(args[at+1], args[at+2:]...)
		out := ts.ReadFile("stdout")
		if err == nil && want.MatchString(out) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("not within %s: %v\nstdout: %s\nstderr: %s", procWait, err, out, ts.ReadFile("stderr"))
		}
	}
}

// scriptRedis sends a line to an address for Redis clients, and compares the answer.
func scriptRedis(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: redis ADDRESS COMMAND ANSWER")
	}
	network, addr := "tcp", args[0]
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
	}
	nc, err := net.DialTimeout(network, addr, procWait)
	ts.Check(err)
	defer nc.Close()
	ts.Check(nc.SetDeadline(time.Now().Add(procWait)))
	_, err = io.WriteString(nc, args[1]+"\r\nQUIT\r\n")
	ts.Check(err)
	got, err := io.ReadAll(nc)
	ts.Check(err)
	want := regexp.MustCompile("^" + args[2] + "\r\n\\+OK\r\n$")
	if !want.Match(got) {
		ts.Fatalf("%s answered %q, not %q", args[1], got, want)
	}
}

func scriptCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N CMD ARG...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		got = strconv.Itoa(exit.ExitCode())
	} else {
		ts.Check(err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s\nstdout: %s\nstderr: %s", got, args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
	if lines := strings.Count(ts.ReadFile("stderr"), "\n"); got != "0" && lines != 1 {
		ts.Fatalf("%d lines of error, want one: %s", lines, ts.ReadFile("stderr"))
	}
}
