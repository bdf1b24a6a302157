package minikv

import (
	"time"

	"github.com/minikv/minikv/p2p"
)

// profile is what a [Profile] sets.
type profile struct {
	limits    p2p.Limits
	cache     int
	pingEvery time.Duration
	keepAlive time.Duration // of connections
	syncEvery time.Duration
	heartbeat time.Duration // of gossip
}

var profiles = map[Profile]profile{
	ProfileDefault: {limits: p2p.LimitsDefault, cache: DefaultCacheBytes, pingEvery: p2p.DefaultPingEvery, syncEvery: DefaultSyncInterval},
	ProfileEdge:    {limits: p2p.LimitsEdge, cache: 8 << 20, pingEvery: 30 * time.Minute, keepAlive: 3 * time.Minute, syncEvery: 2 * time.Minute, heartbeat: time.Second},
	ProfileServer:  {limits: p2p.LimitsServer, cache: 256 << 20, pingEvery: p2p.DefaultPingEvery, syncEvery: DefaultSyncInterval},
}

// limits are those of the profile, with as many connections as the configuration says.
func (c Config) limits() p2p.Limits {
	l := profiles[c.Profile].limits
	l.Conns = c.MaxConnections
	l.Members = min(l.Members, l.Conns/2)
	return l
}
