package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv/server/admin"
)

// version is set by releases with -ldflags "-X main.version=…".
var version = ""

// versionText is the release, else the version of the module, else the commit that the program was built from.
func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}

func newVersion(a *app) *cobra.Command {
	c := &cobra.Command{Use: "version", GroupID: "node", Args: takes(), Example: "  minikv version -o json", Short: "Print the version"}
	c.RunE = func(*cobra.Command, []string) error {
		platform := runtime.GOOS + "/" + runtime.GOARCH
		if a.isJSON() {
			return a.json(map[string]string{"version": versionText(), "go": runtime.Version(), "platform": platform})
		}
		return a.printf("minikv %s (%s, %s)\n", versionText(), runtime.Version(), platform)
	}
	return c
}

func newStatus(a *app) *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use: "status", GroupID: "node", Args: takes(),
		Short:   "Show the node, its registries and its peers",
		Example: "  minikv status\n  minikv status --wait 10s -o json",
	}
	c.Flags().DurationVar(&wait, "wait", 0, "wait that long for the node to come up")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if wait < 0 {
			return usagef("--wait %s is negative", wait)
		}
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			if wait > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(c.Context(), wait)
				defer cancel()
			}
			get := cl.Status
			if wait > 0 {
				get = cl.WaitReady
			}
			s, err := get(ctx)
			if err != nil {
				return err
			}
			return a.printStatus(s)
		})
	}
	return c
}

func (a *app) printStatus(s admin.Status) error {
	if a.isJSON() {
		return a.json(s)
	}
	now := time.Now()
	a.linef("%s", strings.TrimRight(fmt.Sprintf("node       %s %s", s.Node, printable(s.Name)), " "))
	a.linef("version    %s, up %s", s.Version, now.Sub(s.Started).Round(time.Second))
	a.linef("data       %s", dataText(s))
	a.linef("admin      %s", s.Admin)
	for i, addr := range s.Addrs {
		a.linef("%-10s %s", map[bool]string{true: "addresses"}[i == 0], addr)
	}
	m := s.Metrics
	a.linef("written    %s, %s; %s merged, %s expired, %s refused", plural(int(m.Puts), "put"), plural(int(m.Deletes), "delete"), count(m.Merged), count(m.Expired), count(m.Refused))
	a.linef("exchanges  %s verified, %s failed\n", count(m.Syncs), count(m.SyncsFailed))
	if err := a.printRegistries(s.Registries); err != nil {
		return err
	}
	a.linef("")
	return a.printPeers(s.Peers, now)
}

// dataText says where the data is and what it takes up.
func dataText(s admin.Status) string {
	text := fmt.Sprintf("in %s: %s bytes of keys and values", printable(s.Storage), count(s.Metrics.Bytes))
	if s.Metrics.DiskBytes == 0 {
		return text
	}
	text += fmt.Sprintf(", %s on disk", count(s.Metrics.DiskBytes))
	keys := 0
	for _, r := range s.Registries {
		keys += r.Keys
	}
	if keys > 0 {
		text += fmt.Sprintf(", %s a key", count(s.Metrics.DiskBytes/int64(keys)))
	}
	return text
}

func (a *app) printRegistries(regs []admin.Registry) error {
	if len(regs) == 0 {
		return a.printf("no registry is open; open one with 'minikv reg add NAME', or join one with 'minikv join'\n")
	}
	var rows [][]string
	for _, r := range regs {
		rows = append(rows, []string{printable(r.Name), r.Kind, r.Rights + expiryText(r.Expires), count(r.Keys), count(r.Tombstones), r.Root})
	}
	return a.table("REGISTRY KIND RIGHTS KEYS TOMBSTONES ROOT", rows)
}

// expiryText says until when, if not for ever.
func expiryText(t *time.Time) string {
	switch {
	case t == nil:
		return ""
	case t.Before(time.Now()):
		return " (expired)"
	}
	return " until " + t.Local().Format(time.DateTime)
}

func newPeers(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "peers", GroupID: "node", Args: takes(),
		Short:   "List the other nodes this one knows",
		Example: "  minikv peers\n  minikv peers -o json | jq \".[] | select(.connected)\"",
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			p, err := cl.Peers(ctx)
			switch {
			case err != nil:
				return err
			case a.isJSON():
				return a.json(p)
			}
			return a.printPeers(p, time.Now())
		})
	}
	connect := &cobra.Command{
		Use: "connect MULTIADDR", Args: takes("MULTIADDR"),
		Short:   "Connect to a node by its address, which ends in /p2p/ID",
		Example: "  minikv peers connect /ip4/192.0.2.7/tcp/7420/p2p/12D3KooW…",
	}
	connect.RunE = func(c *cobra.Command, args []string) error {
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			id, err := cl.Connect(ctx, args[0])
			switch {
			case err != nil:
				return err
			case a.isJSON():
				return a.json(map[string]string{"peer": id})
			}
			return a.printf("connected to %s\n", id)
		})
	}
	c.AddCommand(connect)
	return c
}

func (a *app) printPeers(peers []admin.Peer, now time.Time) error {
	if len(peers) == 0 {
		return a.printf("no peers yet\n")
	}
	var rows [][]string
	for _, p := range peers {
		addr := "-"
		if len(p.Addrs) > 0 {
			addr = p.Addrs[0]
		}
		rows = append(rows, []string{
			p.ID, peerState(p, now), orDash(pathText(p)), orDash(p.Transport), printable(addr), rttText(p), ago(p.LastSync, now), p.ClockSkew.String(),
			count(p.BytesIn), count(p.BytesOut), refusalText(p.Refusals), scoreText(p.Score), orDash(printable(strings.Join(p.Registries, ","))),
		})
	}
	return a.table("PEER STATE PATH TRANSPORT ADDRESS RTT SYNCED CLOCK BYTES-IN BYTES-OUT REFUSED SCORE REGISTRIES", rows)
}

func peerState(p admin.Peer, now time.Time) string {
	switch {
	case p.BannedUntil != nil:
		return "banned for " + p.BannedUntil.Sub(now).Round(time.Second).String()
	case p.Connected:
		return "connected"
	}
	return "gone"
}

func pathText(p admin.Peer) string {
	if p.Limited {
		return p.Path + ", limited"
	}
	return p.Path
}

// refusalText lists refusals by kind, such as "2 forged, 1 skew".
func refusalText(kinds map[string]uint64) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		out = append(out, count(kinds[k])+" "+printable(k))
	}
	return orDash(strings.Join(out, ", "))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func newSync(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "sync [PEER]", GroupID: "node", Args: takes("[PEER]"),
		Short: "Exchange with every connected peer now, or with one",
		Long: `Exchange with every connected peer now, or with one, and wait until both are verified equal. Nodes do this by themselves; use it to know
that it has happened. The command fails if an exchange does.`,
		Example: "  minikv sync && echo \"all connected peers have what I have\"",
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		peer := ""
		if len(args) > 0 {
			peer = args[0]
		}
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			r, err := cl.Sync(ctx, peer)
			if err != nil {
				return err
			}
			if err := a.printSync(r); err != nil {
				return err
			}
			return syncFailure(r)
		})
	}
	return c
}

func (a *app) printSync(results []admin.SyncResult) error {
	if a.isJSON() {
		return a.json(results)
	}
	if len(results) == 0 {
		return a.printf("no peers yet\n")
	}
	var rows [][]string
	for _, r := range results {
		state := "equal"
		if r.Error != "" {
			state = "failed"
		}
		rows = append(rows, []string{r.Peer, state, count(r.Sent), count(r.Received), count(r.Refused), count(r.BytesOut), count(r.BytesIn), count(r.Rounds),
			time.Duration(r.Took).Round(time.Microsecond).String()})
	}
	return a.table("PEER STATE SENT RECEIVED REFUSED BYTES-OUT BYTES-IN ROUNDS TOOK", rows)
}

func syncFailure(results []admin.SyncResult) error {
	failed, first := 0, ""
	for _, r := range results {
		if r.Error != "" && failed == 0 {
			first = r.Error
		}
		if r.Error != "" {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d exchanges failed; the first: %s", failed, len(results), first)
}

// scoreText is a score in tenths, as points wear off by and by.
func scoreText(score float64) string {
	return strconv.FormatFloat(math.Round(score*10)/10+0, 'f', -1, 64) // +0: no negative zero
}
