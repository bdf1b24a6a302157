package minikv

import (
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/replica"
)

// now is the time by which entries expire. The registry is open, or its replica at least there.
func (r *Registry) now() hlc.Timestamp {
	return r.rep.Now(replica.Instant{Wall: r.node.cfg.Clock()})
}

// expiry is the stamp at which something written now with a TTL expires: the first whole millisecond at
// which the TTL is over by the wall clock.
func (r *Registry) expiry(at replica.Instant, ttl time.Duration) hlc.Timestamp {
	return hlc.FromTime(at.Wall.Add(ttl + time.Millisecond - 1))
}

// putExpiry is the expiry of a put: what its options say, else the registry's default. The registry is
// locked.
func (r *Registry) putExpiry(at replica.Instant, key string, o *putOptions) hlc.Timestamp {
	switch {
	case o.persist:
		return 0
	case o.expires != 0:
		return o.expires
	case o.ttl != 0:
		return r.expiry(at, o.ttl)
	case o.keepTTL:
		if rec, err := r.present(key); err == nil {
			return rec.Expires()
		}
	}
	if r.opts.defaultTTL != 0 {
		return r.expiry(at, r.opts.defaultTTL)
	}
	return 0
}

// expiryStamp is the stamp at which something expires that is to do so at a time of the wall clock.
func expiryStamp(t time.Time) (hlc.Timestamp, error) {
	if left := time.Until(t); left > maxTTL || t.UnixMilli() < 1 {
		return 0, detailf(ErrInvalid, "an expiry at %s; it can be at most 100 years ahead, and not before 1970", t.Format(time.RFC3339Nano))
	}
	return hlc.FromTime(t.Add(time.Millisecond - 1)), nil
}

// expiryTime is a stamp as a time that is not before it, in whole milliseconds.
func expiryTime(at hlc.Timestamp) time.Time {
	t := at.Time()
	if at.Logical() != 0 {
		t = t.Add(time.Millisecond)
	}
	return t
}
