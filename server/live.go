package server

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

// Limits of a live stream.
const (
	liveGap      = 100 * time.Millisecond // least time between two lots of changes
	maxLiveBurst = 200                    // changes in one lot
)

// live streams what the node is, once a second, and each change as it comes: all that a page needs in one connection. Of more changes
// than a person can read it leaves out the older ones.
func (s *Server) live(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	if p.err != nil {
		return p.err
	}
	leave, err := seat(s.streams, "streams")
	if err != nil {
		return err
	}
	defer leave()
	s.recorder.start()
	seq, err := s.recorder.resume(r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	out := startLines(w, r)
	defer out.close()
	out.end(s.why(s.streamLive(out, r, p.Get("registry"), seq)))
	return nil
}

func (s *Server) streamLive(out *lines, r *http.Request, registry string, seq uint64) error {
	var told time.Time // of the sample that the last stats had
	for first := true; ; first = false {
		sample, news := s.recorder.last()
		for _, c := range s.recorder.since(seq, registry, "", maxLiveBurst) {
			seq = c.Seq
			if err := out.putID(admin.LiveEvent{Change: &c}, strconv.FormatUint(seq, 10)); err != nil {
				return err
			}
		}
		if first || !sample.Time.Equal(told) {
			told = sample.Time
			st, err := s.liveStats(r, sample)
			if err == nil {
				err = out.put(admin.LiveEvent{Stats: &st})
			}
			if err != nil {
				return err
			}
		}
		if err := out.flush(); err != nil {
			return err
		}
		gap := time.After(liveGap)
		select {
		case <-news:
		case <-r.Context().Done():
			return r.Context().Err()
		}
		select {
		case <-gap: // what comes in the meantime goes with it
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
}

// resume is the seq after which a stream goes on: that of the caller's last event, or of now.
func (c *recorder) resume(id string) (uint64, error) {
	if id == "" {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.seq, nil
	}
	seq, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return 0, admin.Errorf(admin.CodeBadRequest, "Last-Event-ID %.40q is none of this stream", id)
	}
	return seq, nil
}

func (s *Server) liveStats(r *http.Request, sample admin.Sample) (admin.LiveStats, error) {
	st := admin.LiveStats{Time: time.Now().UTC(), Ready: true, Registries: []admin.LiveRegistry{}, Peers: s.peers(), Metrics: metrics(s.node.Metrics())}
	if err := s.node.Ready(); err != nil {
		st.Ready, st.Why = false, strings.TrimPrefix(err.Error(), "minikv: ")
	}
	st.Sample = sample
	regs, err := s.registries(r.Context())
	if err != nil {
		return st, err
	}
	for _, info := range regs {
		reg, ok := s.node.Lookup(info.Name)
		if !ok {
			continue // closed a moment ago
		}
		st.Registries = append(st.Registries, s.liveRegistry(r, reg, info))
	}
	return st, nil
}

func (s *Server) liveRegistry(r *http.Request, reg *minikv.Registry, info admin.Registry) admin.LiveRegistry {
	m, state := reg.Metrics(), reg.State()
	out := admin.LiveRegistry{
		Registry: info, State: state.String(), Changed: s.recorder.changed(info.Name),
		Dropped: m.Dropped, Quarantined: m.Quarantined, LateWrites: m.LateWrites, Overlaps: m.OverlapsSeen,
		Syncs: m.Syncs, SyncsFailed: m.SyncsFailed, GossipIn: m.GossipIn, GossipOut: m.GossipOut, GossipLost: m.GossipLost, Standings: []admin.Standing{},
		Refusals: map[string]uint64{
			minikv.RefusedSkew: m.RefusedSkew, minikv.RefusedBounds: m.RefusedBounds, minikv.RefusedForged: m.RefusedForged,
			minikv.RefusedMalformed: m.RefusedMalformed, minikv.RefusedFull: m.RefusedFull, minikv.RefusedMessage: m.RefusedMessages,
		},
	}
	if m.Leases > 0 {
		for _, err := range reg.Locks(r.Context(), "") {
			if err != nil {
				break // closed: it will be gone from the next look
			}
			out.Locks++
		}
	}
	for _, st := range reg.Standings() {
		out.Standings = append(out.Standings, admin.Standing{
			Peer: string(st.Peer), Joined: st.Joined, Synced: when(st.Synced), Heard: when(st.Heard), State: st.State.String(), Keys: st.Keys,
			Equal: !st.Heard.IsZero() && st.State == state,
		})
	}
	return out
}
