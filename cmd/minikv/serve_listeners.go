package main

import (
	"context"
	"net"

	"github.com/minikv/minikv/server"
)

// listeners are the addresses at which a node is reached by commands, browsers and Redis clients.
type listeners struct {
	admin net.Listener
	web   *webListener
	redis *respServer
}

// plan checks what was asked for as far as that goes before anything is made or opened.
func (f *serveFlags) plan(h home) (ls listeners, err error) {
	if ls.web, err = f.http.plan(h); err != nil {
		return ls, err
	}
	if ls.redis, err = f.resp.plan(); err != nil {
		return ls, err
	}
	if ls.redis != nil && f.memory {
		err = ls.redis.checkDatabases(f.firstRegistries())
	}
	return ls, err
}

// open makes the directory and opens the addresses. What it has opened is to be closed also after an error.
func (ls *listeners) open(ctx context.Context, h home) (err error) {
	if h.dir != "" {
		if err := makeDir(h.dir); err != nil {
			return err
		}
	}
	if ls.admin, err = server.Listen(ctx, h.admin); err != nil {
		return err
	}
	if err := ls.web.open(ctx); err != nil {
		return err
	}
	return ls.redis.open(ctx)
}

// close closes what is open; closing twice does no harm.
func (ls *listeners) close() {
	if ls.admin != nil {
		ls.admin.Close()
	}
	ls.web.close()
	_ = ls.redis.close()
}
