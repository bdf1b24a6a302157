package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/resp"
)

// respPasswordEnv is where the password of Redis clients may be; an argument would show in the list of processes.
const respPasswordEnv = "MINIKV_RESP_PASSWORD"

// respFlags are those flags of serve that are about Redis clients.
type respFlags struct {
	addr         string
	databases    []string
	passwordFile string
	maxClients   int
	idle         time.Duration
}

func (f *respFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.addr, "resp", "", "serve Redis clients at HOST:PORT, as 127.0.0.1:6380, or unix:PATH (default: not)")
	fl.StringArrayVar(&f.databases, "resp-db", nil, "which registry a database of Redis clients is, as 0=cities, repeatable (default 0="+resp.DefaultRegistry+")")
	fl.StringVar(&f.passwordFile, "resp-password-file", "", "file with the password that Redis clients have to give (default $"+respPasswordEnv+"; without one only this machine is served)")
	fl.IntVar(&f.maxClients, "resp-max-clients", resp.DefaultMaxClients, "most connections of Redis clients")
	fl.DurationVar(&f.idle, "resp-idle", 0, "close a Redis client's connection after it has done nothing for so long; 0: never")
}

func (f *respFlags) check() error {
	if f.addr == "" {
		if len(f.databases) > 0 || f.passwordFile != "" {
			return usagef("--resp-db and --resp-password-file need --resp ADDRESS")
		}
		return nil
	}
	if !strings.HasPrefix(f.addr, "unix:") {
		if _, _, err := net.SplitHostPort(f.addr); err != nil {
			return usagef("--resp %q is no address (%w); use HOST:PORT, as 127.0.0.1:6380, or unix:PATH", f.addr, err)
		}
	}
	if f.maxClients < 1 || f.idle < 0 {
		return usagef("--resp-max-clients has to be 1 or more, and --resp-idle cannot be negative")
	}
	_, err := f.parseDatabases()
	return err
}

// parseDatabases reads --resp-db; nil without any, for the default.
func (f *respFlags) parseDatabases() (map[int]string, error) {
	var dbs map[int]string
	for _, text := range f.databases {
		number, name, ok := strings.Cut(text, "=")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < 0 || n >= resp.MaxDatabases || name == "" {
			return nil, usagef("--resp-db %q: use NUMBER=REGISTRY with a number of 0 to %d, as 0=cities", text, resp.MaxDatabases-1)
		}
		if dbs == nil {
			dbs = map[int]string{}
		}
		if had, twice := dbs[n]; twice {
			return nil, usagef("--resp-db %q: database %d is the registry %q already", text, n, had)
		}
		dbs[n] = name
	}
	return dbs, nil
}

func (f *respFlags) password() (string, error) {
	if f.passwordFile == "" {
		return os.Getenv(respPasswordEnv), nil
	}
	b, err := os.ReadFile(f.passwordFile)
	if err != nil {
		return "", fmt.Errorf("--resp-password-file: %w", err)
	}
	if b = bytes.TrimRight(b, "\r\n"); len(b) == 0 {
		return "", fmt.Errorf("--resp-password-file %s: the file is empty", f.passwordFile)
	}
	return string(b), nil
}

// respServer is a server for Redis clients with its address; nil where there is none.
type respServer struct {
	cfg resp.Config
	on  string       // the address, as it was given
	l   net.Listener // nil before open
	s   *resp.Server // nil before attach
}

// plan reads the password and checks the address, and opens nothing; nil if there is to be no server.
func (f *respFlags) plan() (*respServer, error) {
	if f.addr == "" {
		return nil, nil
	}
	password, err := f.password()
	if err != nil {
		return nil, err
	}
	dbs, err := f.parseDatabases()
	if err != nil {
		return nil, err
	}
	err = resp.CheckAddr(f.addr, password)
	if errors.Is(err, resp.ErrNoPassword) {
		err = usagef("--resp %s: other machines reach it, so it needs a password: put one into a file and name it with --resp-password-file, or use 127.0.0.1", f.addr)
	}
	return &respServer{on: f.addr, cfg: resp.Config{Databases: dbs, Password: password, MaxClients: f.maxClients, IdleTimeout: f.idle, Version: versionText()}}, err
}

// open opens the address, before there is a node to serve.
func (r *respServer) open(ctx context.Context) (err error) {
	if r != nil {
		r.l, err = resp.Listen(ctx, r.on, r.cfg.Password)
	}
	return err
}

// attach gives the server its node. Clients are answered from serve on.
func (r *respServer) attach(ctx context.Context, node *minikv.Node, maxValue int, log *slog.Logger) error {
	if r == nil {
		return nil
	}
	var open []string
	for name, err := range node.Registries(ctx) {
		if err != nil {
			return err
		}
		open = append(open, name)
	}
	if err := r.checkDatabases(open); err != nil {
		return err
	}
	r.cfg.MaxValue, r.cfg.Logger = maxValue, log
	var err error
	r.s, err = resp.New(node, r.cfg)
	return err
}

// checkDatabases makes sure that each database's registry is among those that are open: a name that is mistaken is told at once.
func (r *respServer) checkDatabases(open []string) error {
	dbs := r.cfg.Databases
	if dbs == nil {
		dbs = map[int]string{0: resp.DefaultRegistry}
	}
	for n, name := range dbs {
		if !slices.Contains(open, name) {
			return usagef("--resp: database %d is to be the registry %q, which this node does not have; join it with a ticket, add --public %s, or name another one with --resp-db %d=NAME", n, name, name, n)
		}
	}
	return nil
}

// serve answers clients in the background; what goes wrong is sent to failed.
func (r *respServer) serve(failed chan<- error) {
	if r == nil {
		return
	}
	go func() {
		if err := r.s.Serve(r.l); err != nil {
			failed <- err
		}
	}()
}

func (r *respServer) addr() string {
	if r == nil {
		return ""
	}
	if tcp, ok := r.l.Addr().(*net.TCPAddr); ok {
		return tcp.String()
	}
	return "unix:" + r.l.Addr().String()
}

func (r *respServer) close() error {
	if r == nil {
		return nil
	}
	var err error
	if r.s != nil {
		err = r.s.Close()
	}
	if r.l != nil {
		err = errors.Join(err, ignoreClosed(r.l.Close()))
	}
	return err
}

// ignoreClosed takes closing twice for done.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
