package resp

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// redisVersion is the Redis whose commands and words these are. Clients choose by it what they send.
const redisVersion = "7.0.15"

// infoSections are those of INFO, in their order.
var infoSections = []struct {
	name string
	tell func(*conn, *strings.Builder)
}{
	{"Server", infoServer}, {"Clients", infoClients}, {"Memory", infoMemory}, {"Persistence", infoPersistence},
	{"Stats", infoStats}, {"Replication", infoReplication}, {"Minikv", infoMinikv}, {"Keyspace", infoKeyspace},
}

func (c *conn) infoCommand() {
	wanted := map[string]bool{}
	for i := 1; i < c.cmd.len(); i++ {
		wanted[string(lower(nil, c.cmd.arg(i)))] = true
	}
	all := len(wanted) == 0 || wanted["all"] || wanted["default"] || wanted["everything"]
	var b strings.Builder
	for _, s := range infoSections {
		if !all && !wanted[strings.ToLower(s.name)] {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\r\n")
		}
		fmt.Fprintf(&b, "# %s\r\n", s.name)
		s.tell(c, &b)
	}
	c.verbatim(b.String())
}

func infoServer(c *conn, b *strings.Builder) {
	port := 0
	up := time.Since(c.s.started)
	if p, ok := portOf(c.local); ok {
		port = p
	}
	line(b, "server_name", "minikv", "redis_version", redisVersion, "minikv_version", c.s.cfg.Version, "redis_mode", "standalone",
		"os", runtime.GOOS+" "+runtime.GOARCH, "arch_bits", itoa(32<<(^uint(0)>>63)), "go_version", runtime.Version(), "process_id", itoa(os.Getpid()),
		"tcp_port", itoa(port), "uptime_in_seconds", itoa(int(up.Seconds())), "uptime_in_days", itoa(int(up.Hours()/24)))
}

func infoClients(c *conn, b *strings.Builder) {
	all, subs := c.s.clients(), 0
	for _, o := range all {
		if o.info.subscribed.Load() {
			subs++
		}
	}
	line(b, "connected_clients", itoa(len(all)), "maxclients", itoa(c.s.cfg.MaxClients), "pubsub_clients", itoa(subs))
}

func infoMemory(_ *conn, b *strings.Builder) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	line(b, "used_memory", itoa(m.HeapAlloc), "used_memory_rss", itoa(m.Sys-m.HeapReleased), "maxmemory", "0", "maxmemory_policy", "noeviction")
}

func infoPersistence(c *conn, b *strings.Builder) {
	disk := c.s.node.Metrics().DiskBytes
	line(b, "loading", "0", "aof_enabled", "0", "rdb_changes_since_last_save", "0", "minikv_on_disk", itoa(oneIf(disk > 0)), "minikv_disk_bytes", itoa(disk))
}

func infoStats(c *conn, b *strings.Builder) {
	s, m := &c.s.stats, c.s.node.Metrics()
	line(b, "total_connections_received", itoa(s.accepted.Load()), "total_commands_processed", itoa(s.commands.Load()),
		"rejected_connections", itoa(s.rejected.Load()), "expired_keys", itoa(m.Expired), "evicted_keys", "0",
		"keyspace_hits", itoa(s.hits.Load()), "keyspace_misses", itoa(s.misses.Load()),
		"acl_access_denied_auth", itoa(s.badPasswords.Load()), "client_slow_disconnections", itoa(s.slowClosed.Load()),
		"client_idle_disconnections", itoa(s.idleClosed.Load()), "client_output_buffer_limit_disconnections", itoa(s.backlogClosed.Load()))
}

// infoReplication says what a Redis client makes decisions by: this is a master, and has no replicas in Redis's
// sense.
func infoReplication(c *conn, b *strings.Builder) {
	line(b, "role", "master", "connected_slaves", "0", "minikv_peers_connected", itoa(c.s.node.Metrics().PeersConnected))
}

func infoMinikv(c *conn, b *strings.Builder) {
	m := c.s.node.Metrics()
	line(b, "node_id", string(c.s.node.ID()), "node_name", c.s.node.Name(), "puts", itoa(m.Puts), "deletes", itoa(m.Deletes), "merged", itoa(m.Merged), "refused", itoa(m.Refused))
}

func infoKeyspace(c *conn, b *strings.Builder) {
	for n, d := range c.s.dbs {
		if d == nil {
			continue
		}
		r, err := d.registry(background)
		if err != nil {
			continue
		}
		if keys, err := r.Len(background); err == nil && keys > 0 {
			fmt.Fprintf(b, "db%d:keys=%d,registry=%s\r\n", n, keys, strings.Map(plain, d.name))
		}
	}
}

// plain keeps a name from looking like something else in a line.
func plain(r rune) rune {
	if r == ',' || r == '=' || r == ' ' {
		return '_'
	}
	return r
}

// line writes pairs of names and values.
func line(b *strings.Builder, pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(b, "%s:%s\r\n", pairs[i], oneLine(pairs[i+1]))
	}
}
