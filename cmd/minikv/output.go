package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/minikv/minikv/server/admin"
)

// Output formats.
const (
	formatTable = "table"
	formatJSON  = "json"
)

// json prints v on a line of its own.
func (a *app) json(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return outputError(enc.Encode(v))
}

func (a *app) isJSON() bool { return a.format == formatJSON }

// printf prints to standard output.
func (a *app) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(a.stdout, format, args...)
	return outputError(err)
}

// linef prints a line. Its error, if any, stays with the buffer and comes out when that is flushed.
func (a *app) linef(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stdout, format+"\n", args...)
}

// table prints rows under a header, in columns.
func (a *app) table(header string, rows [][]string) error {
	for _, l := range table(header, rows) {
		if err := a.printf("%s\n", a.paint(l.style, l.text)); err != nil {
			return err
		}
	}
	return nil
}

// printable quotes what would not come out as one line of text: it may come from another node and drive the terminal.
func printable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	return strconv.Quote(s)
}

// printableText is printable for text of several lines.
func printableText(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }) {
		return s
	}
	return strconv.Quote(s)
}

// shortValue is a value cut down to a line of a listing.
func shortValue(v []byte) string {
	const most = 80
	cut := ""
	if len(v) > most {
		n := most
		for n > most-utf8.UTFMax && !utf8.RuneStart(v[n]) {
			n--
		}
		cut = fmt.Sprintf("… (%d bytes)", len(v))
		v = v[:n]
	}
	return printable(string(v)) + cut
}

// ago is a time as a person would say it.
func ago(t *time.Time, now time.Time) string {
	if t == nil {
		return "never"
	}
	return now.Sub(*t).Round(time.Second).String() + " ago"
}

// rttText is a round trip in three digits or so: more of them only move.
// Dash: none was measured, as of a peer that is gone.
func rttText(p admin.Peer) string {
	d := time.Duration(p.RTT)
	if d == 0 {
		return "-"
	}
	unit := time.Microsecond
	for d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit).String()
}

// count writes a number in groups of three.
func count[N int | int64 | uint64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
