// Jobs is a queue of shell commands without a server. Any number of workers take them, each under a lease, so that a
// job has one worker at a time, and one whose worker dies is taken by another when the lease has run out.
//
// It shows: TryLock with a lease that renews itself, a result written under the lease, typed values, and a watch as the
// signal that there is work. A job may run twice, when its worker dies after its effects and before it could say so, and on
// both sides of a partition: so jobs should be such that this does no harm.
//
//	go run ./examples/jobs work                                    # prints its address
//	go run ./examples/jobs -peer ADDRESS work                      # as many as you like; kill some
//	go run ./examples/jobs -peer ADDRESS add backup 'sleep 5; date'
//	go run ./examples/jobs -peer ADDRESS ls
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/minikv/minikv"
)

// Job is what the registry holds under the job's name.
type Job struct {
	Command string
	Done    bool
	Output  string
	Tries   int
}

var (
	queue = minikv.Declare[Job]("jobs", minikv.Public())
	peer  = flag.String("peer", "", "address of a worker, as it prints it")
	ttl   = flag.Duration("ttl", 5*time.Second, "after what time the job of a dead worker is taken by another")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, flag.Args()); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "jobs:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	node, err := minikv.Open(ctx, "", minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	if err != nil {
		return err
	}
	defer node.Close()
	jobs := queue.In(node)
	var id minikv.PeerID
	if *peer != "" {
		if id, err = node.Connect(ctx, *peer); err != nil {
			return err
		}
		if err := jobs.Raw().WaitSynced(ctx, 1); err != nil {
			return err
		}
	}
	switch {
	case len(args) == 1 && args[0] == "work":
		fmt.Println("others join with -peer", node.Addrs()[0])
		return work(ctx, jobs)
	case len(args) == 3 && args[0] == "add" && id != "":
		if _, err := jobs.Put(ctx, args[1], Job{Command: args[2]}); err != nil {
			return err
		}
		_, err := jobs.Raw().SyncPeer(ctx, id) // a worker has it before this program ends
		return err
	case len(args) == 1 && args[0] == "ls" && id != "":
		for j, err := range jobs.Prefix(ctx, "") {
			fmt.Printf("%s: done=%v tries=%d locked=%v %q %v\n", j.Key, j.V.Done, j.V.Tries, j.Lock != nil, j.V.Output, err)
		}
		return nil
	}
	return errors.New("usage: jobs work | jobs -peer ADDRESS work|ls|add NAME COMMAND")
}

// work looks for a free job whenever something has changed, or a lease may have lapsed.
func work(ctx context.Context, jobs *minikv.Typed[Job]) error {
	changed := make(chan struct{}, 1)
	go func() {
		for range jobs.Watch(ctx, "", minikv.UpdatesOnly()) {
			select {
			case changed <- struct{}{}:
			default: // it will look anyway
			}
		}
	}()
	lapsed := time.NewTicker(*ttl / 5)
	defer lapsed.Stop()
	for {
		for j, err := range jobs.Prefix(ctx, "") {
			if err == nil && !j.V.Done && j.Lock == nil {
				err = take(ctx, jobs, j.Key)
			}
			if ctx.Err() == nil && err != nil {
				fmt.Println(j.Key, err) // it is no job, or gone; all others count as well
			}
		}
		select {
		case <-changed:
		case <-lapsed.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// take runs a job, if nobody else does or has.
func take(ctx context.Context, jobs *minikv.Typed[Job], name string) error {
	lease, err := jobs.Raw().TryLock(ctx, name, minikv.TTL(*ttl))
	if errors.Is(err, minikv.ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lease.Unlock(context.WithoutCancel(ctx))
	job, err := jobs.Get(ctx, name) // again: it may have been done since
	if err != nil || job.Done {
		return err
	}
	job.Tries++
	if _, err := jobs.Put(ctx, name, job, minikv.Under(lease)); err != nil {
		return nil // the lease is lost: somebody else has the job
	}
	fmt.Println("running", name)
	running, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(lease.Context(), cancel)() // stop when the lease is lost
	cmd := exec.CommandContext(running, "sh", "-c", job.Command)
	cmd.WaitDelay = time.Second
	out, _ := cmd.CombinedOutput()
	job.Done, job.Output = true, fmt.Sprintf("%.10000s(%v)", out, cmd.ProcessState)
	if running.Err() == nil {
		_, err = jobs.Put(ctx, name, job, minikv.Under(lease)) // refused if the lease is lost
	}
	fmt.Printf("%s is done: %v\n", name, running.Err() == nil && err == nil)
	return nil
}
