package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
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
	for _, a := range []string{addr, redis.addr} {
		if err := fill(a); err != nil {
			return err
		}
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
	spread   bool // over many keys with values of 100 bytes; else the tool's default, one key and 3 bytes
}

const respKeys = 100_000

func respFigures(durable bool) (all []respFigure) {
	for _, spread := range []bool{false, true} {
		for _, test := range []string{"get", "set"} {
			for _, pipeline := range []int{1, respPipeline} {
				if durable && test == "get" {
					continue
				}
				f := respFigure{test: test, pipeline: pipeline, requests: respAlone, spread: spread}
				f.unit, f.note = "/s", "floor: redis-server"
				f.bar = ratioAtLeast(map[string]float64{"get": 0.7, "set": 0.5}[test])
				if pipeline > 1 {
					f.requests = respPipelined
				}
				f.what = fmt.Sprintf("RESP %s, pipeline %d, one key of 3 bytes", strings.ToUpper(test), pipeline)
				if spread {
					f.what = fmt.Sprintf("RESP %s, pipeline %d, 100,000 keys of 100 bytes", strings.ToUpper(test), pipeline)
				}
				if durable {
					f.bar, f.note, f.requests = bar{}, "floor: redis-server with appendfsync always", respSynced*pipeline
					f.what += ", on disk before the answer"
				}
				all = append(all, f)
			}
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
	args := []string{"-h", host, "-p", port, "-t", f.test, "-c", strconv.Itoa(respClients), "-P", strconv.Itoa(f.pipeline), "-n", strconv.Itoa(f.requests), "--csv"}
	if f.spread {
		args = append(args, "-r", strconv.Itoa(respKeys), "-d", "100")
	}
	cmd := exec.Command("redis-benchmark", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("redis-benchmark: %w", err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(out))).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[1]) < 2 {
		return 0, fmt.Errorf("redis-benchmark said %q", out)
	}
	return strconv.ParseFloat(rows[1][1], 64)
}

// fill sets all keys that redis-benchmark may ask for, so that no answer is cheap because there is nothing.
func fill(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	go func() {
		w := bufio.NewWriter(c)
		for i := range respKeys {
			fmt.Fprintf(w, "SET key:%012d %0100d\r\n", i, i)
		}
		fmt.Fprint(w, "SET key:__rand_int__ VXK\r\n")
		_ = w.Flush() // what does not arrive is missed below
	}()
	_, err = io.ReadFull(c, make([]byte, (respKeys+1)*len("+OK\r\n")))
	return err
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
