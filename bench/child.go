package main

import (
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// childEnv names the role that a process started by this program has.
const childEnv = "MINIKV_BENCH_CHILD"

// Roles of a child.
const (
	roleNode  = "node"  // a minikv node: methods of nodeService
	roleFloor = "floor" // a bare libp2p host with gossipsub: methods of floorService
)

// serve is the life of a child: it answers calls on standard input and output until the parent closes them.
func serve(role string) error {
	srv := rpc.NewServer()
	var service io.Closer
	var err error
	switch role {
	case roleNode:
		n := &nodeService{values: newValuePool()}
		service, err = n, srv.RegisterName("Child", n)
	case roleFloor:
		f := &floorService{}
		service, err = f, srv.RegisterName("Child", f)
	default:
		return fmt.Errorf("no child role %q", role)
	}
	if err != nil {
		return err
	}
	if path := os.Getenv(childEnv + "_PROFILE"); path != "" {
		stop, err := startProfile(path)
		if err != nil {
			return err
		}
		defer stop()
	}
	srv.ServeCodec(jsonrpc.NewServerCodec(stdio{}))
	return service.Close()
}

// stdio is the connection of a child to its parent.
type stdio struct{}

func (stdio) Read(p []byte) (int, error)  { return os.Stdin.Read(p) }
func (stdio) Write(p []byte) (int, error) { return os.Stdout.Write(p) }
func (stdio) Close() error                { return nil } // the process ends soon after

// child is a process started by this one.
type child struct {
	b   *bench
	cmd *exec.Cmd
	rpc *rpc.Client
	in  io.Closer
}

// start runs a child in a role. name is for its profile.
func (b *bench) start(role, name string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+role)
	if b.Profile != "" {
		path, err := filepath.Abs(filepath.Join(b.Profile, name+".pprof"))
		if err != nil {
			return nil, err
		}
		cmd.Env = append(cmd.Env, childEnv+"_PROFILE="+path)
	}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	conn := struct {
		io.Reader
		io.WriteCloser
	}{out, in}
	return &child{b: b, cmd: cmd, rpc: jsonrpc.NewClient(conn), in: in}, nil
}

// startAll runs n children in a role, named name-0, name-1 and so on. stop ends them.
func (b *bench) startAll(n int, role, name string) (all []*child, stop func(), err error) {
	stop = func() {
		for _, c := range all {
			c.stop()
		}
	}
	for i := range n {
		c, err := b.start(role, fmt.Sprintf("%s-%d", name, i))
		if err != nil {
			stop()
			return nil, nil, err
		}
		all = append(all, c)
	}
	return all, stop, nil
}

// call waits for one method of the child, at most the limit, or until the program is interrupted.
func (c *child) call(method string, args, reply any) error {
	call := c.rpc.Go("Child."+method, args, reply, make(chan *rpc.Call, 1))
	t := time.NewTimer(c.b.Limit)
	defer t.Stop()
	select {
	case <-call.Done:
		if call.Error != nil {
			return fmt.Errorf("%s: %w", method, call.Error)
		}
		return nil
	case <-t.C:
		return fmt.Errorf("%s: %w after %v", method, errNotFinished, c.b.Limit)
	case <-c.b.ctx.Done():
		return c.b.ctx.Err()
	}
}

var errNotFinished = errors.New("not finished")

// stop ends the child: by itself when its input closes, by force if it does not.
func (c *child) stop() {
	c.in.Close()
	t := time.AfterFunc(20*time.Second, func() { c.cmd.Process.Kill() })
	defer t.Stop()
	c.cmd.Wait()
}

// None stands for no arguments, or no reply.
type None struct{}
