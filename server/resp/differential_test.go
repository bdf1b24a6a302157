package resp_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/resp"
)

var (
	seedFlag     = flag.Uint64("resp.seed", 0, "seed of the differential test; 0 takes one by the clock")
	commandsFlag = flag.Int("resp.commands", 5000, "commands of the differential test, for each protocol")
)

// TestSameAsRedis sends the same random commands to Redis and to us: the answers are the same, but for those that
// docs/resp.md lists. Times that are left may differ by as much as the test may be delayed.
func TestSameAsRedis(t *testing.T) {
	socket := startRedis(t)
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	for _, c := range []struct {
		proto  int
		onDisk bool
		part   int // of the commands
	}{{2, false, 1}, {3, false, 1}, {3, true, 5}} {
		proto, commands := c.proto, *commandsFlag/c.part
		t.Run(fmt.Sprintf("RESP%d, on disk %t", proto, c.onDisk), func(t *testing.T) {
			t.Logf("replay with: go test ./server/resp -run TestSameAsRedis -resp.seed %d -resp.commands %d", seed, *commandsFlag)
			dir := ""
			if c.onDisk {
				dir = t.TempDir()
			}
			s := serveNode(t, dir, minikv.Config{Durability: minikv.DurabilityAsync}, resp.Config{Databases: map[int]string{0: "default", 1: "one"}})
			d := &differ{
				t: t, rng: rand.New(rand.NewPCG(seed, uint64(proto))), redis: dial(t, "unix", socket), ours: s.dial(),
				counts: map[string]int{},
			}
			t.Cleanup(func() {
				if n := len(d.history); t.Failed() {
					t.Logf("the last commands, with Redis's answers and ours:\n%s", strings.Join(d.history[max(n-100, 0):], "\n"))
				}
			})
			d.redis.do("FLUSHALL")
			d.redis.do("HELLO %d", proto)
			d.ours.do("HELLO %d", proto)
			for d.sent < commands {
				d.extend()
				d.step()
			}
			d.compareAll()
			d.report()
		})
	}
}

// differ sends commands to both.
type differ struct {
	t           *testing.T
	rng         *rand.Rand
	redis, ours *client
	sent        int
	counts      map[string]int // by command
	errors      int            // answers that were errors, the same ones
	history     []string
}

// extend gives both connections time for what follows.
func (d *differ) extend() {
	until := time.Now().Add(patience)
	require.NoError(d.t, d.redis.nc.SetDeadline(until))
	require.NoError(d.t, d.ours.nc.SetDeadline(until))
}

func (d *differ) pick(of ...string) string { return of[d.rng.IntN(len(of))] }

func (d *differ) one(in int) bool { return d.rng.IntN(in) == 0 }

func (d *differ) key() string {
	if d.one(30) {
		return d.pick("k*", "k[1]", "\x00\xff", "with blank", strings.Repeat("long", 200))
	}
	return fmt.Sprintf("k%d", d.rng.IntN(12))
}

func (d *differ) keys() (keys []string) {
	for range 1 + d.rng.IntN(4) {
		keys = append(keys, d.key())
	}
	return keys
}

func (d *differ) value() string {
	switch d.rng.IntN(10) {
	case 0:
		return ""
	case 1:
		return strings.Repeat("large", d.rng.IntN(20_000))
	case 2:
		return "line\r\nline\x00"
	}
	return strconv.Itoa(d.rng.IntN(1000))
}

// seconds are long, or over: in between the two servers might disagree about the present.
func (d *differ) seconds() string {
	if d.one(8) {
		return d.pick("0", "-1", "-9223372036854775808", "9223372036854775807", "abc", "1.5", "", "007")
	}
	return strconv.Itoa(100 + d.rng.IntN(1_000_000))
}

func (d *differ) millis() string {
	s := d.seconds()
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 && n < 1<<40 {
		return s + "000"
	}
	return s
}

func (d *differ) unix(ms bool) string {
	switch {
	case d.one(8):
		return d.pick("1", "0", "-5", "x")
	case !ms && d.one(20):
		return "9223372036854775807" // as milliseconds Redis would take it
	}
	at := time.Now().Unix() + int64(100+d.rng.IntN(1_000_000))
	if ms {
		return strconv.FormatInt(at*1000+int64(d.rng.IntN(1000)), 10)
	}
	return strconv.FormatInt(at, 10)
}

func (d *differ) pattern() string {
	return d.pick("*", "k*", "k?", "k1?", "k[0-3]", "k[^0-3]", "*1", `k\*`, "nothing", "k5", "*a*", "[", "")
}

// expiryOption is one of SET and GETEX, now and then a wrong one.
func (d *differ) expiryOption() []string {
	switch d.rng.IntN(8) {
	case 0, 1:
		return []string{"EX", d.seconds()}
	case 2:
		return []string{"PX", d.millis()}
	case 3:
		return []string{"EXAT", d.unix(false)}
	case 4:
		return []string{"PXAT", d.unix(true)}
	case 5:
		return []string{d.pick("EX", "PX", "EXAT", "PXAT", "WHAT")}
	}
	return nil
}

// command makes up a command.
func (d *differ) command() []string {
	type maker struct {
		weight int
		make   func() []string
	}
	makers := []maker{
		{6, func() []string { return []string{"SET", d.key(), d.value()} }},
		{8, func() []string {
			c := append([]string{"SET", d.key(), d.value()}, d.expiryOption()...)
			if d.one(3) {
				c = append(c, d.pick("GET", "KEEPTTL"))
			}
			return c
		}},
		{6, func() []string { return []string{"GET", d.key()} }},
		{2, func() []string { return []string{"SETEX", d.key(), d.seconds(), d.value()} }},
		{2, func() []string { return []string{"PSETEX", d.key(), d.millis(), d.value()} }},
		{2, func() []string { return []string{"GETSET", d.key(), d.value()} }},
		{2, func() []string { return []string{"GETDEL", d.key()} }},
		{3, func() []string {
			c := append([]string{"GETEX", d.key()}, d.expiryOption()...)
			if d.one(4) {
				c = append(c, "PERSIST")
			}
			return c
		}},
		{2, func() []string { return append([]string{"MGET"}, d.keys()...) }},
		{2, func() []string {
			c := []string{"MSET"}
			for _, k := range d.keys() {
				c = append(c, k, d.value())
			}
			if d.one(8) {
				c = c[:len(c)-1]
			}
			return c
		}},
		{2, func() []string { return append([]string{"DEL"}, d.keys()...) }},
		{1, func() []string { return append([]string{"UNLINK"}, d.keys()...) }},
		{2, func() []string { return append([]string{"EXISTS"}, d.keys()...) }},
		{1, func() []string { return append([]string{"TOUCH"}, d.keys()...) }},
		{8, func() []string {
			name := d.pick("EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT")
			n := map[string]func() string{
				"EXPIRE": d.seconds, "PEXPIRE": d.millis, "EXPIREAT": func() string { return d.unix(false) }, "PEXPIREAT": func() string { return d.unix(true) },
			}[name]()
			c := []string{name, d.key(), n}
			for d.one(3) {
				c = append(c, d.pick("NX", "XX", "GT", "LT", "gt", "WHAT"))
			}
			return c
		}},
		{4, func() []string { return []string{d.pick("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"), d.key()} }},
		{2, func() []string { return []string{"PERSIST", d.key()} }},
		{1, func() []string { return []string{"TYPE", d.key()} }},
		{2, func() []string { return []string{"STRLEN", d.key()} }},
		{1, func() []string { return []string{"KEYS", d.pattern()} }},
		{2, func() []string {
			c := []string{"SCAN", "0"}
			if d.one(2) {
				c = append(c, "MATCH", d.pattern())
			}
			if d.one(2) {
				c = append(c, "COUNT", d.pick("1", "3", "1000", "0", "x"))
			}
			if d.one(4) {
				c = append(c, "TYPE", d.pick("string", "list"))
			}
			if d.one(10) {
				c = append(c, "MATCH")
			}
			return c
		}},
		{1, func() []string { return []string{"SCAN", d.pick("x", "1x", " 1")} }},
		{1, func() []string { return []string{"DBSIZE"} }},
		{1, func() []string { return []string{"RANDOMKEY"} }},
		{1, func() []string { return []string{"PING", d.value()}[:1+d.rng.IntN(2)] }},
		{1, func() []string { return []string{"ECHO", d.value()} }},
		{1, func() []string { return []string{"SELECT", d.pick("0", "0", "0", "1", "99", "-1", "x")} }},
		{1, func() []string { return []string{"CLIENT", d.pick("GETNAME", "NOSUCH")} }},
		{1, func() []string { return []string{"CLIENT", "SETNAME", d.pick("me", "with blank", "")} }},
		{1, func() []string { return []string{"HELLO", d.pick("1", "4", "x", "2x")} }},
		{1, func() []string { return []string{"AUTH", "x"} }},
		{1, func() []string { return []string{d.pick("NOSUCH", "S\x00T", "nosuch\r\n"), d.value(), d.key()} }},
		{1, func() []string {
			if d.one(4) {
				return []string{d.pick("FLUSHDB", "FLUSHALL")}
			}
			return []string{"FLUSHDB", "WHAT"}
		}},
		{1, func() []string { return []string{"CONFIG", d.pick("GET", "NOSUCH")} }},
	}
	total := 0
	for _, m := range makers {
		total += m.weight
	}
	n := d.rng.IntN(total)
	for _, m := range makers {
		if n -= m.weight; n < 0 {
			return d.spoil(m.make())
		}
	}
	panic("unreachable")
}

// spoil now and then changes the case of a name, or the number of words.
func (d *differ) spoil(c []string) []string {
	switch d.rng.IntN(20) {
	case 0:
		c[0] = strings.ToLower(c[0])
	case 1:
		c = c[:1+d.rng.IntN(len(c))]
	case 2:
		if c[0] != "HELLO" && c[0] != "FLUSHDB" && c[0] != "FLUSHALL" {
			c = append(c, d.pick("x", "99999")) // long, where it comes to be an expiry
		}
	}
	return c
}

// step sends one command, or some in a pipeline, and compares the answers.
func (d *differ) step() {
	if d.one(40) {
		d.expireNow()
		return
	}
	n := 1
	if d.one(5) {
		n += d.rng.IntN(30)
	}
	var all [][]string
	var in []byte
	for len(all) < n {
		c := d.command()
		if name := strings.ToUpper(c[0]); n > 1 && (name == "SCAN" || name == "RANDOMKEY" || name == "DBSIZE") {
			continue // what follows looks at what there is after it
		}
		all = append(all, c)
		in = append(in, encode(c...)...)
	}
	d.redis.raw(string(in))
	d.ours.raw(string(in))
	for _, c := range all {
		d.count(c)
		theirs, ours := d.redis.answer(), d.ours.answer()
		d.history = append(d.history, fmt.Sprintf("%.60q: %.60q, %.60q", c, theirs, ours))
		d.compare(c, theirs, ours)
	}
}

func (d *differ) compare(c []string, theirs, ours string) {
	name := strings.ToUpper(c[0])
	switch {
	case theirs[0] == '-':
		d.errors++
		require.Equal(d.t, theirs, ours, "%q", c)
	case name == "TTL" || name == "EXPIRETIME":
		d.near(theirs, ours, 2, c)
	case name == "PTTL" || name == "PEXPIRETIME":
		d.near(theirs, ours, 2000, c)
	case name == "KEYS":
		require.Equal(d.t, sorted(theirs), sorted(ours), "%q", c)
	case name == "RANDOMKEY":
		d.member(ours, theirs)
	case name == "DBSIZE":
		keys := d.ours.do("KEYS *")
		require.Equal(d.t, sorted(d.redis.do("KEYS *")), sorted(keys), "%q", c)
		require.Equal(d.t, fmt.Sprintf(":%d", countOf(keys)), ours, "Redis counts also what has expired and was not looked at since")
	case name == "SCAN":
		require.Equal(d.t, d.scan(d.redis, theirs, c), d.scan(d.ours, ours, c), "%q", c)
	case name == "CONFIG", name == "HELLO", name == "CLIENT" && len(c) > 1 && strings.EqualFold(c[1], "ID"):
	default:
		require.Equal(d.t, theirs, ours, "%q", c)
	}
}

func (d *differ) count(c []string) {
	d.sent++
	d.counts[strings.ToUpper(c[0])]++
}

func (d *differ) both(words ...string) (theirs, ours string) {
	d.count(words)
	d.redis.send(words...)
	d.ours.send(words...)
	return d.redis.answer(), d.ours.answer()
}

// expireNow sets something that expires in a moment, and waits until it has for both.
func (d *differ) expireNow() {
	key := d.key()
	theirs, ours := d.both("SET", key, "v", "PX", "5")
	require.Equal(d.t, theirs, ours)
	require.Eventually(d.t, func() bool {
		theirs, ours := d.redis.words("GET", key), d.ours.words("GET", key)
		return theirs == "nil" && ours == "nil"
	}, patience, time.Millisecond)
}

// near compares times, of which no two are taken in the same moment.
func (d *differ) near(theirs, ours string, within float64, c []string) {
	a, err1 := strconv.ParseFloat(strings.TrimPrefix(theirs, ":"), 64)
	b, err2 := strconv.ParseFloat(strings.TrimPrefix(ours, ":"), 64)
	require.NoError(d.t, err1, theirs)
	require.NoError(d.t, err2, ours)
	if a < 0 || b < 0 {
		require.Equal(d.t, theirs, ours, "%q", c)
		return
	}
	require.InDelta(d.t, a, b, within, "%q", c)
}

// member checks that a random key is one of those there.
func (d *differ) member(ours, theirs string) {
	if theirs == "nil" {
		require.Equal(d.t, "nil", ours)
		return
	}
	require.Equal(d.t, ":1", d.redis.words("EXISTS", strings.TrimPrefix(ours, "$")))
}

// scan goes on with a scan to its end, and returns its keys in order, each once.
func (d *differ) scan(c *client, reply string, command []string) []string {
	seen := map[string]bool{}
	for {
		head, rest, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(reply, "[$"), "]]"), ", [")
		require.True(d.t, ok, reply)
		for _, k := range strings.Split(rest, ", ") {
			if k != "" {
				seen[k] = true
			}
		}
		if head == "0" {
			var keys []string
			for k := range seen {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			return keys
		}
		next := slices.Clone(command)
		next[1] = head
		reply = c.words(next...)
	}
}

// countOf is the number of elements of an array.
func countOf(array string) int {
	if array == "[]" {
		return 0
	}
	return len(sorted(array))
}

func sorted(array string) []string {
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(array, "["), "]"), ", ")
	slices.Sort(parts)
	return parts
}

// compareAll compares all that both hold.
func (d *differ) compareAll() {
	for _, db := range []string{"0", "1"} {
		d.both("SELECT", db)
		theirs, ours := d.both("KEYS", "*")
		require.Equal(d.t, sorted(theirs), sorted(ours))
		for _, k := range sorted(theirs) {
			k = strings.TrimPrefix(k, "$")
			theirs, ours := d.both("GET", k)
			require.Equal(d.t, theirs, ours)
			theirs, ours = d.both("PEXPIRETIME", k)
			d.near(theirs, ours, 2000, []string{k})
		}
	}
}

// report logs what was done, and makes sure that it was something.
func (d *differ) report() {
	var lines []string
	for name, n := range d.counts {
		lines = append(lines, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(lines)
	d.t.Logf("%d commands, %d of them answered with the same error: %q", d.sent, d.errors, lines)
	require.Greater(d.t, d.errors, d.sent/50)
	require.Less(d.t, d.errors, d.sent/2)
	if d.sent >= 5000 {
		for _, name := range []string{"SET", "GET", "SETEX", "PSETEX", "GETSET", "GETDEL", "GETEX", "MGET", "MSET", "DEL", "UNLINK", "EXISTS", "TOUCH", "EXPIRE", "PEXPIRE",
			"EXPIREAT", "PEXPIREAT", "TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "PERSIST", "TYPE", "STRLEN", "KEYS", "SCAN", "DBSIZE", "RANDOMKEY", "FLUSHDB", "PING", "ECHO", "SELECT"} {
			require.Positive(d.t, d.counts[name], name)
		}
	}
}
