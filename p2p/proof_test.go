package p2p_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/p2p"
)

// stage is a host with a topic, and two peers in it.
type stage struct {
	*scene
	ahead atomic.Int64 // of the host's clock
	sent  int
}

func newStage(t *testing.T) *stage {
	s := &stage{}
	now := func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }
	s.scene = &scene{victim: newHost(t, func(c *p2p.Config) { c.ProveFirst, c.Now = true, now }), in: newInbox()}
	s.topic = join(t, s.victim, "reg", s.in.handle)
	s.attacker, s.bystander = newRawPeer(t, s.victim, "reg"), newRawPeer(t, s.victim, "reg")
	s.victim.Prove(s.bystander.host.ID().String(), "reg", time.Time{})
	meet(t, 1, s.topic)
	require.Eventually(t, func() bool { return len(s.topic.Peers()) == 2 }, patience, time.Millisecond)
	warm(t, s.topic, s.bystander)
	return s
}

// publish sends a message, waits until the bystander has it, and reports whether the attacker had it before.
func (s *stage) publish(t *testing.T) bool {
	t.Helper()
	s.sent++
	payload := fmt.Sprint(s.sent)
	require.NoError(t, s.topic.Publish(t.Context(), []byte(payload)))
	require.Eventually(t, func() bool { return s.bystander.heard(payload) }, patience, time.Millisecond)
	return s.attacker.heard(payload)
}

// hears requires that the attacker is sent what is published.
func (s *stage) hears(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return s.publish(t) }, patience, time.Millisecond)
}

func (s *stage) hearsNothing(t *testing.T) {
	t.Helper()
	for range 5 {
		require.False(t, s.publish(t))
	}
}

// Whose membership has ended is sent nothing any more.
func TestGossipEndsWithMembership(t *testing.T) {
	s := newStage(t)
	id := s.attacker.host.ID().String()
	require.True(t, s.victim.Prove(id, "reg", time.Now().Add(time.Hour)))
	require.False(t, s.victim.Prove(id, "reg", time.Now().Add(time.Hour)), "no news")
	s.hears(t)
	s.ahead.Store(int64(2 * time.Hour))
	s.hearsNothing(t)
	require.False(t, s.victim.Prove(id, "reg", time.Now().Add(time.Hour)), "that is over, too")
	s.hearsNothing(t)
	require.True(t, s.victim.Prove(id, "reg", time.Now().Add(24*time.Hour)))
	s.hears(t)
}

// Nor is who may be in another topic only, but for a while after it came into this one.
func TestGossipOfATopicIsNotForMembersOfOthers(t *testing.T) {
	s := newStage(t)
	s.victim.SetProofPatience(0)
	id := s.attacker.host.ID().String()
	s.victim.Prove(id, "other", time.Time{})
	s.hearsNothing(t)
	s.victim.Prove(id, "reg", time.Time{})
	s.hears(t)
}

func TestAMemberOfAnotherTopicHasTimeToProveItself(t *testing.T) {
	s := newStage(t)
	s.victim.Prove(s.attacker.host.ID().String(), "other", time.Time{})
	s.hears(t)
}
