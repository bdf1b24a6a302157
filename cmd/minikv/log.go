package main

import (
	"context"
	"io"
	stdlog "log"
	"log/slog"
	"sync/atomic"

	"github.com/minikv/minikv"
)

// logFormats are the values of --log-format.
var logFormats = map[string]bool{"text": true, "json": true}

// nodeLog logs for serve. In JSON, which is for machines that gather the logs of many nodes, each line says whose it is.
type nodeLog struct {
	*slog.Logger
	node *atomic.Value // of minikv.PeerID, once it is known
}

func newNodeLog(w io.Writer, format string, level slog.Level) nodeLog {
	l := nodeLog{node: new(atomic.Value)}
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		l.Logger = slog.New(&nodeHandler{slog.NewJSONHandler(w, o), l.node})
	} else {
		l.Logger = slog.New(slog.NewTextHandler(w, o))
	}
	return l
}

// is tells the id of the node that logs.
func (l nodeLog) is(id minikv.PeerID) { l.node.Store(id) }

// takeStandardLog makes what libraries print to Go's own log lines for debugging, whose text it is: what matters of it the node says itself.
func (l nodeLog) takeStandardLog() {
	stdlog.SetFlags(0)
	stdlog.SetOutput(slog.NewLogLogger(l.Handler(), slog.LevelDebug).Writer())
}

type nodeHandler struct {
	slog.Handler
	node *atomic.Value
}

func (h *nodeHandler) Handle(ctx context.Context, r slog.Record) error {
	if id, ok := h.node.Load().(minikv.PeerID); ok {
		r.AddAttrs(slog.String("node", string(id)))
	}
	return h.Handler.Handle(ctx, r)
}

func (h *nodeHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &nodeHandler{h.Handler.WithAttrs(attrs), h.node}
}

func (h *nodeHandler) WithGroup(name string) slog.Handler {
	return &nodeHandler{h.Handler.WithGroup(name), h.node}
}
