package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

// batch writes those of the body's records that differ from what is held. The comparison and the write are two steps: a write that
// comes between them is overwritten, as by any put.
func (s *Server) batch(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	reg, err := s.registry(r.Context(), p)
	if err != nil {
		return err
	}
	leave, err := s.largeCall(r.Context())
	if err != nil {
		return err
	}
	defer leave()
	b, err := body(w, r, admin.MaxBatchBytes)
	if err != nil {
		return err
	}
	records, err := decodeRecords(b)
	if err != nil {
		return err
	}
	res, err := writeRecords(r.Context(), reg, records, time.Now())
	if err != nil {
		return err
	}
	return reply(w, res)
}

func decodeRecords(b []byte) ([]admin.Record, error) {
	var out []admin.Record
	for line := range bytes.Lines(b) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(out) == admin.MaxBatchRecords {
			return nil, admin.Errorf(admin.CodeTooLarge, "more than %d records in one batch", admin.MaxBatchRecords)
		}
		var rec admin.Record
		if err := rec.UnmarshalJSON(line); err != nil {
			return nil, admin.Errorf(admin.CodeBadRequest, "record %d: %v", len(out)+1, err)
		}
		out = append(out, rec)
	}
	return out, nil
}

func writeRecords(ctx context.Context, reg *minikv.Registry, records []admin.Record, now time.Time) (res admin.BatchResult, err error) {
	b, written := reg.NewBatch(), map[string]bool{}
	for i := range records {
		rec := &records[i]
		if !rec.Expires.IsZero() && !rec.Expires.After(now) {
			res.Expired++
			continue
		}
		same, err := holds(ctx, reg, rec, now)
		if err != nil {
			return res, err
		}
		if same && !written[rec.Key] { // one before it may have written another value
			res.Unchanged++
			continue
		}
		b.Put(rec.Key, rec.Value, recordOptions(rec, now)...)
		written[rec.Key] = true
		res.Written++
	}
	if b.Len() == 0 {
		return res, nil
	}
	_, err = b.Commit(ctx)
	return res, err
}

func recordOptions(rec *admin.Record, now time.Time) []minikv.PutOption {
	switch {
	case rec.TTL != 0:
		return []minikv.PutOption{minikv.TTL(rec.TTL)}
	case !rec.Expires.IsZero():
		return []minikv.PutOption{minikv.TTL(rec.Expires.Sub(now))}
	}
	return nil
}

// expirySlack is how far two expiry times of the same record may lie apart: a time to live is counted from the moment of the write.
const expirySlack = 50 * time.Millisecond

// holds tells whether the registry has the record already. A record with a ttl counts as held when the value is the same and expires
// at all: else importing a file again would write every such record again. One without says nothing of an expiry, and so ends one that
// is held.
func holds(ctx context.Context, reg *minikv.Registry, rec *admin.Record, now time.Time) (bool, error) {
	e, err := reg.Get(ctx, rec.Key)
	if errors.Is(err, minikv.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !bytes.Equal(e.Value, rec.Value) {
		return false, nil
	}
	if !rec.Expires.IsZero() {
		return !e.Expires.IsZero() && e.Expires.Sub(rec.Expires).Abs() < expirySlack, nil
	}
	return (rec.TTL == 0) == e.Expires.IsZero(), nil
}
