package lwwmap_test

import (
	"cmp"
	"strings"
	"testing"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// lease is what a token stands for.
type lease struct {
	epoch uint64
	claim hlc.Timestamp
	owner uint64
}

func anyLease() *rapid.Generator[lease] {
	few := rapid.SampledFrom([]uint64{0, 1, 2, 1 << 32, 1<<64 - 2, 1<<64 - 1})
	return rapid.Custom(func(t *rapid.T) lease {
		return lease{few.Draw(t, "epoch"), hlc.Timestamp(few.Draw(t, "claim")), few.Draw(t, "owner")}
	})
}

// beats is the order of leases, said once more: higher epoch, earlier claim,
// lower owner.
func (l lease) beats(m lease) int {
	return cmp.Or(cmp.Compare(l.epoch, m.epoch), cmp.Compare(m.claim, l.claim), cmp.Compare(m.owner, l.owner))
}

func (l lease) token() lwwmap.Token { return lwwmap.MakeToken(l.epoch, l.claim, l.owner) }

func TestTokensSortAsLeasesBeatEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, m := anyLease().Draw(t, "l"), anyLease().Draw(t, "m")
		want := l.beats(m)
		require.Equal(t, want, l.token().Compare(m.token()))
		require.Equal(t, want, strings.Compare(l.token().String(), m.token().String()))
		// In the order of entries the token comes first, the renewals after it.
		x := lwwmap.Order{Fence: l.token(), Base: 5, Stamp: 1}
		y := lwwmap.Order{Fence: m.token(), Base: 3, Stamp: 2}
		require.Equal(t, cmp.Or(want, 1), x.Compare(y))
	})
}

func TestTokensTellTheirParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := anyLease().Draw(t, "l")
		token := l.token()
		require.Equal(t, l, lease{token.Epoch(), token.Claim(), token.Owner()})
		back, err := lwwmap.ParseToken(token.String())
		require.NoError(t, err)
		require.Equal(t, token, back)
		require.Len(t, token.String(), 48)
	})
	require.True(t, lwwmap.Token{}.IsZero())
	require.False(t, lwwmap.MakeToken(0, 0, 0).IsZero())
}

func TestWhatIsNoToken(t *testing.T) {
	for _, s := range []string{"", "00", strings.Repeat("0", 47), strings.Repeat("0", 49), strings.Repeat("x", 48)} {
		_, err := lwwmap.ParseToken(s)
		require.Error(t, err)
	}
}

func TestTheTokenAboveAnEpochIsNoLease(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := anyLease().Draw(t, "l")
		l.epoch %= 1 << 40
		token, above := l.token(), l.token().Above()
		require.True(t, above.IsBare())
		require.Positive(t, above.Compare(token))
		next := l
		next.epoch++
		require.LessOrEqual(t, above.Compare(next.token()), 0)
	})
	require.False(t, lwwmap.MakeToken(5, 1, 1).IsBare())
}
