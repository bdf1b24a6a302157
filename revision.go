package minikv

import (
	"time"

	"github.com/minikv/minikv/hlc"
)

// Revision is the hybrid logical clock reading of a write. A write has a higher revision than everything
// its node had seen. Two nodes that had not seen each other's write may issue equal revisions; then the
// writer decides. Of two writes to one key the one with the higher revision wins, except under leases,
// where the fencing [Token] comes first. The zero value is below every write.
type Revision struct{ stamp hlc.Timestamp }

// Compare returns -1, 0 or 1 as r is below, equal to or above s.
func (r Revision) Compare(s Revision) int { return r.stamp.Compare(s.stamp) }

// IsZero reports whether r is the zero revision.
func (r Revision) IsZero() bool { return r.stamp.IsZero() }

// Time is the physical part, in whole milliseconds: when the writer wrote, by its clock or that of a peer
// that is ahead of it.
func (r Revision) Time() time.Time { return r.stamp.Time() }

// String has 16 lower-case hex digits and sorts like the revisions.
func (r Revision) String() string { return r.stamp.String() }

// ParseRevision is the reverse of String.
func ParseRevision(s string) (Revision, error) {
	t, err := hlc.Parse(s)
	if err != nil {
		return Revision{}, detailf(ErrInvalid, "%q is no revision: %v", s, err)
	}
	return Revision{t}, nil
}
