package crdttest_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Checks of broken types fail by design and must not leave files for rapid to replay.
func TestMain(m *testing.M) {
	flag.Parse()
	setFlag("rapid.nofailfile", "true")
	os.Exit(m.Run())
}

// setFlag sets a flag of rapid and returns a function that sets it back.
func setFlag(name, value string) func() {
	old := flag.Lookup(name).Value.String()
	if err := flag.Set(name, value); err != nil {
		panic(err)
	}
	return func() { setFlag(name, old) }
}

func seed(value string) func() { return setFlag("rapid.seed", value) }

// recorder is a test that only takes notes, so that a failing check can be looked at.
type recorder struct {
	name   string
	log    []string // by Logf
	errors []string // by Errorf and Fatalf
	failed bool
	subs   []*recorder
}

func newRecorder(name string) *recorder { return &recorder{name: name} }

// Run gives each law a recorder and, as testing does, a goroutine that FailNow can end.
func (r *recorder) Run(name string, f func(rapid.TB)) bool {
	sub := newRecorder(name)
	r.subs = append(r.subs, sub)
	r.failed = !sub.do(func() { f(sub) }) || r.failed
	return sub.passed()
}

// do runs f to its end or to the first FailNow, and reports whether it passed.
func (r *recorder) do(f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
	return r.passed()
}

func (r *recorder) passed() bool      { return !r.failed }
func (r *recorder) laws() []*recorder { return r.subs }

// law returns what happened under a name.
func (r *recorder) law(name string) *recorder {
	for _, sub := range r.subs {
		if sub.name == name {
			return sub
		}
	}
	return newRecorder(name + " (did not run)")
}

// broken lists the laws that failed.
func (r *recorder) broken() []string {
	var out []string
	for _, sub := range r.subs {
		if sub.failed {
			out = append(out, sub.name)
		}
	}
	return out
}

// message returns what the checker said about a broken law, after rapid has minimised it.
func (r *recorder) message() string {
	for i := len(r.log) - 1; i >= 0; i-- {
		if strings.HasPrefix(r.log[i], "crdttest: law") {
			return r.log[i]
		}
	}
	return "no message; log:\n" + strings.Join(r.log, "\n") + strings.Join(r.errors, "\n")
}

func (r *recorder) Helper()                     {}
func (r *recorder) Name() string                { return r.name }
func (r *recorder) Logf(f string, args ...any)  { r.log = append(r.log, fmt.Sprintf(f, args...)) }
func (r *recorder) Log(args ...any)             { r.log = append(r.log, fmt.Sprint(args...)) }
func (r *recorder) Skipf(f string, args ...any) { r.Logf(f, args...); r.SkipNow() }
func (r *recorder) Skip(args ...any)            { r.Log(args...); r.SkipNow() }
func (r *recorder) SkipNow()                    { runtime.Goexit() }
func (r *recorder) Errorf(f string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(f, args...))
	r.Fail()
}
func (r *recorder) Error(args ...any)            { r.errors = append(r.errors, fmt.Sprint(args...)); r.Fail() }
func (r *recorder) Fatalf(f string, args ...any) { r.Errorf(f, args...); r.FailNow() }
func (r *recorder) Fatal(args ...any)            { r.Error(args...); r.FailNow() }
func (r *recorder) FailNow()                     { r.Fail(); runtime.Goexit() }
func (r *recorder) Fail()                        { r.failed = true }
func (r *recorder) Failed() bool                 { return r.failed }
