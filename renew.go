package minikv

import (
	"time"
)

// renew puts a store that has failed right again, once there is room and the disk can be written: it is opened
// anew under the registries, which go on as they are. What they had taken in and the disk had not is carried over.
// Reads wait meanwhile: about as long as opening the directory takes.
func (n *Node) renew() error {
	if err := n.store().Probe(); err != nil {
		return err
	}
	n.renewing.Lock()
	defer n.renewing.Unlock()
	n.mu.RLock()
	open := make([]*Registry, 0, len(n.registries))
	for _, r := range n.registries {
		open = append(open, r)
	}
	n.mu.RUnlock()
	for _, r := range open {
		r.mu.RWMutex.Lock()
	}
	cause := n.store().Err()
	fresh, err := n.store().Renew()
	if err == nil {
		n.disk.Store(fresh)
	}
	for _, r := range open {
		if err == nil {
			r.broken.Store(nil)
		}
		r.mu.RWMutex.Unlock()
		r.link.kick()
	}
	if err != nil {
		n.cfg.Logger.Warn("the disk is well, but the store cannot go on yet", "dir", n.dir, "err", err)
		return err
	}
	n.cfg.Logger.Info("the store takes writes again", "dir", n.dir, "cause", cause)
	return nil
}

// retry paces attempts that fail.
type retry struct {
	next time.Time
	wait time.Duration
}

// Pauses between attempts to renew a store.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

func (r *retry) due(now time.Time) bool { return !now.Before(r.next) }

// done notes how an attempt ended.
func (r *retry) done(now time.Time, err error) {
	if err == nil {
		*r = retry{}
		return
	}
	r.wait = min(max(firstRetry, 2*r.wait), lastRetry)
	r.next = now.Add(r.wait)
}
