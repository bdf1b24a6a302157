package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/minikv/minikv/server/admin"
)

// heartbeat is how often a stream of events says that it lives, where there is nothing else to say: proxies cut silent ones.
const heartbeat = 15 * time.Second

// maxEventID is the longest id of an event in bytes: a browser sends it back in a header.
const maxEventID = 4 << 10

// lines writes an answer of JSON lines or, for callers that accept them, of server-sent events. Writing blocks while the caller does
// not read: that is the flow control. Not for concurrent use.
type lines struct {
	w      http.ResponseWriter
	rc     *http.ResponseController
	req    *http.Request
	events bool

	mu   sync.Mutex // an answer has two writers: its handler and the heartbeat
	buf  bytes.Buffer
	enc  *json.Encoder
	stop func()
}

// startLines sends the header at once, so that the caller knows that the stream has begun. The caller closes it.
func startLines(w http.ResponseWriter, r *http.Request) *lines {
	l := &lines{w: w, rc: http.NewResponseController(w), req: r, events: wantsEvents(r), stop: func() {}}
	l.enc = json.NewEncoder(&l.buf)
	l.enc.SetEscapeHTML(false)
	w.Header().Set("Content-Type", "application/jsonl")
	if l.events {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Accel-Buffering", "no")
		l.beat()
	}
	_ = l.flush()
	return l
}

func wantsEvents(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// put writes one line into the buffer. An error means that the caller has gone.
func (l *lines) put(v any) error { return l.putID(v, "") }

// putID is put for a line whose id, in a stream of events, is where a caller that lost the connection goes on.
func (l *lines) putID(v any, id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Reset()
	if l.events && id != "" && len(id) <= maxEventID {
		l.buf.WriteString("id: " + id + "\n")
	}
	if l.events {
		l.buf.WriteString("data: ")
	}
	if err := l.enc.Encode(v); err != nil { // JSON has no newline but the last
		return err
	}
	if l.events {
		l.buf.WriteByte('\n')
	}
	_, err := l.w.Write(l.buf.Bytes())
	return err
}

func (l *lines) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rc.Flush()
}

// end closes the stream with an error's line, unless it is the caller that has gone.
func (l *lines) end(err error) {
	if err == nil || (l.req.Context().Err() != nil && !errors.Is(err, errStopping)) {
		return
	}
	_ = l.put(struct {
		Error *admin.Error `json:"error"`
	}{adminError(err, l.req)})
}

// close ends the heartbeat. To be called before the handler returns.
func (l *lines) close() { l.stop() }

// beat writes comments, which callers pass over, for as long as the stream lasts.
func (l *lines) beat() {
	done, gone := make(chan struct{}), make(chan struct{})
	l.stop = func() { close(done); <-gone }
	go func() {
		defer close(gone)
		tick := time.NewTicker(heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-done:
				return
			}
			l.mu.Lock()
			_, err := l.w.Write([]byte(":\n\n"))
			if err == nil {
				err = l.rc.Flush()
			}
			l.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
}
