package browsertest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server"
)

var (
	shots      = flag.String("shots", "", "directory for pictures of all views")
	shotsWrite = flag.Bool("shots.write", false, "of a page that may write")
)

// TestShots writes pictures for a person to look at: it takes its time, so that the plots have something to show.
func TestShots(t *testing.T) {
	if *shots == "" {
		t.Skip("pictures are written with -shots DIR")
	}
	require.NoError(t, os.MkdirAll(*shots, 0o755))
	m := newMesh(t, 4, server.WebConfig{Write: *shotsWrite})
	m.stop()
	m.dir = "/var/lib/minikv" // what the page says; a test's own is nothing to look at
	m.serve()
	m.fill()
	m.settle()
	_, err := m.reg(1, "jobs").Lock(m.ctx, "nightly/03", minikv.TTL(30*time.Second))
	require.NoError(t, err)
	own, err := m.reg(0, "cities").Lock(m.ctx, "de/berlin", minikv.TTL(2*time.Minute))
	require.NoError(t, err)
	_, err = own.Put(m.ctx, []byte(`{"name":"berlin","population":3677472,"updated":"2026-11-23","tags":["seat"]}`))
	require.NoError(t, err)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range 550 {
		<-tick.C
		for j := range 1 + i*i%13 {
			m.put((i+j)%4, "sensors", fmt.Sprintf("floor-%d/room-%02d/temperature/%03d", (i+j)%4, (i+j)%17, (i+3*j)%400), fmt.Sprintf("%.2f", 17+float64((i+j)*37%90)/10), minikv.TTL(time.Hour))
		}
		if i == 500 {
			require.NoError(t, m.nodes[3].Close())
			m.nodes = m.nodes[:3]
			m.nodes = append(m.nodes, m.nodes[1])
		}
	}
	b := newBrowser(t)
	b.open(m.url)
	b.sees("#link", "live")
	for _, v := range []struct{ name, hash, waits string }{
		{"overview", "#/", "verified"}, {"keys", "#/keys?registry=cities", "at/graz"}, {"key", "#/keys?registry=cities&prefix=de&key=de%2Fberlin", "History"}, {"changes", "#/changes", "written"},
		{"locks", "#/locks", "de/berlin"}, {"peers", "#/peers", "Convergence"}, {"trouble", "#/trouble", "Late writes"}, {"sensors", "#/keys?registry=sensors", "camera"},
	} {
		for _, s := range []size{desktop, phone} {
			for _, dark := range []bool{false, true} {
				b.look(s, dark)
				b.run(chromedp.Evaluate(fmt.Sprintf(`location.hash = %q`, v.hash), nil))
				b.sees("main", v.waits)
				<-time.After(700 * time.Millisecond) // colours fade in
				name := fmt.Sprintf("%s-%d-%s.png", v.name, s.width, map[bool]string{true: "dark", false: "light"}[dark])
				b.shot(filepath.Join(*shots, name), map[size]float64{desktop: 1225, phone: 1300}[s])
			}
		}
	}
	b.clean()
}
