package ticket_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/minikv/minikv/ticket"
)

const (
	alice = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
	bob   = "12D3KooWHFrmLWTTDD4NodngtRMEVYgxrsDMp4F9iSwYntZ9WjHa"
)

func sample() *ticket.Ticket {
	t := &ticket.Ticket{
		Name: "cities", Rights: ticket.Write, Expires: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
		Secret: [32]byte{1}, Seed: [32]byte{2}, Signature: [64]byte{3},
		Addrs: []string{
			"/ip4/192.0.2.7/tcp/7420/p2p/" + alice, "/ip4/192.0.2.7/udp/7420/quic-v1/p2p/" + alice,
			"/ip6/2001:db8::1/tcp/7420/p2p/" + alice, "/ip4/198.51.100.1/tcp/4001/p2p/" + bob + "/p2p-circuit/p2p/" + alice, "/dns4/example.com/tcp/7420/p2p/" + bob,
		},
	}
	t.Owner = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{4}, 32)).Public().(ed25519.PublicKey)
	return t
}

func ownerSample() *ticket.Ticket {
	t := sample()
	t.Rights, t.OwnerSeed = ticket.Owner, [32]byte(bytes.Repeat([]byte{4}, 32))
	return t
}

func encode(t testing.TB, x *ticket.Ticket) string {
	text, err := ticket.Encode(x)
	require.NoError(t, err)
	return text
}

func Example() {
	text, _ := ticket.Encode(sample())
	pasted := "“" + strings.ToUpper(text[:60]) + "\n  " + text[60:] + "”"
	t, err := ticket.Decode(pasted)
	fmt.Println(t, "until", t.Expires.Format(time.DateOnly), err)
	fmt.Println(t.Addrs[0])
	// Output:
	// write ticket for "cities" until 2026-12-01 <nil>
	// /ip4/192.0.2.7/tcp/7420/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN
}

// Tickets that were written once can be read for ever.
func TestGoldenTickets(t *testing.T) {
	for text, want := range map[string]*ticket.Ticket{goldenWrite: sample(), goldenOwner: ownerSample()} {
		require.Equal(t, text, encode(t, want))
		got, err := ticket.Decode(text)
		require.NoError(t, err)
		require.Equal(t, *want, *got)
	}
}

func TestAReadTicketNeverExpiresIfItDoesNotSay(t *testing.T) {
	want := sample()
	want.Rights, want.Expires, want.Addrs = ticket.Read, time.Time{}, nil
	got, err := ticket.Decode(encode(t, want))
	require.NoError(t, err)
	require.Equal(t, *want, *got)
}

func TestTicketsSurviveChatPrograms(t *testing.T) {
	text := encode(t, sample())
	broken := func(n int, with string) string {
		var b strings.Builder
		for i, c := range text {
			if i > 0 && i%n == 0 {
				b.WriteString(with)
			}
			b.WriteRune(c)
		}
		return b.String()
	}
	for name, pasted := range map[string]string{
		"as it is":          text,
		"capitals":          strings.ToUpper(text),
		"line breaks":       broken(76, "\r\n"),
		"indented":          "   " + broken(40, "\n\t   "),
		"zero width":        "\ufeff" + broken(9, "\u200b") + "\u200e",
		"soft hyphens":      broken(30, "\u00ad"),
		"no-break spaces":   broken(20, "\u00a0"),
		"quotes":            `"` + text + `"`,
		"curly quotes":      "“" + text + "”",
		"guillemets":        "« " + text + " »",
		"code":              "```\n" + text + "\n```",
		"bold":              "**" + text + "**",
		"brackets":          "<" + text + ">",
		"letters as digits": text[:7] + strings.NewReplacer("0", "O", "1", "l").Replace(text[7:]),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ticket.Decode(pasted)
			require.NoError(t, err)
			require.Equal(t, *sample(), *got)
		})
	}
}

func TestDamageIsFound(t *testing.T) {
	text := encode(t, sample())
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	for i := 7; i < len(text); i++ { // one character at a time
		other := alphabet[(strings.IndexByte(alphabet, text[i])+1+i%30)%32]
		_, err := ticket.Decode(text[:i] + string(other) + text[i+1:])
		require.ErrorIs(t, err, ticket.ErrDamaged, i)
		_, err = ticket.Decode(text[:i])
		require.Error(t, err)
		if i+1 < len(text) && text[i] != text[i+1] {
			_, err = ticket.Decode(text[:i] + text[i+1:i+2] + text[i:i+1] + text[i+2:])
			require.ErrorIs(t, err, ticket.ErrDamaged, i)
		}
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	text := encode(t, sample())
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"empty":         {"", ticket.ErrNone},
		"other":         {"hello there", ticket.ErrNone},
		"the word":      {"minikv1", ticket.ErrNone},
		"cut":           {text[:len(text)/2], ticket.ErrDamaged},
		"begins late":   {text[3:], ticket.ErrNone},
		"twice":         {text + text, ticket.ErrDamaged},
		"punctuation":   {text[:50] + "." + text[50:], ticket.ErrDamaged},
		"letter u":      {text[:50] + "u" + text[51:], ticket.ErrDamaged},
		"later form":    {"minikv2" + text[7:], ticket.ErrVersion},
		"too long":      {text + strings.Repeat(" ", ticket.MaxText), ticket.ErrNone},
		"not UTF-8":     {text[:50] + "\xff" + text[50:], ticket.ErrDamaged},
		"later version": {goldenLater, ticket.ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ticket.Decode(c.text)
			require.ErrorIs(t, err, c.want)
			require.NotContains(t, err.Error(), text[20:40])
		})
	}
}

func TestWhatCannotBeATicketIsNotWritten(t *testing.T) {
	for name, change := range map[string]func(*ticket.Ticket){
		"rights":     func(x *ticket.Ticket) { x.Rights = 4 },
		"no rights":  func(x *ticket.Ticket) { x.Rights = 0 },
		"no name":    func(x *ticket.Ticket) { x.Name = "" },
		"long name":  func(x *ticket.Ticket) { x.Name = strings.Repeat("x", 256) },
		"no owner":   func(x *ticket.Ticket) { x.Owner = nil },
		"1969":       func(x *ticket.Ticket) { x.Expires = time.Unix(-1, 0) },
		"no address": func(x *ticket.Ticket) { x.Addrs = []string{"here"} },
		"no peer":    func(x *ticket.Ticket) { x.Addrs = []string{"/ip4/192.0.2.7/tcp/7420"} },
		"peer alone": func(x *ticket.Ticket) { x.Addrs = []string{"/p2p/" + alice} },
		"many addrs": func(x *ticket.Ticket) { x.Addrs = many(9, 1) },
		"many peers": func(x *ticket.Ticket) { x.Addrs = many(1, 9) },
		"not UTF-8":  func(x *ticket.Ticket) { x.Name = "\xff" },
		"an address…": func(x *ticket.Ticket) {
			x.Addrs = []string{"/dns4/" + strings.Repeat("x", 300) + "/tcp/1/p2p/" + alice}
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := sample()
			change(x)
			_, err := ticket.Encode(x)
			require.Error(t, err)
		})
	}
}

// many makes addresses of several peers.
func many(addrs, peers int) (all []string) {
	for p := range peers {
		id := alice
		if p > 0 {
			id = fmt.Sprintf("%s%c%s", bob[:20], "123456789ABC"[p], bob[21:])
		}
		for a := range addrs {
			all = append(all, fmt.Sprintf("/ip4/192.0.2.%d/tcp/%d/p2p/%s", a, p+1, id))
		}
	}
	return all
}

func TestTheLongestTicketIsReadable(t *testing.T) {
	x := sample()
	x.Name = strings.Repeat("ü", 127)
	x.Addrs = many(ticket.MaxAddrs, ticket.MaxPeers)
	text := encode(t, x)
	require.Less(t, len(text), ticket.MaxText)
	got, err := ticket.Decode(text)
	require.NoError(t, err)
	require.Equal(t, *x, *got)
}

func TestNoSecretIsPrinted(t *testing.T) {
	x := sample()
	for _, verb := range []string{"%v", "%+v", "%s", "%#v"} {
		require.Equal(t, `write ticket for "cities"`, fmt.Sprintf(verb, x))
	}
}

func TestTicketsOfAnyContent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x := sample()
		x.Name = rapid.StringN(1, 60, 255).Draw(rt, "name")
		x.Rights = rapid.SampledFrom([]ticket.Rights{ticket.Read, ticket.Write}).Draw(rt, "rights")
		x.Secret = [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(rt, "secret"))
		x.Addrs = nil
		got, err := ticket.Decode(encode(t, x))
		require.NoError(t, err)
		require.Equal(t, *x, *got)
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(goldenWrite)
	f.Add(goldenOwner)
	f.Add(goldenLater)
	f.Add("minikv1 abc")
	f.Fuzz(func(t *testing.T, text string) {
		x, err := ticket.Decode(text)
		if err != nil {
			return
		}
		again := encode(t, x)
		y, err := ticket.Decode(again)
		require.NoError(t, err)
		require.Equal(t, *x, *y)
	})
}

// FuzzBytes gives the decoder bytes with a checksum that fits, so that it looks at them.
func FuzzBytes(f *testing.F) {
	f.Add(ticket.Bytes(goldenWrite))
	f.Add(ticket.Bytes(goldenOwner))
	f.Fuzz(func(t *testing.T, b []byte) {
		text := ticket.TextOf(b)
		if len(text) > ticket.MaxText {
			return
		}
		x, err := ticket.Decode(text)
		if err != nil {
			return
		}
		require.Equal(t, text, encode(t, x))
	})
}

// The code is read back with another library by hand; here, that it stays that code.
func TestQR(t *testing.T) {
	code, err := ticket.QR(goldenWrite)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(code, "\n"), "\n")
	for _, l := range lines {
		require.Len(t, []rune(l), 2*len(lines)-1)
	}
	require.Equal(t, goldenQR, digest(code))
	_, err = ticket.QR(strings.Repeat("x", 5000))
	require.Error(t, err)
}
