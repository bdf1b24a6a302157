package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/minikv/minikv/server/admin"
)

// handle turns a handler's error into the answer. Handlers return an error only as long as they have written nothing.
func (s *Server) handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			e := adminError(err, r)
			s.cfg.Logger.Debug("call failed", "method", r.Method, "path", r.URL.Path, "code", e.Code, "err", e.Message)
			writeError(w, e)
		}
	}
}

func writeError(w http.ResponseWriter, e *admin.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(httpStatus(e.Code))
	_ = json.NewEncoder(w).Encode(e) // the caller has gone; nobody to tell
}

// reply answers with one JSON document.
func reply(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // the caller has gone; nobody to tell
	return nil
}

// body reads a request's body of at most max bytes, within a minute.
func body(w http.ResponseWriter, r *http.Request, max int64) ([]byte, error) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Minute)) // not every writer of a test has one
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, max))
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return nil, admin.Errorf(admin.CodeTooLarge, "more than %d bytes in one call", over.Limit)
	}
	if err != nil {
		return nil, admin.Errorf(admin.CodeBadRequest, "the call broke off: %v", err)
	}
	return b, nil
}

// largeWait is how long a large call waits for its turn. It has read nothing of its body by then, and costs no memory.
const largeWait = 10 * time.Second

// largeCall takes one of the few places of calls that hold much in memory, as soon as there is one; the caller gives it back with leave.
func (s *Server) largeCall(ctx context.Context) (leave func(), err error) {
	soon, cancel := context.WithTimeout(ctx, largeWait)
	defer cancel()
	select {
	case s.batches <- struct{}{}:
		return func() { <-s.batches }, nil
	case <-soon.Done():
		return nil, admin.Errorf(admin.CodeBusy, "the node has served %d large calls at a time for %v; try again when one has ended", cap(s.batches), largeWait)
	}
}

// seat takes one of a limited number of places; the caller gives it back with leave.
func seat(places chan struct{}, what string) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		return nil, admin.Errorf(admin.CodeBusy, "the node serves %d %s already; try again when one has ended", cap(places), what)
	}
}
