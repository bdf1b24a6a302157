package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/minikv/minikv/server/admin"
)

// viewLine is a line of a view, without escape sequences.
type viewLine struct {
	text  string
	style style
}

// lines is the view as text: first what is short, then the registries, then the peers.
func (v view) lines() []viewLine {
	out := []viewLine{
		{strings.Join(strings.Fields(fmt.Sprintf("minikv %s  %s %s", v.Version, v.Node, printable(v.Name))), " ") + ", up " + v.Up.String(), bold},
		{fmt.Sprintf("%s %s", v.Time.Local().Format("15:04:05"), v.holdings()), plain},
	}
	if v.Over == 0 {
		out = append(out, viewLine{"per second: not known before the next look", plain})
	} else {
		r := v.Rates
		out = append(out, viewLine{fmt.Sprintf("per second: %s puts, %s deletes, %s merged, %s expired, %s exchanges; %s in, %s out",
			rate(r.Puts), rate(r.Deletes), rate(r.Merged), rate(r.Expired), rate(r.Syncs), byteText(r.In), byteText(r.Out)), plain})
	}
	if w := v.warning(); w != "" {
		out = append(out, viewLine{w, red})
	}
	out = append(out, viewLine{})
	out = append(out, table("REGISTRY KEYS TOMBSTONES SIZE PUTS/S DELETES/S MERGED/S ROOT", v.registryRows())...)
	out = append(out, viewLine{})
	if len(v.Peers) == 0 {
		return append(out, viewLine{"no peers yet", plain})
	}
	return append(out, table("PEER STATE TRANSPORT RTT SYNCED CLOCK IN OUT REFUSED REGISTRIES", v.peerRows())...)
}

func (v view) holdings() string {
	text := fmt.Sprintf("%s in %s", byteText(float64(v.Bytes)), printable(v.Storage))
	if v.DiskBytes > 0 {
		text += fmt.Sprintf(", %s on disk", byteText(float64(v.DiskBytes)))
	}
	connected := 0
	for _, p := range v.Peers {
		if p.Connected {
			connected++
		}
	}
	return text + fmt.Sprintf("; %s, %s connected; clocks %s apart at most", plural(int(v.Locks), "lock"), plural(connected, "peer"), v.SkewMax)
}

// warning tells of what a person should look at.
func (v view) warning() string {
	var out []string
	if v.Refused > 0 {
		out = append(out, count(v.Refused)+" refused since the start: see 'minikv peers'")
	}
	if v.Overlaps > 0 {
		out = append(out, plural(int(v.Overlaps), "lock")+" held twice across a partition")
	}
	return strings.Join(out, "; ")
}

func (v view) registryRows() (rows [][]string) {
	for _, r := range v.Registries {
		row := []string{printable(r.Name), count(r.Keys), count(r.Tombstones), byteText(float64(r.Bytes)), "-", "-", "-", r.Root}
		if v.Over > 0 {
			row[4], row[5], row[6] = rate(r.Rates.Puts), rate(r.Rates.Deletes), rate(r.Rates.Merged)
		}
		rows = append(rows, row)
	}
	return rows
}

// peerRows has the connected ones first.
func (v view) peerRows() (rows [][]string) {
	peers := slices.Clone(v.Peers)
	slices.SortStableFunc(peers, func(a, b admin.Peer) int {
		return map[bool]int{true: -1}[a.Connected] - map[bool]int{true: -1}[b.Connected]
	})
	for _, p := range peers {
		rows = append(rows, []string{
			p.ID, peerState(p, v.Time), orDash(p.Transport), rttText(p), ago(p.LastSync, v.Time), p.ClockSkew.String(),
			byteText(float64(p.BytesIn)), byteText(float64(p.BytesOut)), count(p.Refused), orDash(printable(strings.Join(p.Registries, ","))),
		})
	}
	return rows
}

// table puts rows in columns under a bold header.
func table(header string, rows [][]string) (out []viewLine) {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	for _, r := range append([][]string{strings.Fields(header)}, rows...) {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	w.Flush()
	for i, text := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		out = append(out, viewLine{strings.TrimRight(text, " "), map[bool]style{true: bold}[i == 0]})
	}
	return out
}

// rate is a number per second as a person would write it.
func rate(v float64) string {
	if v != 0 && v < 10 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return count(int64(v + 0.5))
}

// byteText is a number of bytes with its unit.
func byteText(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for n >= 1024 && i < len(units)-1 {
		n, i = n/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%.0f B", n)
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}

// offline is what live shows while the node does not answer.
func offline(err error, now time.Time) []viewLine {
	return []viewLine{{now.Format("15:04:05") + " " + printable(err.Error()), red}, {"asking again; q ends this", plain}}
}
