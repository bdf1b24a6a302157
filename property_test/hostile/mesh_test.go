package hostile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/property_test/hostile"
	"github.com/minikv/minikv/seal"
	"github.com/minikv/minikv/ticket"

	"crypto/ed25519"
)

const (
	maxSkew = 5 * time.Second
	// floor is below what no time is held to twice the quiet one: machines have other things to do.
	floor = 2 * time.Second
)

// mesh is some honest nodes with a private registry, and what they wrote.
type mesh struct {
	t       *testing.T
	regs    []*minikv.Registry
	tickets map[string]string
	round   int
	want    map[string][]byte // what is to be there, shared keys apart
	quiet   time.Duration     // the longest of some rounds without attackers
	effort  time.Duration     // of processors, for such a round
	conduct map[string]map[string]uint64
	banned  map[string]bool
	config  minikv.Config // of each node
	mu      sync.Mutex    // guards conduct and banned
}

var ctx = context.Background()

func config() minikv.Config {
	return minikv.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, SyncInterval: 500 * time.Millisecond, MaxClockSkew: maxSkew, Logger: logger()}
}

func newMesh(t *testing.T, n int) *mesh { return newMeshOf(t, n, config()) }

func newMeshOf(t *testing.T, n int, cfg minikv.Config) *mesh {
	m := &mesh{t: t, want: map[string][]byte{}, conduct: map[string]map[string]uint64{}, banned: map[string]bool{}, config: cfg}
	m.regs = append(m.regs, m.open(cfg, func(n *minikv.Node) (*minikv.Registry, error) { return n.Registry(ctx, "test") }))
	m.tickets = map[string]string{
		hostile.TicketRead:    m.ticket(minikv.RightsRead),
		hostile.TicketWrite:   m.ticket(minikv.RightsWrite),
		hostile.TicketExpired: expired(t, m.ticket(minikv.RightsOwner)),
	}
	other, err := minikv.Open(ctx, "", config())
	require.NoError(t, err)
	defer other.Close()
	wrong, err := other.Registry(ctx, "test")
	require.NoError(t, err)
	m.tickets[hostile.TicketWrong], err = wrong.Ticket(ctx, minikv.TicketOptions{Rights: minikv.RightsWrite})
	require.NoError(t, err)
	for range n - 1 {
		m.join()
	}
	m.calibrate()
	return m
}

// calibrate measures rounds of work without attackers.
func (m *mesh) calibrate() {
	const rounds = 3
	before := effort(m.t)
	for range rounds {
		m.quiet = max(m.quiet, m.work())
	}
	m.effort = (effort(m.t) - before) / rounds
}

func (m *mesh) open(cfg minikv.Config, registry func(*minikv.Node) (*minikv.Registry, error)) *minikv.Registry {
	m.t.Helper()
	n, err := minikv.Open(ctx, "", cfg)
	require.NoError(m.t, err)
	m.t.Cleanup(func() { require.NoError(m.t, n.Close()) })
	r, err := registry(n)
	require.NoError(m.t, err)
	return r
}

func (m *mesh) ticket(rights minikv.Rights) string {
	m.t.Helper()
	text, err := m.regs[0].Ticket(ctx, minikv.TicketOptions{Rights: rights})
	require.NoError(m.t, err)
	return text
}

// expired makes a ticket for writing that was over an hour ago.
func expired(t *testing.T, owner string) string {
	o, err := ticket.Decode(owner)
	require.NoError(t, err)
	old := *o
	old.Rights, old.OwnerSeed, old.Expires = ticket.Write, [32]byte{}, time.Now().Add(-time.Hour).Truncate(time.Second)
	keys, err := seal.NewKeys(o.Name, o.Secret, o.Owner)
	require.NoError(t, err)
	g := seal.Grant{Rights: seal.Write, Expires: old.Expires, Holder: ed25519.NewKeyFromSeed(old.Seed[:]).Public().(ed25519.PublicKey)}
	keys.Sign(ed25519.NewKeyFromSeed(o.OwnerSeed[:]), &g)
	old.Signature = g.Signature
	text, err := ticket.Encode(&old)
	require.NoError(t, err)
	return text
}

// join adds a node, connected to all others.
func (m *mesh) join() *minikv.Registry {
	m.t.Helper()
	text := m.ticket(minikv.RightsWrite)
	r := m.open(m.config, func(n *minikv.Node) (*minikv.Registry, error) { return n.Join(ctx, text) })
	for _, o := range m.regs {
		_, err := r.Node().Connect(within(m.t), o.Node().Addrs()[0])
		require.NoError(m.t, err)
	}
	m.regs = append(m.regs, r)
	return r
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (m *mesh) addrs() (all []string) {
	for _, r := range m.regs {
		all = append(all, r.Node().Addrs()[0])
	}
	return all
}

// work has all nodes write at the same time, and returns how long it took until all hold that. Values of
// 20 KiB go by exchanges, the others by gossip.
func (m *mesh) work() time.Duration {
	m.t.Helper()
	began := time.Now()
	m.write()
	m.arrive()
	return time.Since(began)
}

// write has all nodes write at the same time.
func (m *mesh) write() {
	m.t.Helper()
	m.round++
	var all sync.WaitGroup
	var mu sync.Mutex
	for i, r := range m.regs {
		all.Go(func() {
			for j := range 40 {
				key := fmt.Sprintf("n%d/%d", i, (m.round*7+j)%60)
				value := []byte(fmt.Sprintf("%d of round %d", j, m.round))
				if j == 0 {
					value = bytes.Repeat([]byte{byte(m.round)}, 20<<10)
				}
				var err error
				if j%8 == 7 {
					value = nil
					err = r.Delete(ctx, key)
				} else {
					_, err = r.Put(ctx, key, value)
				}
				if err == nil {
					_, err = r.Put(ctx, fmt.Sprintf("shared/%d", j%5), []byte(fmt.Sprint("n", i)))
				}
				mu.Lock()
				if err != nil {
					m.t.Errorf("writing %q: %v", key, err)
				}
				m.want[key] = value
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

// workOrPutBack is work where members may have entries removed by what they claim to have seen: what does not arrive has to
// be kept aside by a node, and is put back. It returns how many entries that were.
func (m *mesh) workOrPutBack() (took time.Duration, lost int) {
	m.t.Helper()
	began := time.Now()
	m.write()
	for !m.arrived(10 * time.Second) {
		for key, want := range m.want {
			if want != nil && !m.everywhere(key, want) && m.putBack(key, want) {
				lost++
			}
		}
		require.Less(m.t, time.Since(began), 2*time.Minute, "%s", lazily(func() string { return m.differences() }))
	}
	return time.Since(began), lost
}

// arrived waits for some time until all nodes hold what honest nodes wrote.
func (m *mesh) arrived(most time.Duration) bool {
	for began := time.Now(); time.Since(began) < most; <-time.After(2 * time.Millisecond) {
		if m.isComplete() {
			return true
		}
	}
	return false
}

// isComplete says whether all nodes hold what honest nodes wrote. It looks at nothing else: it is asked all the time, also
// beside very many keys of others.
func (m *mesh) isComplete() bool {
	for _, r := range m.regs {
		for key, want := range m.want {
			if !holds(r, key, want) {
				return false
			}
		}
	}
	return true
}

// holds says whether a node holds a value, or for nil that it holds none.
func holds(r *minikv.Registry, key string, want []byte) bool {
	e, err := r.Get(ctx, key)
	if want == nil {
		return errors.Is(err, minikv.ErrNotFound)
	}
	return err == nil && bytes.Equal(e.Value, want)
}

// requireNoStrangers requires that nodes hold nothing but what honest nodes wrote and members may write.
func (m *mesh) requireNoStrangers() {
	m.t.Helper()
	for i, r := range m.regs {
		require.Empty(m.t, m.stranger(r), "node %d", i)
	}
}

// isEqual says whether all nodes hold the same.
func (m *mesh) isEqual() bool {
	return !slices.ContainsFunc(m.regs[1:], func(r *minikv.Registry) bool { return r.Root() != m.regs[0].Root() })
}

func (m *mesh) everywhere(key string, want []byte) bool {
	return !slices.ContainsFunc(m.regs, func(r *minikv.Registry) bool { return !holds(r, key, want) })
}

// recover puts back what honest nodes wrote and an exchange removed on a peer's word, from where nodes keep that. All that
// is missing has to be there.
func (m *mesh) recover() (n int) {
	m.t.Helper()
	m.converge()
	for key, want := range m.want {
		if want == nil || holds(m.regs[0], key, want) {
			continue
		}
		require.True(m.t, m.putBack(key, want), "%q is gone and nobody has kept it", key)
		n++
	}
	return n
}

func (m *mesh) putBack(key string, want []byte) bool {
	for _, r := range m.regs {
		for q, err := range r.Quarantined(ctx) {
			require.NoError(m.t, err)
			if q.Key == key && bytes.Equal(q.Value, want) {
				_, err := r.Put(ctx, key, q.Value)
				require.NoError(m.t, err)
				return true
			}
		}
	}
	return false
}

// converge waits until all nodes are equal.
func (m *mesh) converge() {
	m.t.Helper()
	require.Eventually(m.t, m.isEqual, time.Minute, 2*time.Millisecond)
}

// requireClocks requires that no node's clock was led further ahead than it may be.
func (m *mesh) requireClocks() {
	m.t.Helper()
	for i, r := range m.regs {
		rev, err := r.Put(ctx, insider+"clock", fmt.Append(nil, i))
		require.NoError(m.t, err)
		require.LessOrEqual(m.t, time.Until(rev.Time()), maxSkew+10*time.Millisecond, "the clock of node %d", i)
	}
}

// requireLocks requires that honest nodes can lock what nobody attacks.
func (m *mesh) requireLocks() {
	m.t.Helper()
	for i, r := range m.regs {
		l, err := r.TryLock(ctx, fmt.Sprint("lock/", i))
		require.NoError(m.t, err)
		require.NoError(m.t, l.Unlock(ctx))
	}
}

// arrive waits until all nodes hold what honest nodes wrote. Members who write all the time keep nodes from being equal.
func (m *mesh) arrive() {
	m.t.Helper()
	require.Eventually(m.t, m.isComplete, time.Minute, 2*time.Millisecond, "%s", lazily(func() string { return m.differences() }))
}

// settle waits until all nodes are equal and hold what honest nodes wrote.
func (m *mesh) settle() {
	m.t.Helper()
	require.Eventually(m.t, func() bool { return m.isEqual() && m.differs(m.regs[0]) == "" }, time.Minute, 2*time.Millisecond,
		"%s", lazily(func() string { return m.differences() }))
}

// keptOf describes what a node has kept aside under a key.
func keptOf(r *minikv.Registry, key string) (out string) {
	for q, err := range r.Quarantined(ctx) {
		if err == nil && q.Key == key {
			out += fmt.Sprintf(" %d bytes, %.40q of %q", len(q.Value), q.Value, q.Writer)
		}
	}
	return out
}

type lazily func() string

func (l lazily) String() string { return l() }

func (m *mesh) differences() string {
	var b strings.Builder
	for i, r := range m.regs {
		fmt.Fprintf(&b, "node %d: root %s: %s\n", i, r.Root(), m.differs(r))
		for key, want := range m.want {
			if e, err := r.Get(ctx, key); want != nil && (err != nil || !bytes.Equal(e.Value, want)) {
				fmt.Fprintf(&b, "  %s of %d bytes, %.40q: %v %.30q %v %s; metrics dropped %d; kept aside: %s\n", key, len(want), want, err, e.Value, e.Rev, e.Writer, r.Metrics().Dropped, keptOf(r, key))
			}
		}
	}
	return b.String()
}

// differs says where a node holds something else than honest nodes wrote.
func (m *mesh) differs(r *minikv.Registry) string {
	missing := 0
	for key, want := range m.want {
		if !holds(r, key, want) {
			missing++
		}
	}
	if missing > 0 {
		return fmt.Sprintf("%d of %d keys are not as they were written", missing, len(m.want))
	}
	return m.stranger(r)
}

// stranger describes an entry that neither an honest node wrote nor a member may write, if there is one.
func (m *mesh) stranger(r *minikv.Registry) string {
	for e, err := range r.All(ctx) {
		switch {
		case err != nil:
			return err.Error()
		case strings.HasPrefix(e.Key, "shared/"):
			if !strings.HasPrefix(string(e.Value), "n") {
				return "a stranger's value under " + e.Key
			}
		case !strings.HasPrefix(e.Key, insider) && m.want[e.Key] == nil:
			return "nobody's key " + e.Key
		}
	}
	return ""
}

// insider begins the keys that insiders may well write.
const insider = "insider/"

// watch notes what nodes say of attackers: those that left and were not banned are not listed any more at the end.
func (m *mesh) watch(ids map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, r := range m.regs {
		for _, p := range r.Node().Peers() {
			if !ids[string(p.ID)] {
				continue
			}
			of := fmt.Sprintf("%d %s", i, p.ID)
			if m.conduct[of] == nil {
				m.conduct[of] = map[string]uint64{}
			}
			for kind, n := range p.Refusals {
				m.conduct[of][kind] = max(m.conduct[of][kind], n)
			}
			if !p.BannedUntil.IsZero() {
				m.banned[of] = true
			}
		}
	}
}

// pause lets attackers do their work for a moment.
func (m *mesh) pause() { <-time.After(50 * time.Millisecond) }
