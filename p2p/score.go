package p2p

import (
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// A peer's score starts at 0 and only sinks (gossipsub v1.1, "Peer Scoring"). Each
// message that this host rejects counts against the neighbour it came from, for an
// honest one would have rejected it, too: n of them make -10 n², and half are
// forgotten in a minute. One takes the peer out of the mesh for a while, four stop
// sending it messages, seven make this host ignore its gossip altogether, from the
// next second on.
const (
	invalidWeight      = -10
	invalidDecay       = 0.98851 // per second: half in a minute
	scoreNoGossip      = -50
	scoreNoPublish     = -100
	scoreIgnore        = -400
	scoreNever         = -1e9 // gossipsub itself ignores nobody: see inspect
	scoreNeverExchange = 1e9  // peers offered by peers are never dialled

	// An overloaded peer (see capBytes) is sent nothing but still heard.
	scoreOverloaded = -150
	// So is one that is still to prove its membership (see Config.ProveFirst).
	scoreUnproved = -150

	// gossipsub's penalty for behaviour is not given: among its reasons is that a peer did not send what it had offered,
	// and messages are kept for so short a time (see gossipParams) that an overloaded peer has not got them any more. So
	// honest nodes under attack came to ignore each other.
	behaviourWeight = 0

	scoreRetained = 10 * time.Minute // for peers that left
	scoreInspect  = time.Second
)

func (h *Host) scoring() []pubsub.Option {
	params := &pubsub.PeerScoreParams{
		SkipAtomicValidation:   true,
		Topics:                 make(map[string]*pubsub.TopicScoreParams),
		AppSpecificScore:       h.loadScore,
		AppSpecificWeight:      1,
		BehaviourPenaltyWeight: behaviourWeight,
		DecayInterval:          time.Second,
		DecayToZero:            0.01,
		RetainScore:            scoreRetained,
		SeenMsgTTL:             SeenFor,
	}
	thresholds := &pubsub.PeerScoreThresholds{
		GossipThreshold:   scoreNoGossip,
		PublishThreshold:  scoreNoPublish,
		GraylistThreshold: scoreNever,
		AcceptPXThreshold: scoreNeverExchange,
	}
	return []pubsub.Option{
		pubsub.WithPeerScore(params, thresholds),
		pubsub.WithPeerScoreInspect(h.keepScores, scoreInspect),
	}
}

func topicScoring() *pubsub.TopicScoreParams {
	return &pubsub.TopicScoreParams{
		SkipAtomicValidation:           true,
		TopicWeight:                    1,
		TimeInMeshQuantum:              time.Second,
		InvalidMessageDeliveriesWeight: invalidWeight,
		InvalidMessageDeliveriesDecay:  invalidDecay,
	}
}

func (h *Host) loadScore(p peer.ID) float64 {
	if h.outflow.overloaded(p) {
		return scoreOverloaded
	}
	if !h.isProved(p) {
		return scoreUnproved
	}
	return 0
}

// keepScores is told all scores each second, for Peers.
func (h *Host) keepScores(scores map[peer.ID]float64) { h.scores.Store(&scores) }

func (h *Host) score(p peer.ID) float64 {
	if s := h.scores.Load(); s != nil {
		return (*s)[p]
	}
	return 0
}
