package resp

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/minikv/minikv"
)

// Limits and defaults of [Config].
const (
	MaxDatabases       = 16
	DefaultRegistry    = "default" // of database 0
	DefaultMaxClients  = 10_000
	DefaultSlowTimeout = 30 * time.Second
	DefaultMaxBacklog  = 8 << 20 // bytes
)

// Config says how a node is served to Redis clients. Every field may be zero.
type Config struct {
	// Databases says which registry a database is, by its name. Numbers are 0 to 15. Default: database 0 is the
	// registry "default". A registry need not be open: commands on one that is not answer an error.
	Databases map[int]string

	// Password is what clients have to give with AUTH or HELLO. Without one the server listens on loopback
	// addresses and unix sockets only.
	Password string

	// MaxValue is the longest value that the node writes, in bytes: what its Config.MaxValueLen is. A longer
	// argument is not kept in memory; its command is answered with an error. Default 1 MiB.
	MaxValue int

	// MaxClients bounds the connections. One more is told so and closed. Default 10,000.
	MaxClients int

	// IdleTimeout is how long a connection may do nothing, subscribers apart. Default 0: for ever, as with Redis.
	IdleTimeout time.Duration

	// SlowTimeout is how long a client may take for 16 KiB of a command that it has begun, or to read 256 KiB of
	// an answer. Default 30 s.
	SlowTimeout time.Duration

	// MaxBacklog is how many bytes of notifications wait for a slow subscriber before its connection is closed.
	// Default 8 MiB.
	MaxBacklog int

	// Version is that of the program, for INFO.
	Version string

	// Logger gets what a person who runs the node should know. Default: nothing is logged.
	Logger *slog.Logger
}

// validate fills in the defaults.
func (c Config) validate() (Config, error) {
	if c.Databases == nil {
		c.Databases = map[int]string{0: DefaultRegistry}
	}
	for n, name := range c.Databases {
		if n < 0 || n >= MaxDatabases {
			return c, fmt.Errorf("resp: database %d for the registry %q: there are 0 to %d", n, name, MaxDatabases-1)
		}
		if name == "" {
			return c, fmt.Errorf("resp: database %d has no registry's name", n)
		}
	}
	if c.MaxValue == 0 {
		c.MaxValue = minikv.DefaultMaxValueLen
	}
	if c.MaxClients == 0 {
		c.MaxClients = DefaultMaxClients
	}
	if c.SlowTimeout == 0 {
		c.SlowTimeout = DefaultSlowTimeout
	}
	if c.MaxBacklog == 0 {
		c.MaxBacklog = DefaultMaxBacklog
	}
	if c.MaxValue < 1 || c.MaxValue > minikv.MaxValueLen || c.MaxClients < 1 || c.MaxBacklog < 1 || c.IdleTimeout < 0 || c.SlowTimeout < 0 {
		return c, fmt.Errorf("resp: MaxValue %d, MaxClients %d, MaxBacklog %d, IdleTimeout %s, SlowTimeout %s: one is out of bounds",
			c.MaxValue, c.MaxClients, c.MaxBacklog, c.IdleTimeout, c.SlowTimeout)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// limits are what a client may send: arguments as long as the longest value or key, and as many as a batch has
// keys and values.
func (c *Config) limits() limits {
	return limits{args: 2*minikv.MaxBatchLen + 1, arg: max(c.MaxValue, 2*minikv.MaxKeyLen), command: minikv.MaxBatchBytes + 1<<20}
}
