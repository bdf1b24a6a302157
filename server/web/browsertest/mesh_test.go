package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server"
)

// mesh is a few nodes on loopback; the first one has a page.
type mesh struct {
	t     *testing.T
	ctx   context.Context
	nodes []*minikv.Node
	dir   string // of the first node
	url   string
	addr  string
	cfg   server.WebConfig
	stop  func() // serving the page
}

func newMesh(t *testing.T, n int, cfg server.WebConfig) *mesh {
	t.Helper()
	m := &mesh{t: t, ctx: t.Context()}
	for i := range n {
		dir := ""
		if i == 0 {
			m.dir = t.TempDir()
			dir = m.dir
		}
		node, err := minikv.Open(m.ctx, dir, minikv.Config{
			NodeName: []string{"kitchen", "cellar", "attic", "garage"}[i], Listen: []string{"/ip4/127.0.0.1/tcp/0"},
			SyncInterval: 5 * time.Second, // else a picture would have to wait
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = node.Close() }) // one of them is closed before
		for _, other := range m.nodes {
			_, err := node.Connect(m.ctx, other.Addrs()[0])
			require.NoError(t, err)
		}
		m.nodes = append(m.nodes, node)
	}
	for _, n := range m.nodes {
		_, err := n.Registry(m.ctx, "sensors", minikv.Public())
		require.NoError(t, err)
	}
	for _, name := range []string{"cities", "jobs"} {
		m.share(name)
	}
	m.cfg, m.addr = cfg, "127.0.0.1:0"
	m.serve()
	return m
}

// share makes a private registry on the first node, which the others join.
func (m *mesh) share(name string) {
	m.t.Helper()
	r, err := m.nodes[0].Registry(m.ctx, name)
	require.NoError(m.t, err)
	ticket, err := r.Ticket(m.ctx, minikv.TicketOptions{Rights: minikv.RightsWrite})
	require.NoError(m.t, err)
	for _, n := range m.nodes[1:] {
		_, err := n.Join(m.ctx, ticket)
		require.NoError(m.t, err)
	}
}

// serve serves the page of the first node, at the same address each time.
func (m *mesh) serve() {
	m.t.Helper()
	s := server.New(m.nodes[0], server.Config{Version: "v1.0.0", Discovery: "none", Storage: m.dir})
	l, err := net.Listen("tcp", m.addr)
	require.NoError(m.t, err)
	m.addr = l.Addr().String()
	w, err := s.Web(m.addr, m.cfg)
	require.NoError(m.t, err)
	served := make(chan error, 1)
	go func() { served <- w.Serve(l) }()
	m.stop = sync.OnceFunc(func() {
		require.NoError(m.t, s.Close())
		require.NoError(m.t, <-served)
	})
	m.t.Cleanup(m.stop)
	m.url = "http://" + m.addr + "/"
}

// reg is a registry on the i-th node.
func (m *mesh) reg(i int, name string) *minikv.Registry {
	m.t.Helper()
	r, err := m.nodes[i].Registry(m.ctx, name)
	require.NoError(m.t, err)
	return r
}

func (m *mesh) put(i int, registry, key string, value any, opts ...minikv.PutOption) {
	m.t.Helper()
	b, ok := value.([]byte)
	if !ok {
		var err error
		b, err = json.Marshal(value)
		require.NoError(m.t, err)
	}
	if s, ok := value.(string); ok {
		b = []byte(s)
	}
	_, err := m.reg(i, registry).Put(m.ctx, key, b, opts...)
	require.NoError(m.t, err)
}

var cities = []string{
	"at/graz", "at/linz", "at/salzburg", "at/wien", "ch/basel", "ch/bern", "ch/genève", "ch/zürich", "de/aachen", "de/berlin", "de/bremen", "de/dresden", "de/hamburg",
	"de/köln", "de/leipzig", "de/münchen", "dk/aarhus", "dk/københavn", "es/madrid", "es/sevilla", "fi/helsinki", "fi/tampere", "fr/lyon", "fr/marseille", "fr/paris",
	"gr/αθήνα", "is/reykjavík", "it/bologna", "it/milano", "it/napoli", "it/roma", "jp/東京", "no/bergen", "no/oslo", "pl/gdańsk", "pl/kraków", "pt/lisboa", "se/malmö",
}

// fill writes what a household of nodes might hold.
func (m *mesh) fill() {
	m.t.Helper()
	for i, c := range cities {
		m.put(i%len(m.nodes), "cities", c, map[string]any{"name": c[3:], "population": 120_000 + i*i*7919%3_600_000, "updated": "2026-11-20", "tags": []string{"seat", "port"}[:1+i%2]})
	}
	for i := range 420 {
		m.put(i%len(m.nodes), "sensors", fmt.Sprintf("floor-%d/room-%02d/temperature/%03d", i%4, i%17, i), fmt.Sprintf("%.2f", 17+float64(i*37%90)/10), minikv.TTL(time.Duration(2+i%50)*time.Minute))
	}
	m.put(0, "sensors", "camera/last-frame", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x02\x80"))
	for i := range 12 {
		m.put(1, "jobs", fmt.Sprintf("nightly/%02d", i), map[string]any{"state": "queued", "tries": i % 3})
	}
	for _, k := range []string{"de/leipzig", "it/bologna"} {
		require.NoError(m.t, m.reg(2, "cities").Delete(m.ctx, k))
	}
}

// settle waits until all nodes hold the same.
func (m *mesh) settle() {
	m.t.Helper()
	for _, name := range []string{"cities", "sensors", "jobs"} {
		require.Eventually(m.t, func() bool {
			for i := range m.nodes {
				if m.reg(i, name).Root() != m.reg(0, name).Root() {
					return false
				}
			}
			return true
		}, 30*time.Second, 10*time.Millisecond)
	}
}
