package resp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/minikv/minikv/server/resp"
)

// readAll reads all commands of an input that comes in parts.
func readAll(from io.Reader) (cmds [][]string, r *resp.Reader, err error) {
	r = resp.NewReader(false)
	for {
		words, _, ok, err := r.Next()
		if err != nil {
			return cmds, r, err
		}
		if ok {
			cmds = append(cmds, words)
			continue
		}
		if n, err := r.Fill(from); err != nil && n == 0 {
			if errors.Is(err, io.EOF) {
				return cmds, r, nil
			}
			return cmds, r, err
		}
	}
}

func TestReader(t *testing.T) {
	for in, want := range map[string][][]string{
		"*1\r\n$4\r\nPING\r\n":                           {{"PING"}},
		"*2\r\n$3\r\nGET\r\n$0\r\n\r\n":                  {{"GET", ""}},
		"*0\r\n*-1\r\n\r\n\r\n*1\r\n$1\r\na\r\n":         {{"a"}},
		"PING\r\nGET  a \n":                              {{"PING"}, {"GET", "a"}},
		`SET "a b" 'c d' "\x41\n\"" 'it\'s'` + "\r\n":    {{"SET", "a b", "c d", "A\n\"", "it's"}},
		`E "\t\b\a\r\\\xZZ\x4"` + "\n":                   {{"E", "\t\b\a\r\\xZZx4"}},
		"SET k \"\"\r\n":                                 {{"SET", "k", ""}},
		"*1\r\n$4\r\nPING":                               nil,
		"*2\r\n$4\r\nECHO\r\n$6\r\n\r\n$3\r\n\r\nECHO\n": {{"ECHO", "\r\n$3\r\n"}, {"ECHO"}},
	} {
		for _, whole := range []bool{true, false} {
			from := io.Reader(strings.NewReader(in))
			if !whole {
				from = iotest.OneByteReader(from)
			}
			got, _, err := readAll(from)
			require.NoError(t, err, "%q", in)
			require.Equal(t, want, got, "%q", in)
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"*x\r\n":                                    "Protocol error: invalid multibulk length",
		"*200002\r\n":                               "Protocol error: invalid multibulk length",
		"*9223372036854775808\r\n":                  "Protocol error: invalid multibulk length",
		"*1\r\nPING\r\n":                            "Protocol error: expected '$', got 'P'",
		"*1\r\n$-1\r\n":                             "Protocol error: invalid bulk length",
		"*1\r\n$x\r\n":                              "Protocol error: invalid bulk length",
		"*1\r\n$2147483648\r\n":                     "Protocol error: invalid bulk length",
		"*1\r\n$4\r\nPINGPING":                      "Protocol error: expected the end of a line after an argument",
		"GET \"a\r\n":                               "Protocol error: unbalanced quotes in request",
		"GET 'a'b\r\n":                              "Protocol error: unbalanced quotes in request",
		strings.Repeat("a", 70_000):                 "Protocol error: too big inline request",
		"*" + strings.Repeat("1", 70_000):           "Protocol error: too big mbulk count string",
		"*1\r\n$" + strings.Repeat("1", 70_000):     "Protocol error: too big bulk count string",
		"*100\r\n" + bulks(100, 1_000_000)[:66<<20]: "Protocol error: too big command",
	} {
		_, _, err := readAll(strings.NewReader(in))
		require.EqualError(t, err, want, "%.40q", in)
	}
}

func bulks(n, size int) string {
	return strings.Repeat(fmt.Sprintf("$%d\r\n%s\r\n", size, strings.Repeat("v", size)), n)
}

// TestReaderReadsPastWhatIsTooLong: the client gets an answer, and the connection goes on.
func TestReaderReadsPastWhatIsTooLong(t *testing.T) {
	in := "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n" + bulks(1, 3<<20) + "*1\r\n$4\r\nPING\r\n"
	r := resp.NewReader(false)
	from := strings.NewReader(in)
	var got []string
	for len(got) < 2 {
		words, tooLong, ok, err := r.Next()
		require.NoError(t, err)
		if ok {
			got = append(got, fmt.Sprint(words, tooLong))
			continue
		}
		_, err = r.Fill(from)
		require.NoError(t, err)
	}
	require.Equal(t, []string{"[SET k ] 3145728", "[PING] 0"}, got)
	require.LessOrEqual(t, r.Memory(), 64<<10)
}

// TestReaderOfStrangers: without the password little is taken.
func TestReaderOfStrangers(t *testing.T) {
	for in, want := range map[string]string{
		"*11\r\n":                   "Protocol error: unauthenticated multibulk length",
		"*1\r\n$16385\r\n":          "Protocol error: unauthenticated bulk length",
		"a b c d e f g h i j k\r\n": "Protocol error: unauthenticated multibulk length",
	} {
		r := resp.NewReader(true)
		_, err := r.Fill(strings.NewReader(in))
		require.NoError(t, err)
		_, _, _, err = r.Next()
		require.EqualError(t, err, want)
	}
}

// TestAnnouncementsCostNothing: 2 GB, or a hundred thousand arguments, are only numbers.
func TestAnnouncementsCostNothing(t *testing.T) {
	for _, in := range []string{"*200001\r\n$1048576\r\n", "*2\r\n$3\r\nGET\r\n$536870912\r\n", "*200001\r\n$0\r\n\r\n"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, r, err := readAll(strings.NewReader(in))
		runtime.ReadMemStats(&after)
		require.NoError(t, err)
		require.LessOrEqual(t, r.Memory(), 16<<10)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10))
	}
}

// TestReaderSplitsAnywhere: however the input is cut, the commands are what was sent.
func TestReaderSplitsAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 30), 1, 8)
		var want [][]string
		var in []byte
		for _, cmd := range rapid.SliceOfN(words, 0, 20).Draw(t, "commands") {
			var texts []string
			for _, w := range cmd {
				texts = append(texts, string(w))
			}
			want = append(want, texts)
			in = append(in, encode(texts...)...)
		}
		got, _, err := readAll(&cutter{in, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "cuts"), 0))})
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestParseInt(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 42, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1} {
		got, ok := resp.ParseInt([]byte(strconv.FormatInt(n, 10)))
		require.True(t, ok)
		require.Equal(t, n, got)
	}
	for _, s := range []string{"", "-", "+1", "01", "-0", " 1", "1 ", "1x", "9223372036854775808", "-9223372036854775809", "99999999999999999999"} {
		_, ok := resp.ParseInt([]byte(s))
		require.False(t, ok, "%q", s)
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true}, {"*", "abc", true}, {"", "", true}, {"", "a", false},
		{"a?c", "abc", true}, {"a?c", "ac", false}, {"?", "", false},
		{"a[bc]d", "acd", true}, {"a[bc]d", "aed", false}, {"a[^bc]d", "aed", true}, {"a[^bc]d", "abd", false},
		{"[a-c]", "b", true}, {"[c-a]", "b", true}, {"[a-c]", "d", false}, {`[\]]`, "]", true}, {"[", "[", false},
		{`\*`, "*", true}, {`\*`, "a", false}, {`a\`, `a\`, true},
		{"a*b*c", "aXXbYYc", true}, {"a*b*c", "aXXcYYb", false}, {"**a", "bba", true},
		{"user:*:name", "user:12:name", true}, {"user:*:name", "user:12:names", false},
	} {
		require.Equal(t, c.want, resp.Glob(c.pattern, c.text), "%q %q", c.pattern, c.text)
	}
	evil, text := strings.Repeat("a*", 200)+"b", strings.Repeat("a", 1024)
	require.False(t, resp.Glob(evil, text), "and it takes no time to find out")
}

func TestLiteralPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*?\\\[\]]{0,8}`).Draw(t, "pattern")
		text := rapid.StringMatching(`[ab*?\\\[\]]{0,8}`).Draw(t, "text")
		prefix, whole := resp.LiteralPrefix(pattern)
		if resp.Glob(pattern, text) {
			require.True(t, strings.HasPrefix(text, prefix))
			require.True(t, !whole || text == prefix)
		}
		if whole {
			require.True(t, resp.Glob(pattern, prefix))
		}
	})
}

// FuzzReader: whatever comes, nothing panics, memory follows what came, and how it was cut makes no difference.
func FuzzReader(f *testing.F) {
	for _, in := range []string{
		"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "PING\r\n", "*1\r\n$2147483647\r\n", "*2147483647\r\n", "SET 'a\\'b' \"\\x00\"\r\n",
		"*3\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n", "*1\r\n$1048577\r\nabc", "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		f.Add([]byte(in), uint64(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		whole, r, err1 := readAll(bytes.NewReader(in))
		require.LessOrEqual(t, r.Memory(), 64<<10+8*len(in))
		rng := rand.New(rand.NewPCG(seed, 0))
		parts, r, err2 := readAll(&cutter{in, rng})
		require.LessOrEqual(t, r.Memory(), 64<<10+8*len(in))
		require.Equal(t, whole, parts)
		require.Equal(t, err1, err2)
	})
}

// cutter gives its bytes in parts of random length.
type cutter struct {
	rest []byte
	rng  *rand.Rand
}

func (c *cutter) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.rest[:1+c.rng.IntN(len(c.rest))])
	c.rest = c.rest[n:]
	return n, nil
}
