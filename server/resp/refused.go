package resp

// reason is why something that Redis has is not offered, and what to use.
type reason = string

// Reasons that several commands share.
const (
	whyIf      reason = "each node would decide by what it knows, and two could both say yes; take the key's lock with LOCK, and write with UNDER token SET key value"
	whyCount   reason = "nodes that count at the same time would lose each other's counts, as the later write wins; take the key's lock with LOCK, GET, and UNDER token SET, or give each node a key of its own and add them up"
	whyPart    reason = "nodes that change parts of a value at the same time would lose each other's changes, as the later write wins; take the key's lock with LOCK, GET, and UNDER token SET"
	whyTx      reason = "other nodes write meanwhile, so nothing is isolated; MSET writes several keys at once on this node, and LOCK keeps others off a key"
	whyScript  reason = "a script would promise to be alone with the data, and other nodes write meanwhile; take the key's lock with LOCK, and use UNDER"
	whyType    reason = "values are strings here, merged as a whole; keep one key for each element, as list:1, and walk them with SCAN MATCH"
	whyMove    reason = "on other nodes it would be two writes that merge each by itself; GET, SET and DEL say so"
	whyPublish reason = "messages that are no change of a key are not carried to other nodes; SET a key, and SUBSCRIBE to its keyspace notifications"
	whyRepl    reason = "every node is a master, and all exchange what they have by themselves; see minikv peers and minikv sync"
	whyAdmin   reason = "the server is looked after with minikv's own commands; see minikv --help"
	whySave    reason = "writes are kept as the node was started to (minikv serve --durability); see minikv snapshot for a copy"
	whyUsers   reason = "there is one user, default, and its password is given where the node is started"
	whyDump    reason = "values are strings here; GET, PTTL and SET with PX do the same"
	whyBlock   reason = "nothing waits for a key here; SUBSCRIBE to its keyspace notifications"
	whyWait    reason = "a write is answered when it is as durable on this node as the node was started for; no number of other nodes is waited for"
)

const errSetIf = replyError("ERR SET with NX or XX is not offered: " + whyIf)

// refused are commands of Redis that are not offered.
var refused = map[string]reason{}

func init() {
	for why, names := range map[reason][]string{
		whyIf:      {"setnx", "msetnx"},
		whyCount:   {"incr", "incrby", "incrbyfloat", "decr", "decrby"},
		whyPart:    {"append", "setrange", "setbit", "bitfield"},
		whyTx:      {"multi", "exec", "discard", "watch", "unwatch"},
		whyScript:  {"eval", "eval_ro", "evalsha", "evalsha_ro", "script", "fcall", "fcall_ro", "function"},
		whyMove:    {"rename", "renamenx", "copy", "move", "swapdb"},
		whyPublish: {"publish", "spublish", "ssubscribe", "sunsubscribe", "pubsub"},
		whyRepl:    {"replicaof", "slaveof", "psync", "sync", "replconf", "role", "failover", "cluster", "asking", "readonly", "readwrite", "migrate", "restore-asking"},
		whyAdmin:   {"shutdown", "debug", "monitor", "slowlog", "latency", "memory", "module", "object", "lolwut", "pfdebug", "pfselftest"},
		whySave:    {"save", "bgsave", "bgrewriteaof", "lastsave"},
		whyUsers:   {"acl"},
		whyDump:    {"dump", "restore", "getrange", "substr", "getbit", "bitcount", "bitpos", "bitfield_ro", "bitop", "lcs", "sort", "sort_ro"},
		whyBlock:   {"blpop", "brpop", "brpoplpush", "blmove", "blmpop", "bzpopmin", "bzpopmax", "bzmpop"},
		whyWait:    {"wait", "waitaof"},
		whyType: {
			"lpush", "rpush", "lpushx", "rpushx", "lpop", "rpop", "llen", "lrange", "lindex", "lset", "linsert", "lrem", "ltrim", "lmove", "lmpop", "lpos", "rpoplpush",
			"hset", "hget", "hdel", "hlen", "hkeys", "hvals", "hgetall", "hexists", "hincrby", "hincrbyfloat", "hmget", "hmset", "hrandfield", "hscan", "hsetnx", "hstrlen",
			"sadd", "srem", "scard", "smembers", "sismember", "smismember", "smove", "spop", "srandmember", "sscan", "sdiff", "sdiffstore", "sinter", "sintercard", "sinterstore", "sunion", "sunionstore",
			"zadd", "zrem", "zcard", "zcount", "zdiff", "zdiffstore", "zincrby", "zinter", "zintercard", "zinterstore", "zlexcount", "zmpop", "zmscore", "zpopmax", "zpopmin", "zrandmember",
			"zrange", "zrangebylex", "zrangebyscore", "zrangestore", "zrank", "zremrangebylex", "zremrangebyrank", "zremrangebyscore", "zrevrange", "zrevrangebylex", "zrevrangebyscore",
			"zrevrank", "zscan", "zscore", "zunion", "zunionstore",
			"xadd", "xack", "xautoclaim", "xclaim", "xdel", "xgroup", "xinfo", "xlen", "xpending", "xrange", "xread", "xreadgroup", "xrevrange", "xsetid", "xtrim",
			"geoadd", "geodist", "geohash", "geopos", "georadius", "georadius_ro", "georadiusbymember", "georadiusbymember_ro", "geosearch", "geosearchstore",
			"pfadd", "pfcount", "pfmerge",
		},
	} {
		for _, name := range names {
			refused[name] = why
		}
	}
}
