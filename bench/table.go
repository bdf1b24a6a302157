package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// table prints rows of Markdown as they come, so that a run that is cut short has said what it knew.
type table struct {
	w io.Writer
}

func newTable(w io.Writer) *table { return &table{w: w} }

// head says where and when, and begins the table.
func (t *table) head(c config) {
	fmt.Fprintf(t.w, "%s, %s %s/%s, %d cores (%s), load %s\n\n",
		time.Now().Format("2006-01-02 15:04"), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor(), load())
	fmt.Fprintf(t.w, "%d keys of 16 random bytes, values of 100 bytes, in memory; median (min - max) of %d runs; a ratio is of one run's pair\n\n", c.Keys, c.Runs)
	if c.CPU {
		fmt.Fprintf(t.w, "Gets and puts on one node are per second of CPU time, all cores and the garbage collector together.\n\n")
	}
	fmt.Fprintln(t.w, "| what | bar | minikv | floor | ratio | met |")
	fmt.Fprintln(t.w, "|---|---|---|---|---|---|")
}

// add prints figures that have been measured.
func (t *table) add(figures ...*figure) {
	for _, f := range figures {
		if len(f.ours) == 0 {
			continue
		}
		what, floor, ratio := f.what, "", ""
		if f.note != "" {
			what += " (" + f.note + ")"
		}
		if len(f.floor) > 0 {
			floor = f.floor.text() + " " + f.unit
			ratio = f.ratio.text()
		}
		fmt.Fprintf(t.w, "| %s | %s | %s %s | %s | %s | %s |\n", what, f.bar.text(f.unit), f.ours.text(), f.unit, floor, ratio, f.verdict())
	}
}

// processor is the name the system gives its processor.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

// load is how busy the machine was in the last minute, before the run.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
