package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/minikv/minikv"
)

// banner is what serve prints at its start: all that a person needs to use the node and to join a second one.
type banner struct {
	program    string // how the program is started
	version    string
	id, name   string
	addrs      []string
	registries []openRegistry
	closed     []string // registries in the directory that cannot be opened, as their keys are not there
	admin      string
	export     bool // commands do not find the admin address by themselves
	discovery  string
	noMDNS     bool   // it was asked for, and could not start
	dir        string // "": in memory
	durability string
	http       string // "": not served
	resp       string // address for Redis clients; "": none
}

// openRegistry is one line of the banner.
type openRegistry struct {
	name string
	kind string
	keys int
}

func newBanner(ctx context.Context, n *minikv.Node, f serveFlags, h home) (banner, error) {
	b := banner{
		program: programName(os.Args[0]), version: versionText(), id: string(n.ID()), name: f.name, addrs: n.Addrs(),
		admin: h.admin.String(), export: !h.std, discovery: f.discovery, dir: h.dir, durability: f.durability,
	}
	checks, err := n.Doctor(ctx)
	if err != nil {
		return b, err
	}
	b.noMDNS = slices.ContainsFunc(checks, func(c minikv.Check) bool { return c.Name == "mdns" && c.State == minikv.CheckProblem })
	for name, err := range n.Registries(ctx) {
		if err != nil {
			return b, err
		}
		r, err := n.Registry(ctx, name)
		if err != nil {
			return b, err
		}
		keys, err := r.Len(ctx)
		if err != nil {
			return b, err
		}
		kind := "public"
		if a := r.Access(); !a.Public {
			kind = "private, " + a.Rights.String()
		}
		b.registries = append(b.registries, openRegistry{name, kind, keys})
	}
	for _, name := range n.Kept() {
		if !slices.ContainsFunc(b.registries, func(r openRegistry) bool { return r.name == name }) {
			b.closed = append(b.closed, name)
		}
	}
	return b, nil
}

// inBuildCache is where `go run` keeps a program that it has built before.
var inBuildCache = regexp.MustCompile(`/[0-9a-f]{2}/[0-9a-f]{64}-d/`)

// programName is how to start this program again from the same shell.
func programName(arg0 string) string {
	if arg0 = filepath.ToSlash(arg0); strings.Contains(arg0, "/go-build") || inBuildCache.MatchString(arg0) {
		return "go run ./cmd/minikv"
	}
	return quoteShell(arg0)
}

func (a *app) printBanner(b banner) error {
	a.linef("minikv %s is serving. %s\n", b.version, b.storageText())
	row := func(name, value string) {
		a.linef("  %-11s %s", name, value)
	}
	row("node", strings.TrimSpace(b.id+" "+printable(b.name)))
	for i, addr := range b.addrs {
		row(map[bool]string{true: "addresses"}[i == 0], addr)
	}
	row("registries", b.registryText())
	if len(b.closed) > 0 {
		row("closed", b.closedText())
	}
	row("admin", b.admin)
	row("discovery", b.discovery+": "+b.discoveryText())
	if b.dir != "" {
		row("directory", b.dir)
	}
	if b.http != "" {
		row("inspector", b.http)
	}
	if b.resp != "" {
		row("redis", b.resp)
	}
	reg := "cities"
	if len(b.registries) > 0 {
		reg = quoteShell(b.example())
	}
	a.linef("\nUse it from another terminal:")
	if b.export {
		a.linef("  export MINIKV_ADDR=%s", quoteShell(b.admin))
	}
	if len(b.registries) == 0 {
		a.linef("  %s reg add %s", b.program, reg)
	}
	a.linef("  %s put %s de/hamburg 1.9M\n  %s get %s de/hamburg", b.program, reg, b.program, reg)
	if join := b.joinLine(); join != "" {
		where := "here or on any machine that reaches this one"
		if isLoopback(bestAddr(b.addrs)) {
			where = "on this machine"
		}
		where += "; with --dir DIR instead of --memory it keeps its data, too"
		a.linef("\nJoin another node, %s:\n  %s", where, join)
	}
	if own := b.owned(); own != "" {
		a.linef("\nShare %s with another node: make a ticket here, which is a secret, start the other one, and paste it there. On this machine", printable(own))
		a.linef("the last line needs the MINIKV_ADDR that the other one prints:")
		serve := "serve --memory"
		if b.discovery == "none" {
			serve += " --discovery none"
		}
		a.linef("  %[1]s ticket %[2]s --write\n  %[1]s %[3]s\n  %[1]s join -", b.program, quoteShell(own), serve)
	}
	a.linef("")
	return outputError(a.stdout.Flush())
}

// discoveryText says which nodes are found.
func (b banner) discoveryText() string {
	const unheard = "mDNS could not start, so nodes on this network do not find each other; name them with --peer"
	switch {
	case b.discovery == "none":
		return "only nodes that are named"
	case b.discovery == "dht" && b.noMDNS:
		return "nodes in the distributed hash table; " + unheard
	case b.discovery == "dht":
		return "nodes on this network and in the distributed hash table"
	case b.noMDNS:
		return unheard
	}
	return "nodes on this network find each other by themselves"
}

var storageTexts = map[string]string{
	"sync":  "a write returns when it is on disk",
	"group": "a write returns when it is on disk, which it is together with those of the next 5 ms",
	"async": "writes return at once, and a crash may cost the last second of them",
}

func (b banner) storageText() string {
	if b.dir == "" {
		return "Data is in memory: it is gone when the last node that shares it ends."
	}
	return "Data is kept, and " + storageTexts[b.durability] + "."
}

// shownRegistries is how many the banner lists: it is to fit on a screen.
const shownRegistries = 10

func (b banner) registryText() string {
	if len(b.registries) == 0 {
		return "none open yet"
	}
	var out []string
	for _, r := range b.registries {
		out = append(out, fmt.Sprintf("%s (%s, %s)", printable(r.name), r.kind, plural(r.keys, "key")))
	}
	return shorten(out, fmt.Sprintf(": see %s reg ls", b.program))
}

// shorten lists as many as the banner shows; rest follows the number of the others.
func shorten(names []string, rest string) string {
	if more := len(names) - shownRegistries; more > 0 {
		names = append(names[:shownRegistries], fmt.Sprintf("%d more%s", more, rest))
	}
	return strings.Join(names, ", ")
}

// closedText names the registries whose keys are missing.
func (b banner) closedText() string {
	var out []string
	for _, name := range b.closed {
		out = append(out, printable(name))
	}
	return shorten(out, "") + ": the keys are not in the directory; join again by a ticket"
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return count(n) + " " + noun
}

// example is the registry that the banner's commands use: a public one if there is one, for the line that joins shares it.
func (b banner) example() string {
	for _, r := range b.registries {
		if r.kind == "public" {
			return r.name
		}
	}
	return b.registries[0].name
}

// owned is the first registry to which this node can make tickets.
func (b banner) owned() string {
	for _, r := range b.registries {
		if r.kind == "private, owner" {
			return r.name
		}
	}
	return ""
}

// joinLine is the command that makes a second node which shares the public registries of this one. Empty: there are none, or
// this one cannot be dialled.
func (b banner) joinLine() string {
	addr := bestAddr(b.addrs)
	if addr == "" {
		return ""
	}
	line, public := b.program+" serve --memory", false
	if b.discovery == "none" {
		line += " --discovery none"
	}
	for _, r := range b.registries {
		if r.kind == "public" {
			line += " --public " + quoteShell(r.name)
			public = true
		}
	}
	if !public {
		return ""
	}
	return line + " --peer " + addr
}

// bestAddr is the address that most others can dial: not loopback if there is another, TCP before QUIC, IPv4 before IPv6.
func bestAddr(addrs []string) string {
	best, score := "", -1
	for _, a := range addrs {
		parts := strings.Split(a, "/")
		if len(parts) < 4 {
			continue
		}
		s := 0
		if !isLoopback(a) {
			s += 4
		}
		if parts[3] == "tcp" {
			s += 2
		}
		if parts[1] == "ip4" {
			s++
		}
		if s > score {
			best, score = a, s
		}
	}
	return best
}

// isLoopback tells whether a multiaddr is one that no other machine can dial.
func isLoopback(addr string) bool {
	parts := strings.Split(addr, "/")
	if len(parts) < 3 {
		return false
	}
	ip := net.ParseIP(parts[2])
	return ip != nil && (ip.IsLoopback() || ip.IsLinkLocalUnicast())
}

// quoteShell quotes what a shell would take apart.
func quoteShell(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+,=", r))
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
