package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
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

// respServer is a server for Redis clients with its listener; nil where there is none.
type respServer struct {
	s *resp.Server
	l net.Listener
}

// openRESP opens the address for Redis clients, if there is to be one. They are answered from serve on.
func openRESP(ctx context.Context, node *minikv.Node, f serveFlags, log *slog.Logger) (*respServer, error) {
	if f.resp.addr == "" {
		return nil, nil
	}
	password, err := f.resp.password()
	if err != nil {
		return nil, err
	}
	dbs, err := f.resp.parseDatabases()
	if err != nil {
		return nil, err
	}
	if err := checkDatabases(ctx, node, dbs); err != nil {
		return nil, err
	}
	s, err := resp.New(node, resp.Config{
		Databases: dbs, Password: password, MaxValue: f.maxValue, MaxClients: f.resp.maxClients, IdleTimeout: f.resp.idle,
		Version: versionText(), Logger: log,
	})
	if err != nil {
		return nil, err
	}
	l, err := resp.Listen(ctx, f.resp.addr, password)
	if errors.Is(err, resp.ErrNoPassword) {
		err = &usageError{fmt.Errorf("--resp %s: other machines reach it, so it needs a password: put one into a file and name it with --resp-password-file, or use 127.0.0.1", f.resp.addr)}
	}
	if err != nil {
		return nil, err
	}
	return &respServer{s, l}, nil
}

// checkDatabases makes sure that each database's registry is open: a name that is mistaken is told at once.
func checkDatabases(ctx context.Context, node *minikv.Node, dbs map[int]string) error {
	if dbs == nil {
		dbs = map[int]string{0: resp.DefaultRegistry}
	}
	open := map[string]bool{}
	for name, err := range node.Registries(ctx) {
		if err != nil {
			return err
		}
		open[name] = true
	}
	for n, name := range dbs {
		if !open[name] {
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
	return errors.Join(r.s.Close(), ignoreClosed(r.l.Close()))
}

// ignoreClosed takes closing twice for done.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
