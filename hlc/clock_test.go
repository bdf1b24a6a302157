package hlc_test

import (
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// disk is where a test persists ceilings.
type disk struct {
	ceiling hlc.Timestamp
	writes  int
	err     error
}

func (d *disk) reserve(t hlc.Timestamp) error {
	if d.err != nil {
		return d.err
	}
	d.ceiling = t
	d.writes++
	return nil
}

func (d *disk) clock() *hlc.Clock {
	return hlc.NewClock(hlc.Config{Ceiling: d.ceiling, Reserve: d.reserve})
}

func now(t require.TestingT, c *hlc.Clock, wall time.Time) hlc.Timestamp {
	ts, err := c.Now(wall)
	require.NoError(t, err)
	return ts
}

func TestNowFollowsTheWallClock(t *testing.T) {
	c := hlc.NewClock(hlc.Config{})
	require.Equal(t, hlc.FromTime(noon), now(t, c, noon))
	require.Equal(t, hlc.FromTime(noon)+1, now(t, c, noon))
	require.Equal(t, hlc.FromTime(noon)+2, now(t, c, noon.Add(-time.Hour)))
	require.Equal(t, hlc.FromTime(noon.Add(time.Second)), now(t, c, noon.Add(time.Second)))
}

func TestNowNeverIssuesZero(t *testing.T) {
	require.Equal(t, hlc.Timestamp(1), now(t, hlc.NewClock(hlc.Config{}), time.Time{}))
}

func TestLogicalOverflowBorrowsFromTheNextMillisecond(t *testing.T) {
	c := hlc.NewClock(hlc.Config{})
	require.NoError(t, c.Observe(hlc.Make(hlc.FromTime(noon).Millis(), 0xffff), noon))
	require.Equal(t, hlc.Make(hlc.FromTime(noon).Millis()+1, 0), now(t, c, noon))
	require.Equal(t, hlc.Make(hlc.FromTime(noon).Millis()+1, 1), now(t, c, noon.Add(time.Millisecond)))
}

func TestSkewBoundaryIsOneMillisecondSharp(t *testing.T) {
	for _, c := range []struct {
		name         string
		config, want time.Duration
	}{
		{"default", 0, time.Minute},
		{"an hour", time.Hour, time.Hour},
		{"one millisecond", time.Millisecond, time.Millisecond},
		{"rounded up", 1500 * time.Microsecond, 2 * time.Millisecond},
		{"a nanosecond", 1, time.Millisecond},
		{"negative allows none", -time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := hlc.NewClock(hlc.Config{MaxSkew: c.config})
			require.Equal(t, c.want, clock.MaxSkew())
			for _, wall := range []time.Time{noon, noon.Add(time.Millisecond - 1)} { // both ends of the millisecond
				limit := hlc.FromTime(wall).Add(c.want)
				require.NoError(t, clock.Check(limit.Add(-time.Millisecond), wall), "one below the limit")
				require.NoError(t, clock.Check(limit, wall), "at the limit")
				require.NoError(t, clock.Check(limit+0xffff, wall), "at the limit, with ticks")
				require.ErrorIs(t, clock.Check(limit.Add(time.Millisecond), wall), hlc.ErrSkew, "one above the limit")
			}
		})
	}
}

func TestSkewErrorSaysByHowMuch(t *testing.T) {
	c := hlc.NewClock(hlc.Config{})
	stamp := hlc.FromTime(noon.Add(90 * time.Second))
	err := c.Observe(stamp, noon)
	var skew *hlc.SkewError
	require.ErrorAs(t, err, &skew)
	require.Equal(t, &hlc.SkewError{Stamp: stamp, Wall: noon, Ahead: 90 * time.Second, Max: time.Minute}, skew)
	require.EqualError(t, err, "hlc: stamp too far ahead of the local clock: stamp "+stamp.String()+
		" is 1m30s ahead of 2026-03-01T12:00:00Z, at most 1m0s is allowed; check the clocks of both machines")

	require.ErrorAs(t, c.Check(hlc.Max, noon), &skew)
	require.Equal(t, time.Duration(math.MaxInt64), skew.Ahead)
}

func TestObserveOfThePastMovesNothing(t *testing.T) {
	c := hlc.NewClock(hlc.Config{})
	last := now(t, c, noon)
	require.NoError(t, c.Observe(last-1, noon))
	require.NoError(t, c.Observe(0, noon))
	require.Equal(t, last, c.Last())
}

func TestReadingIsTheLaterOfWallAndLast(t *testing.T) {
	c := hlc.NewClock(hlc.Config{})
	require.Equal(t, hlc.FromTime(noon), c.Reading(noon))
	require.Zero(t, c.Last(), "reading moves nothing")
	last := now(t, c, noon)
	require.Equal(t, last, c.Reading(noon.Add(-time.Hour)))
	require.Equal(t, hlc.FromTime(noon.Add(time.Hour)), c.Reading(noon.Add(time.Hour)))
	require.Equal(t, last, c.Last())
}

func TestCeilingIsReservedBeforeUse(t *testing.T) {
	d := &disk{}
	c := d.clock()
	ts := now(t, c, noon)
	require.Equal(t, 1, d.writes)
	require.Equal(t, hlc.FromTime(noon.Add(hlc.DefaultAhead)), d.ceiling)
	require.LessOrEqual(t, ts, d.ceiling)

	require.Equal(t, d.ceiling, now(t, c, noon.Add(hlc.DefaultAhead)), "the ceiling itself may be issued")
	require.Equal(t, 1, d.writes, "up to the ceiling nothing is written")
	now(t, c, noon.Add(hlc.DefaultAhead))
	require.Equal(t, 2, d.writes)
}

func TestFailedReservationIssuesNothing(t *testing.T) {
	full := errors.New("disk full")
	d := &disk{err: full}
	c := d.clock()
	_, err := c.Now(noon)
	require.ErrorIs(t, err, full)
	require.ErrorContains(t, err, "hlc: reserve stamps up to "+hlc.FromTime(noon.Add(hlc.DefaultAhead)).String())
	require.Zero(t, c.Last())

	d.err = nil
	require.Equal(t, hlc.FromTime(noon), now(t, c, noon), "the call can be repeated")
}

func TestRestartStartsAboveTheCeiling(t *testing.T) {
	d := &disk{}
	now(t, d.clock(), noon)
	ceiling := d.ceiling
	c := d.clock()
	require.Equal(t, ceiling, c.Last())
	require.Greater(t, now(t, c, noon.Add(-time.Hour)), ceiling)
}

// A process that dies after its first write, again and again, must not run away from its peers.
func TestRestartsInALoopDoNotAddUp(t *testing.T) {
	d := &disk{}
	var last hlc.Timestamp
	for range 1000 {
		ts := now(t, d.clock(), noon)
		require.Greater(t, ts, last)
		last = ts
	}
	require.LessOrEqual(t, last.Sub(hlc.FromTime(noon)), hlc.DefaultAhead+2000*time.Millisecond, "2 ms for each start")
	require.NoError(t, hlc.NewClock(hlc.Config{}).Check(last, noon))
}

func TestReservationStaysWithinHalfTheSkew(t *testing.T) {
	for _, c := range []struct{ skew, ahead, want time.Duration }{
		{0, 0, 3 * time.Second},
		{0, -1, 3 * time.Second},
		{0, 10 * time.Second, 10 * time.Second},
		{0, time.Hour, 30 * time.Second},
		{4 * time.Second, 0, 2 * time.Second},
	} {
		d := &disk{}
		now(t, hlc.NewClock(hlc.Config{MaxSkew: c.skew, Ahead: c.ahead, Reserve: d.reserve}), noon)
		require.Equal(t, hlc.FromTime(noon.Add(c.want)), d.ceiling, "%+v", c)
	}
}

// A clock pushed ahead by a peer reserves by the millisecond of its own stamps.
func TestReservationOfAClockAheadOfTheWall(t *testing.T) {
	d := &disk{}
	c := d.clock()
	peer := hlc.FromTime(noon.Add(time.Minute))
	require.NoError(t, c.Observe(peer, noon))
	for range 100_000 {
		require.LessOrEqual(t, now(t, c, noon), d.ceiling)
	}
	require.Equal(t, 1, d.writes)
}

func TestEndOfTheRange(t *testing.T) {
	end := hlc.Max.Time()
	c := hlc.NewClock(hlc.Config{Ceiling: hlc.Max - 1})
	require.Equal(t, hlc.Max, now(t, c, end))
	_, err := c.Now(end)
	require.ErrorContains(t, err, "the highest timestamp is used up")
	require.Equal(t, hlc.Max, c.Last())
}

func TestConcurrentUseGivesDistinctStamps(t *testing.T) {
	const users, each = 8, 2000
	c := hlc.NewClock(hlc.Config{})
	var mu sync.Mutex
	seen := map[hlc.Timestamp]bool{}
	var wg sync.WaitGroup
	for range users {
		wg.Go(func() {
			mine := make([]hlc.Timestamp, 0, each)
			for range each {
				ts, err := c.Now(noon)
				if err != nil || c.Observe(ts, noon) != nil || c.Reading(noon) < ts || c.Last() < ts {
					t.Errorf("stamp %s: the clock is behind it (%v)", ts, err)
					return
				}
				mine = append(mine, ts)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, ts := range mine {
				seen[ts] = true
			}
		})
	}
	wg.Wait()
	require.Len(t, seen, users*each)
}

// run drives a clock through arbitrary jumps of the wall clock, foreign stamps, failing disks and restarts.
type run struct {
	disk     *disk
	clock    *hlc.Clock
	wall     time.Time
	observed hlc.Timestamp // highest since the last restart
	issued   hlc.Timestamp // highest ever
}

func (r *run) jump(t *rapid.T) {
	step := rapid.OneOf(rapid.Int64Range(0, 5), rapid.Int64Range(-5000, 5000), rapid.Int64Range(-4e11, 4e11)).Draw(t, "jump ms")
	r.wall = r.wall.Add(time.Duration(step) * time.Millisecond)
}

func (r *run) issue(t *rapid.T) {
	before := r.clock.Last()
	ts, err := r.clock.Now(r.wall)
	if err != nil {
		require.ErrorIs(t, err, r.disk.err)
		require.Equal(t, before, r.clock.Last())
		return
	}
	require.Greater(t, ts, r.issued)
	require.Greater(t, ts, r.observed)
	require.GreaterOrEqual(t, ts, hlc.FromTime(r.wall))
	require.LessOrEqual(t, ts, r.disk.ceiling, "issued without a reservation")
	require.Equal(t, ts, r.clock.Last())
	r.issued = ts
}

func (r *run) observe(t *rapid.T) {
	lead := rapid.Int64Range(-120_000, 120_000).Draw(t, "lead ms")
	ts := hlc.FromTime(r.wall).Add(time.Duration(lead)*time.Millisecond) + hlc.Timestamp(rapid.Uint16().Draw(t, "ticks"))
	before := r.clock.Last()
	err := r.clock.Observe(ts, r.wall)
	require.Equal(t, ts.Millis() > hlc.FromTime(r.wall).Millis()+60_000, err != nil)
	require.Equal(t, err, r.clock.Check(ts, r.wall))
	if err != nil {
		require.Equal(t, before, r.clock.Last(), "a refused stamp moved the clock")
		return
	}
	require.Equal(t, max(before, ts), r.clock.Last())
	r.observed = max(r.observed, ts)
}

func (r *run) restart(*rapid.T) {
	r.clock, r.observed = r.disk.clock(), 0
}

func (r *run) breakDisk(t *rapid.T) {
	if r.disk.err == nil {
		r.disk.err = errors.New("disk full")
	} else {
		r.disk.err = nil
	}
}

func TestNothingMakesAClockGoBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &run{disk: &disk{}, wall: noon}
		r.restart(t)
		t.Repeat(map[string]func(*rapid.T){
			"jump": r.jump, "issue": r.issue, "issue again": r.issue, "observe": r.observe, "restart": r.restart, "break disk": r.breakDisk,
		})
	})
}

func TestNowAndObserveDoNotAllocate(t *testing.T) {
	d := &disk{}
	c := d.clock()
	wall := noon
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		wall = wall.Add(time.Millisecond)
		ts, _ := c.Now(wall)
		_ = c.Observe(ts+1, wall)
	}))
}

func BenchmarkNow(b *testing.B) {
	c := hlc.NewClock(hlc.Config{})
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Now(noon)
	}
}

func BenchmarkNowWithReservations(b *testing.B) {
	d := &disk{}
	c := d.clock()
	wall := noon
	b.ReportAllocs()
	for b.Loop() {
		wall = wall.Add(time.Microsecond)
		_, _ = c.Now(wall)
	}
}

func BenchmarkObserve(b *testing.B) {
	c := hlc.NewClock(hlc.Config{})
	ts := hlc.FromTime(noon)
	b.ReportAllocs()
	for b.Loop() {
		ts++
		_ = c.Observe(ts, noon)
	}
}

func BenchmarkString(b *testing.B) {
	ts := hlc.FromTime(noon)
	b.ReportAllocs()
	for b.Loop() {
		_ = ts.String()
	}
}
