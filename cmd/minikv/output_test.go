package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestNothingForeignDrivesTheTerminal: keys and values come from other nodes.
func TestNothingForeignDrivesTheTerminal(t *testing.T) {
	require.Equal(t, "de/hamburg é", printable("de/hamburg é"))
	require.Equal(t, `"\x1b[2J"`, printable("\x1b[2J"))
	require.Equal(t, "a\n\tb", printableText("a\n\tb"))
	require.Equal(t, `"\r\x1b]0;x\a"`, printableText("\r\x1b]0;x\a"))
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SliceOf(rapid.Byte()).Draw(t, "s")
		for _, out := range []string{printable(string(s)), shortValue(s)} {
			require.True(t, utf8.ValidString(out))
			require.NotContains(t, out, "\x1b")
			require.NotContains(t, out, "\n")
			require.Less(t, len(shortValue(s)), 4*80+40)
		}
	})
	require.Equal(t, strings.Repeat("é", 40)+"… (200 bytes)", shortValue([]byte(strings.Repeat("é", 100))))
	require.Equal(t, "x"+strings.Repeat("é", 39)+"… (201 bytes)", shortValue([]byte("x"+strings.Repeat("é", 100))))
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		require.Equal(t, want, count(n))
	}
}

func TestScoreText(t *testing.T) {
	for score, text := range map[float64]string{0: "0", -1.9998958: "-2", -0.04: "0", -12.34: "-12.3", -1e9: "-1000000000"} {
		require.Equal(t, text, scoreText(score))
	}
}

func TestAgo(t *testing.T) {
	now := time.Unix(1000, 0)
	then := now.Add(-90 * time.Second)
	require.Equal(t, "1m30s ago", ago(&then, now))
	require.Equal(t, "never", ago(nil, now))
}

func TestBestAddr(t *testing.T) {
	lo, lan, quic, six := "/ip4/127.0.0.1/tcp/1/p2p/X", "/ip4/192.0.2.7/tcp/1/p2p/X", "/ip4/192.0.2.7/udp/1/quic-v1/p2p/X", "/ip6/2001:db8::1/tcp/1/p2p/X"
	require.Equal(t, lan, bestAddr([]string{lo, six, quic, lan}))
	require.Equal(t, six, bestAddr([]string{lo, quic, six}))
	require.Equal(t, quic, bestAddr([]string{lo, quic}))
	require.Equal(t, lo, bestAddr([]string{"/ip6/::1/tcp/1/p2p/X", lo}))
	require.Equal(t, "/dns4/example.org/tcp/1", bestAddr([]string{lo, "/dns4/example.org/tcp/1", "odd"}))
	require.Empty(t, bestAddr(nil))
	require.True(t, isLoopback(lo))
	require.False(t, isLoopback("x"))
}

func TestQuoteShell(t *testing.T) {
	require.Equal(t, "cities", quoteShell("cities"))
	require.Equal(t, "'two words'", quoteShell("two words"))
	require.Equal(t, `'it'\''s'`, quoteShell("it's"))
	require.Equal(t, "''", quoteShell(""))
	require.Equal(t, "go run ./cmd/minikv", programName("/tmp/go-build123/b001/exe/minikv"))
	require.Equal(t, "go run ./cmd/minikv", programName("/home/x/.cache/go-build/08/"+strings.Repeat("0a", 32)+"-d/minikv"), "the second time")
	require.Equal(t, "go run ./cmd/minikv", programName("/cache/08/"+strings.Repeat("0a", 32)+"-d/minikv"))
	require.Equal(t, "./minikv", programName("./minikv"))
}

func TestProgress(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, 200)
	p.show(1)
	require.Empty(t, out.String(), "no terminal, no progress")
	p = &progress{w: &out, size: 200, read: 100, start: time.Now().Add(-time.Second)}
	p.show(1500)
	require.Regexp(t, `^\r 50%  1,500 records, 1,\d\d\d/s \x1b\[K$`, out.String())
	shown := out.Len()
	p.show(1501)
	require.Len(t, out.String(), shown, "ten times a second at most")
	p.clear()
	require.True(t, strings.HasSuffix(out.String(), "\r\x1b[K"))
}

func TestIsTerminal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	require.NoError(t, err)
	defer f.Close()
	require.False(t, isTerminal(f))
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	require.False(t, isTerminal(null))
	f.Close()
	require.False(t, isTerminal(f))
}
