package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress keeps one line of a terminal up to date, and is silent where there is none.
type progress struct {
	w     io.Writer // nil: silent
	size  int64     // of the file; 0: not known
	read  int64
	start time.Time
	last  time.Time
	shown bool
}

func newProgress(w io.Writer, size int64) *progress {
	p := &progress{size: size, start: time.Now()}
	if f, ok := w.(*os.File); ok && isTerminal(f) {
		p.w = w
	}
	return p
}

// show draws the line, at most ten times a second.
func (p *progress) show(records int) {
	now := time.Now()
	if p.w == nil || now.Sub(p.last) < 100*time.Millisecond {
		return
	}
	p.last, p.shown = now, true
	share := ""
	if p.size > 0 {
		share = fmt.Sprintf("%3d%%  ", min(100, 100*p.read/p.size))
	}
	fmt.Fprintf(p.w, "\r%s%s records, %s/s \x1b[K", share, count(records), count(int(float64(records)/now.Sub(p.start).Seconds())))
}

// clear takes the line away, so that something else can be printed.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
