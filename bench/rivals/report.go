package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// result is one line of the table.
type result struct {
	What     string    `json:"what"`
	Unit     string    `json:"unit"`
	Median   float64   `json:"median"` // zero if no run finished
	Min      float64   `json:"min"`
	Max      float64   `json:"max"`
	Finished int       `json:"finished"` // runs that did
	Limit    float64   `json:"limit_seconds"`
	Note     string    `json:"note,omitempty"`
	Values   []float64 `json:"values"` // sorted
}

// report prints results as they come: as JSON lines, or as the rows of a Markdown table.
type report struct {
	w    io.Writer
	json bool
	n    int
}

func newReport(w io.Writer, asJSON bool) *report { return &report{w: w, json: asJSON} }

func (r *report) add(res result) error {
	slices.SortFunc(res.Values, cmp.Compare)
	if n := len(res.Values); n > 0 {
		res.Median, res.Min, res.Max, res.Finished = median(res.Values), res.Values[0], res.Values[n-1], n
	}
	r.n++
	if r.json {
		return json.NewEncoder(r.w).Encode(res)
	}
	if r.n == 1 {
		fmt.Fprintf(r.w, "go-ds-crdt v0.6.8, %s\n\n| what | median | min-max | runs |\n|---|---|---|---|\n", time.Now().Format(time.DateOnly))
	}
	if res.Finished == 0 {
		_, err := fmt.Fprintf(r.w, "| %s | not finished after %.0f s | %s | 0 |\n", res.What, res.Limit, res.Note)
		return err
	}
	runs := fmt.Sprint(res.Finished)
	if res.Note != "" {
		runs += fmt.Sprintf(", then one not finished after %.0f s: %s", res.Limit, res.Note)
	}
	_, err := fmt.Fprintf(r.w, "| %s | %s %s | %s - %s | %s |\n", res.What, figure(res.Median), res.Unit, figure(res.Min), figure(res.Max), runs)
	return err
}

func (r *report) close() error {
	if r.n == 0 {
		return fmt.Errorf("nothing was measured")
	}
	return nil
}

// median of sorted values.
func median(v []float64) float64 {
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

// figure writes three significant digits, without an exponent.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
