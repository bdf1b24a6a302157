package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/minikv/minikv/server/admin"
)

// procWait bounds every wait of a test for another process.
const procWait = 30 * time.Second

// proc is a running `minikv serve`: this test program, started again under another name.
type proc struct {
	cmd    *exec.Cmd
	client *admin.Client
	status admin.Status // at the start
	log    string       // file with its standard error
	exited chan struct{}
	err    error // of Wait, after exited
}

// startProc starts a node on loopback with discovery off, and waits until it answers.
func startProc(dir, name string, env []string, args ...string) (*proc, error) {
	p, err := spawnProc(dir, name, env, args...)
	if err != nil {
		return nil, err
	}
	if err := p.ready(); err != nil {
		_ = p.stop(syscall.SIGKILL)
		return nil, err
	}
	return p, nil
}

// spawnProc starts a node and does not wait.
func spawnProc(dir, name string, env []string, args ...string) (*proc, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	sock := filepath.Join(dir, name+".sock")
	all := []string{"minikv", "serve", "--discovery", "none", "--name", name}
	if !contains(args, "--listen") {
		all = append(all, "--listen", "/ip4/127.0.0.1/tcp/0")
	}
	if !contains(args, "--admin") {
		all = append(all, "--admin", "unix:"+sock)
	} else {
		sock = args[index(args, "--admin")+1]
	}
	if !contains(args, "--dir") {
		all = append(all, "--memory")
	}
	addr, err := admin.ParseAddr(sock)
	if err != nil {
		return nil, err
	}
	p := &proc{client: admin.NewClient(addr), log: filepath.Join(dir, name+".err"), exited: make(chan struct{})}
	stdout, err := os.Create(filepath.Join(dir, name+".out"))
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	stderr, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	p.cmd = &exec.Cmd{Path: self, Args: append(all, args...), Env: env, Dir: dir, Stdout: stdout, Stderr: stderr}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.err = p.cmd.Wait(); close(p.exited) }()
	return p, nil
}

func contains(args []string, flag string) bool { return index(args, flag) >= 0 }

func index(args []string, flag string) int {
	for i, a := range args {
		if a == flag {
			return i
		}
	}
	return -1
}

func (p *proc) ready() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), procWait)
	defer cancel()
	go func() { // a node that has failed will not answer any more
		select {
		case <-p.exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	if p.status, err = p.client.WaitReady(ctx); err != nil {
		log, _ := os.ReadFile(p.log)
		return fmt.Errorf("the node did not come up: %w\n%s", err, log)
	}
	return nil
}

// stop sends a signal and waits for the end; the error is that of a process that did not end well.
func (p *proc) stop(sig syscall.Signal) error {
	p.client.Close()
	_ = p.cmd.Process.Signal(sig) // it may have ended
	select {
	case <-p.exited:
	case <-time.After(procWait):
		_ = p.cmd.Process.Kill()
		<-p.exited
		return errors.New("the node did not end by itself")
	}
	if sig == syscall.SIGKILL {
		return nil
	}
	return p.err
}
