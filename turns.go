package minikv

import (
	"errors"
	"math"
	"runtime"
	"sync"
	"time"
)

// A member may ask for as many exchanges as it likes, and each takes memory and processor time. So those that peers open
// get seats, of which there are few, and what all exchanges do is done in steps, one after the other but for what there are
// processors to spare. Seats go to who has sat least of late, steps to who has taken least time with them. What counts is the
// time of the holder of a ticket, under whatever names its nodes go, and then that of each peer: who multiplies himself
// wins nothing.
const (
	// seatsMost bounds the exchanges that peers have opened and that are under way, and seatRoom, in bytes, what their
	// snapshots take together, beyond the first seatsLeast.
	seatsMost  = 16
	seatsLeast = 2
	seatRoom   = 24 << 20
	// seatPatience is how long a peer waits for a seat before it is told to come again: less than firstPatience,
	// for which it waits itself.
	seatPatience = 6 * time.Second
	// seatFirm is how long nobody loses a seat; then whoever has sat much less of late may have it, and seatIdle for how
	// long nothing has been done on one that anybody may have.
	seatFirm = 5 * time.Second
	seatIdle = time.Second
	// seatMargin is for how much longer, at least, whoever loses its seat has sat, beside twice as long.
	seatMargin = time.Second
	// maxSeeking bounds the peers that wait for a seat, and maxSeekingPeer the exchanges of one peer that do.
	maxSeeking     = 256
	maxSeekingPeer = 4

	// costHalf is how long it takes until half of what a peer has cost is forgotten.
	costHalf = 10 * time.Second
	// costFree is what anybody may cost before its steps make way: all who cost more have, together, one part in slowShare
	// of the time for steps, as long as there are others who cost less, within slowCalm.
	costFree  = 2 * time.Second
	slowShare = 4
	slowCalm  = time.Second
	// trustFor is for how long a peer is trusted with which this node has opened an exchange that was verified, and nothing
	// was held against it: its time counts a part in trustShare, so that among very many members those who are of use
	// come first.
	trustFor   = 10 * time.Minute
	trustShare = 8
	// maxAccounts bounds those whose costs are remembered.
	maxAccounts = 4096
)

var errBusy = errors.New("minikv: this node has many exchanges under way, and others have their turn first; try again later")

// payer is who pays for an exchange: a peer, and whose ticket it has.
type payer struct {
	holder string // of the ticket; "" in a public registry
	peer   PeerID
}

// account is what somebody has cost of late.
type account struct {
	spent [prices]float64 // nanoseconds, halving in costHalf
	at    time.Duration
}

// price is what is counted in an account.
type price int

const (
	working price = iota // time of steps
	sitting              // time on seats
	prices
)

// accountKey names an account: of a holder, or of a peer.
type accountKey struct {
	holder string
	peer   PeerID
}

// turns shares out what exchanges take of a node. Safe for concurrent use.
type turns struct {
	start time.Time
	lanes int // steps at a time

	mu       sync.Mutex
	accounts map[accountKey]*account
	holders  map[PeerID]string        // whose ticket a peer was last seen with
	trusted  map[PeerID]time.Duration // until when
	seats    []*seat                  // taken
	seeking  []*seat                  // in the order of coming
	running  int                      // steps
	ready    []*step                  // that wait
	slowFrom time.Duration
	wake     *time.Timer // for a step that waits for slowFrom
	calm     accountKey  // of those who have cost little, whose step was last, at calmAt; another's was last at otherAt
	calmAt   time.Duration
	otherAt  time.Duration
	weight   int // bytes that a seat takes, about
}

// seat is a place among the exchanges that peers have opened.
type seat struct {
	of    payer
	since time.Duration
	given chan struct{} // closed when it is there
	cut   func()        // ends the exchange; called once at most
	steps int           // that run or wait
	moved time.Duration // when the last one ended
}

// step is one that waits.
type step struct {
	of    payer
	given chan struct{}
}

func newTurns() *turns {
	return &turns{start: time.Now(), lanes: max(1, runtime.GOMAXPROCS(0)-1), accounts: map[accountKey]*account{}, holders: map[PeerID]string{}, trusted: map[PeerID]time.Duration{}, otherAt: -time.Hour, calmAt: -time.Hour}
}

func (t *turns) now() time.Duration { return time.Since(t.start) }

// whole is the account that is compared first: the ticket holder's or, where there is none, the peer's.
func (p payer) whole() accountKey {
	if p.holder == "" {
		return accountKey{peer: p.peer}
	}
	return accountKey{holder: p.holder}
}

func (p payer) own() accountKey { return accountKey{p.holder, p.peer} }

func (t *turns) cost(k accountKey, of price, now time.Duration) float64 {
	a := t.accounts[k]
	if a == nil {
		return 0
	}
	return a.spent[of] * math.Exp2(-float64(now-a.at)/float64(costHalf))
}

// sat is for how long somebody has sat of late, on the seats that it has included.
func (t *turns) sat(k accountKey, now time.Duration) float64 {
	sum := t.cost(k, sitting, now)
	for _, s := range t.seats {
		if s.of.whole() == k || s.of.own() == k {
			sum += float64(now - s.since)
		}
	}
	return sum
}

// charge adds to what a payer has cost. The caller holds mu.
func (t *turns) charge(p payer, of price, cost float64, now time.Duration) {
	if p.holder != "" && t.holders[p.peer] != p.holder {
		if len(t.holders) >= maxAccounts {
			clear(t.holders)
		}
		t.holders[p.peer] = p.holder
	}
	for _, k := range []accountKey{p.whole(), p.own()} {
		a := t.accounts[k]
		if a == nil {
			t.forgetSmall(now)
			a = &account{at: now}
			t.accounts[k] = a
		}
		for i := range a.spent {
			a.spent[i] = t.cost(k, price(i), now)
		}
		a.spent[of] += cost
		a.at = now
		if p.whole() == p.own() {
			return
		}
	}
}

// forgetSmall makes room for another account where there are many.
func (t *turns) forgetSmall(now time.Duration) {
	for most := float64(time.Millisecond); len(t.accounts) >= maxAccounts; most *= 4 {
		for k := range t.accounts {
			if t.cost(k, working, now)+t.cost(k, sitting, now) <= most {
				delete(t.accounts, k)
			}
		}
	}
}

// apart returns the accounts by which two are told apart.
func apart(a, b payer) (accountKey, accountKey) {
	if a.whole() != b.whole() {
		return a.whole(), b.whole()
	}
	return a.own(), b.own()
}

// cheaper says whether a's step comes before b's.
func (t *turns) cheaper(a, b payer, now time.Duration) bool {
	x, y := apart(a, b)
	return t.cost(x, working, now)*t.share(a, now) < t.cost(y, working, now)*t.share(b, now)
}

// share is what part of a peer's time counts.
func (t *turns) share(of payer, now time.Duration) float64 {
	if until, ok := t.trusted[of.peer]; ok && now < until {
		return 1.0 / trustShare
	}
	return 1
}

// trust notes that an exchange that this node opened with the peer was verified, distrust that something was held against it.
func (t *turns) trust(peer PeerID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.trusted[peer] = now + trustFor
	for p, until := range t.trusted {
		if len(t.trusted) <= maxAccounts {
			break
		}
		if until < now+trustFor {
			delete(t.trusted, p)
		}
	}
}

func (t *turns) distrust(peer PeerID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.trusted, peer)
}

// fresher says whether a has a seat before b.
func (t *turns) fresher(a, b payer, now time.Duration) bool {
	x, y := apart(a, b)
	return t.sat(x, now)*t.share(a, now) < t.sat(y, now)*t.share(b, now)
}

// take waits for a seat for an exchange. It is to be given back by leave. cut may be called after some time, from another
// goroutine. errBusy says that there was none for too long, ErrClosed that ending was closed before there was one.
func (t *turns) take(of payer, cut func(), ending <-chan struct{}) (*seat, error) {
	s := &seat{of: of, given: make(chan struct{}), cut: cut}
	t.mu.Lock()
	if t.seekingOf(of.peer) >= maxSeekingPeer || len(t.seeking) >= maxSeeking {
		t.mu.Unlock()
		return nil, errBusy
	}
	t.seeking = append(t.seeking, s)
	cuts := t.seatAll()
	t.mu.Unlock()
	run(cuts)
	look := time.NewTicker(seatFirm / 4) // somebody's firm time may be over
	defer look.Stop()
	patience := time.NewTimer(seatPatience)
	defer patience.Stop()
	for {
		select {
		case <-s.given:
			return s, nil
		case <-look.C:
			t.mu.Lock()
			cuts := t.seatAll()
			t.mu.Unlock()
			run(cuts)
		case <-patience.C:
			return t.giveUp(s, errBusy)
		case <-ending:
			return t.giveUp(s, ErrClosed)
		}
	}
}

// giveUp ends a wait for a seat, unless it has come meanwhile.
func (t *turns) giveUp(s *seat, why error) (*seat, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-s.given:
		return s, nil
	default:
	}
	t.seeking = without(t.seeking, s)
	return nil, why
}

func run(cuts []func()) {
	for _, cut := range cuts {
		cut()
	}
}

func (t *turns) seekingOf(p PeerID) (n int) {
	for _, s := range t.seeking {
		if s.of.peer == p {
			n++
		}
	}
	return n
}

// leave gives a seat back.
func (t *turns) leave(s *seat) {
	t.mu.Lock()
	t.stand(s, t.now())
	cuts := t.seatAll()
	t.mu.Unlock()
	run(cuts)
}

// stand takes the seat from whoever has it. The caller holds mu.
func (t *turns) stand(s *seat, now time.Duration) {
	was := len(t.seats)
	if t.seats = without(t.seats, s); len(t.seats) < was {
		t.charge(s.of, sitting, float64(now-s.since), now)
	}
}

// seatAll gives seats to who is next, and returns the exchanges that have to make way for them. The caller holds mu.
func (t *turns) seatAll() (cuts []func()) {
	now := t.now()
	for len(t.seeking) > 0 {
		next, out := t.nextSeat(now)
		if next == nil {
			return cuts
		}
		if out != nil {
			t.stand(out, now)
			cuts = append(cuts, out.cut)
		}
		t.seeking = without(t.seeking, next)
		next.since, next.moved = now, now
		t.seats = append(t.seats, next)
		close(next.given)
	}
	return cuts
}

// seatCount is how many seats there are.
func (t *turns) seatCount() int {
	return max(seatsLeast, min(seatsMost, seatRoom/max(t.weight, 1)))
}

// nextSeat returns who gets a seat now, nil for nobody, and the exchange that makes way for it, nil where there is room.
// There is a seat left for others than the holder of one ticket.
func (t *turns) nextSeat(now time.Duration) (next, out *seat) {
	all := t.seatCount()
	held := map[accountKey]int{}
	for _, s := range t.seats {
		held[s.of.whole()]++
	}
	for _, s := range t.seeking {
		if next != nil && !t.fresher(s.of, next.of, now) {
			continue
		}
		switch {
		case held[s.of.whole()] >= max(1, all-max(1, all/4)):
			if o := t.dearest(s, now, true); o != nil {
				next, out = s, o
			}
		case len(t.seats) < all:
			next, out = s, nil
		default:
			if o := t.dearest(s, now, false); o != nil {
				next, out = s, o
			}
		}
	}
	return next, out
}

// dearest is the exchange that makes way for another one: none where all have sat about as little, or have just begun.
func (t *turns) dearest(next *seat, now time.Duration, sameHolder bool) (out *seat) {
	most := 0.0
	for _, s := range t.seats {
		if now-s.since < seatIdle || sameHolder && s.of.whole() != next.of.whole() {
			continue
		}
		if s.steps == 0 && now-s.moved >= seatIdle && (t.share(s.of, now) == 1 || now-s.moved >= seatFirm) {
			return s
		}
		if now-s.since < seatFirm {
			continue
		}
		mine, theirs := apart(s.of, next.of)
		if c := t.sat(mine, now) * t.share(s.of, now); c > most && c > 2*t.sat(theirs, now)*t.share(next.of, now)+float64(seatMargin) {
			out, most = s, c
		}
	}
	return out
}

// weigh tells how much a snapshot takes.
func (t *turns) weigh(bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.weight = bytes
}

// step waits for its turn and runs fn, which must not wait for the network. on is the seat of the exchange, nil if this
// node has opened it.
func (t *turns) step(of payer, on *seat, fn func()) {
	t.mu.Lock()
	if on != nil {
		on.steps++
	}
	s := &step{of: of, given: make(chan struct{})}
	t.ready = append(t.ready, s)
	t.dispatch()
	t.mu.Unlock()
	<-s.given
	began := t.now()
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		now := t.now()
		if on != nil {
			on.steps--
			on.moved = now
		}
		t.running--
		t.worked(of, now-began, now)
		t.dispatch()
	}()
	fn()
}

// worked has somebody pay for work. The caller holds mu.
func (t *turns) worked(of payer, took, now time.Duration) {
	slow, dear := t.isSlow(of, now), t.isDear(of, now)
	t.charge(of, working, float64(took), now)
	if slow {
		t.slowFrom = max(t.slowFrom, now) + took*(slowShare-1)/time.Duration(t.lanes)
	}
	if dear {
		return
	}
	if who := of.whole(); who != t.calm {
		t.calm, t.otherAt = who, t.calmAt
	}
	t.calmAt = now
}

// isDear says whether somebody has cost much.
func (t *turns) isDear(of payer, now time.Duration) bool {
	return t.cost(of.whole(), working, now)*t.share(of, now) > float64(costFree)
}

// isSlow says whether somebody's steps make way: it has cost much, and there are others who have not.
func (t *turns) isSlow(of payer, now time.Duration) bool {
	other := t.calmAt
	if t.calm == of.whole() {
		other = t.otherAt
	}
	return now-other < slowCalm && t.isDear(of, now)
}

// dispatch begins the steps whose turn it is. The caller holds mu.
func (t *turns) dispatch() {
	now := t.now()
	for t.running < t.lanes && len(t.ready) > 0 {
		var next *step
		for _, s := range t.ready {
			if now < t.slowFrom && t.isSlow(s.of, now) {
				continue
			}
			if next == nil || t.cheaper(s.of, next.of, now) {
				next = s
			}
		}
		if next == nil {
			t.lookAgain(t.slowFrom - now)
			return
		}
		t.ready = without(t.ready, next)
		t.running++
		close(next.given)
	}
}

func (t *turns) lookAgain(in time.Duration) {
	if t.wake != nil {
		t.wake.Reset(in)
		return
	}
	t.wake = time.AfterFunc(in, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.dispatch()
	})
}

// pay has somebody pay for work that was done without waiting for a turn.
func (t *turns) pay(of payer, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.worked(of, took, t.now())
}

// delay is for how long nothing more should be taken in from a peer that has cost much.
func (t *turns) delay(peer string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if now >= t.slowFrom || !t.isSlow(payer{t.holders[PeerID(peer)], PeerID(peer)}, now) {
		return 0
	}
	return t.slowFrom - now
}
