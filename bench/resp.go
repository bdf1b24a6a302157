package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Work of redis-benchmark: requests in one measurement, without a pipeline and with one.
const (
	respAlone     = 200_000
	respPipelined = 1_600_000
	respSynced    = 20_000
	respClients   = 50
	respPipeline  = 16
)

// respNode measures a node that serves Redis clients beside redis-server, by redis-benchmark on loopback TCP. Both
// run all the while; only the one that is measured has something to do.
func respNode(b *bench) error {
	if missing := missingTools("redis-server", "redis-benchmark"); missing != "" {
		fmt.Fprintf(os.Stderr, "resp: NOT MEASURED, %s is not installed (on Debian: apt-get install redis-server redis-tools)\n", missing)
		return nil
	}
	if err := b.respPair(false); err != nil {
		return err
	}
	return b.respPair(true)
}

func missingTools(names ...string) string {
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			return name
		}
	}
	return ""
}

// respPair measures both in memory or, durable, both with an fsync before each answer.
func (b *bench) respPair(durable bool) error {
	name := "resp"
	if durable {
		name = "resp-durable"
	}
	redis, err := startRedis(durable)
	if err != nil {
		return err
	}
	defer redis.stop()
	ours, err := b.start(roleNode, name)
	if err != nil {
		return err
	}
	defer ours.stop()
	var addr string
	if err := ours.call("ServeRESP", OpenAsk{Durable: durable}, &addr); err != nil {
		return err
	}
	figures := respFigures(durable)
	err = b.repeat(func() error {
		for i := range figures {
			f := &figures[i]
			mine, err := redisBenchmark(addr, f)
			if err != nil {
				return err
			}
			theirs, err := redisBenchmark(redis.addr, f)
			if err != nil {
				return err
			}
			f.addPair(mine, theirs)
		}
		return nil
	})
	for i := range figures {
		b.table.add(&figures[i].figure)
	}
	return err
}

// respFigure is a figure with what redis-benchmark is to do for it.
type respFigure struct {
	figure
	test     string
	pipeline int
	requests int
}

func respFigures(durable bool) (all []respFigure) {
	for _, test := range []string{"get", "set"} {
		for _, pipeline := range []int{1, respPipeline} {
			f := respFigure{test: test, pipeline: pipeline, requests: respAlone}
			f.unit, f.note = "/s", "floor: redis-server"
			if pipeline > 1 {
				f.requests = respPipelined
			}
			f.bar = ratioAtLeast(map[string]float64{"get": 0.7, "set": 0.5}[test])
			f.what = fmt.Sprintf("RESP %s, %d clients, pipeline %d", strings.ToUpper(test), respClients, pipeline)
			if durable {
				if test == "get" {
					continue
				}
				f.bar = bar{}
				f.what += ", each on disk before its answer"
				f.note = "floor: redis-server with appendfsync always"
				f.requests = respSynced * pipeline
			}
			all = append(all, f)
		}
	}
	return all
}

// redisBenchmark returns the requests in a second.
func redisBenchmark(addr string, f *respFigure) (float64, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	cmd := exec.Command("redis-benchmark", "-h", host, "-p", port, "-t", f.test, "-c", strconv.Itoa(respClients), "-P", strconv.Itoa(f.pipeline),
		"-n", strconv.Itoa(f.requests), "-r", "100000", "-d", "100", "--csv")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("redis-benchmark: %w", err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(out))).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[1]) < 2 {
		return 0, fmt.Errorf("redis-benchmark said %q: %w", out, errors.Join(err, errNotFinished))
	}
	return strconv.ParseFloat(rows[1][1], 64)
}

// redisProcess is a redis-server of our own.
type redisProcess struct {
	cmd  *exec.Cmd
	addr string
	dir  string
}

func startRedis(durable bool) (*redisProcess, error) {
	dir, err := os.MkdirTemp("", "minikv-bench")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a free port, let go again
	if err != nil {
		return nil, err
	}
	addr := l.Addr().(*net.TCPAddr)
	l.Close()
	keep := []string{"--appendonly", "no"}
	if durable {
		keep = []string{"--appendonly", "yes", "--appendfsync", "always"}
	}
	args := append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(addr.Port), "--save", "", "--dir", dir, "--logfile", filepath.Join(dir, "log")}, keep...)
	r := &redisProcess{cmd: exec.Command("redis-server", args...), addr: addr.String(), dir: dir}
	if err := r.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", r.addr)
		if err == nil {
			c.Close()
			return r, nil
		}
		if time.Now().After(until) {
			r.stop()
			return nil, fmt.Errorf("redis-server does not answer: %w", err)
		}
	}
}

func (r *redisProcess) stop() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
	_ = os.RemoveAll(r.dir)
}
