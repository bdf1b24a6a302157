package minikv_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
)

// apart are two nodes with one registry and one clock, which meet when they are told to.
type apart struct {
	t           *testing.T
	here, there *minikv.Registry
	ahead       atomic.Int64 // ns of both clocks before that of the machine
}

func newApart(t *testing.T) *apart {
	a := &apart{t: t}
	cfg := minikv.Config{
		TombstoneRetention: 10 * time.Minute,
		Clock:              func() time.Time { return time.Now().Add(time.Duration(a.ahead.Load())) },
	}
	a.here, a.there = openRegistry(t, online(t, cfg), "test"), openRegistry(t, online(t, cfg), "test")
	return a
}

func (a *apart) minutes(n int) { a.ahead.Add(int64(n) * int64(time.Minute)) }

// meet connects the two until they are equal, and parts them again.
func (a *apart) meet() {
	a.t.Helper()
	connect(a.t, a.here.Node(), a.there.Node())
	_, err := a.here.SyncPeer(within(a.t), a.there.Node().ID())
	require.NoError(a.t, err)
	requireEqual(a.t, a.here, a.there)
	disconnect(a.t, a.here.Node(), a.there.Node())
}

func (a *apart) delete(r *minikv.Registry) {
	a.t.Helper()
	require.NoError(a.t, r.Delete(context.Background(), "k"))
}

func (a *apart) lock(r *minikv.Registry) *minikv.Lease {
	a.t.Helper()
	l, err := r.TryLock(context.Background(), "k", minikv.TTL(time.Hour))
	require.NoError(a.t, err)
	return l
}

// left is whose value both hold.
func (a *apart) left() string {
	a.t.Helper()
	v := value(a.t, a.here, "k")
	require.Equal(a.t, v, value(a.t, a.there, "k"))
	if v == "" {
		return "nothing"
	}
	return v
}

// merges are the rows of the first table of docs/semantics.md: what two nodes do while they are apart, and what is left.
var merges = map[string]func(a *apart) (left string){
	"put, put later": func(a *apart) string {
		put(a.t, a.here, "k", "here")
		a.minutes(1)
		put(a.t, a.there, "k", "there")
		a.meet()
		return a.left()
	},
	"put, delete by one who saw it": func(a *apart) string {
		put(a.t, a.here, "k", "here")
		a.meet()
		a.delete(a.there)
		a.minutes(60) // the delete is forgotten one by one, and remembered all the same
		require.Eventually(a.t, func() bool { return a.there.Metrics().Tombstones == 0 }, patience, time.Millisecond)
		a.meet()
		return a.left()
	},
	"put later, delete": func(a *apart) string {
		put(a.t, a.there, "k", "there")
		a.delete(a.there)
		a.minutes(1)
		put(a.t, a.here, "k", "here")
		a.meet()
		return a.left()
	},
	"put, delete later, remembered": func(a *apart) string {
		put(a.t, a.here, "k", "here")
		put(a.t, a.there, "k", "there")
		a.minutes(1)
		a.delete(a.there)
		a.meet()
		return a.left()
	},
	"put, delete later, forgotten": func(a *apart) string {
		put(a.t, a.here, "k", "here")
		put(a.t, a.there, "k", "there")
		a.minutes(1)
		a.delete(a.there)
		a.minutes(60)
		require.Eventually(a.t, func() bool { return a.there.Metrics().Tombstones == 0 }, patience, time.Millisecond)
		a.meet()
		require.EqualValues(a.t, 1, a.there.Metrics().LateWrites, "counted")
		return a.left()
	},
	"put later, put under a lease": func(a *apart) string {
		_, err := a.lock(a.there).Put(context.Background(), []byte("there"))
		require.NoError(a.t, err)
		a.minutes(4)
		put(a.t, a.here, "k", "here")
		a.meet()
		return a.left()
	},
	"put by one who saw the lease's, put under a lease": func(a *apart) string {
		l := a.lock(a.there)
		_, err := l.Put(context.Background(), []byte("there"))
		require.NoError(a.t, err)
		require.NoError(a.t, l.Unlock(context.Background()))
		a.meet()
		put(a.t, a.here, "k", "here")
		a.meet()
		return a.left()
	},
	"claim, claim later": func(a *apart) string {
		first := a.lock(a.here)
		a.minutes(1)
		second := a.lock(a.there)
		connect(a.t, a.here.Node(), a.there.Node())
		<-second.Done()
		var lost *minikv.LeaseLostError
		require.ErrorAs(a.t, second.Err(), &lost)
		require.Equal(a.t, minikv.LostBeaten, lost.Reason)
		require.NoError(a.t, first.Err())
		require.Eventually(a.t, func() bool {
			return a.here.Metrics().OverlapsSeen+a.there.Metrics().OverlapsSeen > 0
		}, patience, time.Millisecond, "the overlap is reported")
		_, err := second.Put(context.Background(), []byte("there"))
		require.ErrorIs(a.t, err, minikv.ErrLeaseLost)
		_, err = first.Put(context.Background(), []byte("here"))
		require.NoError(a.t, err)
		requireEqual(a.t, a.here, a.there)
		return a.left()
	},
	"put that expires, anything": func(a *apart) string {
		put(a.t, a.here, "k", "here", minikv.TTL(time.Minute))
		a.meet()
		a.minutes(2)
		return a.left() // without a message
	},
}

// The rows of the table are what nodes do.
func TestTheTableOfMerges(t *testing.T) {
	rows := table(t, "Merges", 4)
	require.Len(t, rows, len(merges))
	for _, row := range rows {
		name := row[0] + ", " + row[1]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := merges[name]
			require.NotNil(t, run, "nothing tests this row")
			require.Equal(t, strings.Trim(row[2], "*"), run(newApart(t)))
		})
	}
}

// Each row of the table of failures names a test that is there.
func TestTheTableOfFailuresNamesItsTests(t *testing.T) {
	rows := table(t, "Failures", 3)
	require.Greater(t, len(rows), 15)
	for _, row := range rows {
		shown := regexp.MustCompile("`([a-z0-9/]+|\\.) (Test[A-Za-z0-9]+)`").FindStringSubmatch(row[2])
		require.NotNil(t, shown, "%s: name a test as `package TestName`", row[0])
		require.True(t, declares(t, shown[1], shown[2]), "%s: there is no %s in %s", row[0], shown[2], shown[1])
	}
}

func declares(t *testing.T, dir, test string) bool {
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		text, err := os.ReadFile(dir + "/" + f.Name())
		require.NoError(t, err)
		if strings.Contains(string(text), "\nfunc "+test+"(t *testing.T") {
			return true
		}
	}
	return false
}

// table reads the rows of the table under a heading of docs/semantics.md.
func table(t *testing.T, heading string, columns int) (rows [][]string) {
	text, err := os.ReadFile("docs/semantics.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(text), "\n## "+heading+"\n")
	require.True(t, ok, heading)
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "|") {
			continue
		}
		var cells []string
		for _, c := range strings.Split(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(c))
		}
		require.Len(t, cells, columns, line)
		rows = append(rows, cells)
	}
	if len(rows) < 3 {
		require.NoError(t, errors.New("no table under "+heading))
	}
	return rows[2:]
}
