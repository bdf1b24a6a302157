package replica_test

import (
	"flag"
	"slices"
	"testing"

	"github.com/minikv/minikv/replica"
	"github.com/stretchr/testify/require"
)

// minimizeBriefly bounds how long the engine tries to shorten an input, unless the
// command line says it. It tries every part of an input for 60 seconds, and those of
// sessions have kilobytes: nothing else would be done.
func minimizeBriefly(f *testing.F) {
	f.Helper()
	const name = "test.fuzzminimizetime"
	given := false
	flag.Visit(func(fl *flag.Flag) { given = given || fl.Name == name })
	if !given {
		require.NoError(f, flag.Set(name, "50x"))
	}
}

// meddler changes frames on their way from one honest node to the other. Each takes
// two bytes of the plan: what is done, and where.
type meddler struct {
	t    testing.TB
	plan []byte
	past [][]byte // frames of both sides
}

// pass returns what arrives in place of a frame, if it can be read.
func (m *meddler) pass(f replica.Frame) (arrive []replica.Frame, ok bool) {
	data, err := replica.EncodeFrame(nil, f)
	require.NoError(m.t, err)
	m.past = append(m.past, data)
	if len(m.plan) < 2 {
		got, err := replica.DecodeFrame(data)
		require.NoError(m.t, err)
		return []replica.Frame{got}, true
	}
	what, where := m.plan[0], int(m.plan[1])
	m.plan = m.plan[2:]
	for _, data := range m.change(slices.Clone(data), what, where) {
		got, err := replica.DecodeFrame(data)
		if err != nil {
			return arrive, false
		}
		arrive = append(arrive, got)
	}
	return arrive, true
}

func (m *meddler) change(data []byte, what byte, where int) [][]byte {
	at := where * len(data) / 256
	other := m.past[where*len(m.past)/256]
	switch what % 9 {
	case 1: // another bit
		data[at] ^= 1 << (what / 9 % 8)
	case 2: // another number
		data[at] = what / 9
	case 3: // cut
		data = data[:at]
	case 4: // lost
		return nil
	case 5: // twice
		return [][]byte{data, data}
	case 6: // an earlier one of either side instead
		return [][]byte{other}
	case 7: // and one before it
		return [][]byte{other, data}
	case 8: // as a frame of another type
		data[0] = 1 + what/9%8
	}
	return [][]byte{data}
}

var met = []string{"apart", "damaged", "deleted", "empty", "equal", "locked"}

// FuzzMeddledSession runs a session of two honest nodes, of whose frames some are
// changed. So it gets into every state of a session, which frames out of nothing do not:
// the digests have to fit. The first byte chooses whom the node meets, the second who dials and which way
// entries go; the rest is a meddler's plan.
func FuzzMeddledSession(f *testing.F) {
	minimizeBriefly(f)
	for i := range byte(len(met)) {
		for how := range byte(6) {
			f.Add([]byte{i, how, 0, 0, 0, 0})
			for what := range byte(8) {
				f.Add([]byte{i, how, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, what + 1, 130})
			}
		}
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) < 2 {
			return
		}
		a := attacked(t)
		b := meetings(t)[met[int(input[0])%len(met)]](a)
		meddle(&meddler{t: t, plan: input[2:]}, a, b, input[1])
		requireWell(t, a)
	})
}

func meddle(m *meddler, a, b *node, how byte) {
	dialler, acceptor := a, b
	if how%2 == 1 {
		dialler, acceptor = b, a
	}
	x, y := dialler.Dial(dialler.now(), acceptor.name), acceptor.Accept(acceptor.now(), dialler.name)
	ways := [][2]replica.Direction{{replica.TwoWay, replica.TwoWay}, {replica.Give, replica.Take}, {replica.Take, replica.Give}}[how/2%3]
	x.Only(ways[0])
	y.Only(ways[1])
	defer x.Abort(dialler.now(), errCut)
	defer y.Abort(acceptor.now(), errCut)
	move := func(from, to *replica.Session, fromNode, toNode *node) (moved, ok bool) {
		f, moved := from.Next(fromNode.now())
		if !moved {
			return false, true
		}
		frames, ok := m.pass(f)
		for _, f := range frames {
			_ = to.Handle(toNode.now(), f)
		}
		return true, ok
	}
	for frames := 0; ; frames++ {
		there, ok := move(x, y, dialler, acceptor)
		if !ok {
			return
		}
		back, ok := move(y, x, acceptor, dialler)
		if !ok || !there && !back {
			return
		}
		require.Less(m.t, frames, 1000, "the session does not end")
	}
}
