package server

import (
	"encoding/json"
	"net/http"

	"github.com/minikv/minikv/server/admin"
)

// snapshot streams a snapshot. An error after the first byte comes in a trailer, and the snapshot then has no end that checks.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) error {
	leave, err := seat(s.streams, "streams")
	if err != nil {
		return err
	}
	defer leave()
	out := &started{w: w}
	err = s.why(s.node.Snapshot(r.Context(), out))
	if err == nil || !out.begun {
		return err
	}
	s.cfg.Logger.Warn("a snapshot broke off", "err", err)
	if b, merr := json.Marshal(adminError(err, r)); merr == nil {
		w.Header().Set(admin.ErrorTrailer, string(b))
	}
	return nil
}

// started declares the trailer before the first byte.
type started struct {
	w     http.ResponseWriter
	begun bool
}

func (s *started) Write(b []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", "application/octet-stream")
		s.w.Header().Set("Trailer", admin.ErrorTrailer)
	}
	return s.w.Write(b)
}

// compact answers with the bytes on disk before and after.
func (s *Server) compact(w http.ResponseWriter, r *http.Request) error {
	leave, err := s.largeCall(r.Context())
	if err != nil {
		return err
	}
	defer leave()
	before := s.node.Metrics().DiskBytes
	if err := s.node.Compact(r.Context()); err != nil {
		return err
	}
	res := admin.CompactResult{Before: before, After: s.node.Metrics().DiskBytes}
	s.cfg.Logger.Info("compacted", "before", res.Before, "after", res.After)
	return reply(w, res)
}
