package minikv

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/replica"
	"github.com/minikv/minikv/store"
)

// Data.
var (
	// ErrNotFound: the key is absent, deleted or expired.
	ErrNotFound = errors.New("minikv: key not found")
	// ErrKeyInvalid: the key is empty or longer than [MaxKeyLen] or, for a write, than [Config].MaxKeyLen.
	ErrKeyInvalid = errors.New("minikv: invalid key")
	// ErrTooLarge: the value or the batch is over its limit.
	ErrTooLarge = errors.New("minikv: too large")
	// ErrFull: the entries of the registry take as much as [Config].MaxBytes allows, or this node has written its share of that.
	// Deletes still go, and make room when they are forgotten, after Config.TombstoneRetention; so does what expires, at once.
	ErrFull = errors.New("minikv: registry is full")
	// ErrPresent: the key holds a value, which [Registry.PutBack] would overwrite.
	ErrPresent = errors.New("minikv: the key holds another value")
	// ErrInvalid: an argument, an option or a configuration field makes no sense; the text says which.
	ErrInvalid = errors.New("minikv: invalid argument")
	// ErrCodec: a codec could not encode or decode a value.
	ErrCodec = errors.New("minikv: value does not match its codec")
)

// Node and registry.
var (
	// ErrClosed: the node or registry has been closed.
	ErrClosed = errors.New("minikv: closed")
	// ErrReadOnly: the registry was opened with [ReadOnly], or joined by a read ticket, or the node's ticket has expired.
	ErrReadOnly = errors.New("minikv: read-only")
	// ErrPrivate: the registry is private, and this node has not its keys, or not those that the peer has.
	ErrPrivate = errors.New("minikv: the registry is private, and this node has not its keys; join it by a ticket")
	// ErrNotOwner: the call is for owners of the private registry, and this node is none.
	ErrNotOwner = errors.New("minikv: only an owner of the registry can do that: the node that made it, or one that joined by an owner's ticket")
	// ErrTicket: the text is no ticket, or one that is damaged, has expired, or is not to be used here; the error says which.
	ErrTicket = errors.New("minikv: no usable ticket")
)

// Directories.
var (
	// ErrDirInUse: another process, or another node of this one, has the directory open.
	ErrDirInUse = errors.New("minikv: directory in use by another process")
	// ErrDirNotEmpty: there is something in the directory that a snapshot was to be restored to.
	ErrDirNotEmpty = errors.New("minikv: directory is not empty")
	// ErrBadFormat: a later version of minikv, or something else, has written the directory or the snapshot.
	ErrBadFormat = errors.New("minikv: unknown on-disk format version")
	// ErrCorrupt: data on disk failed its checksum. The text says where and what to do.
	ErrCorrupt = errors.New("minikv: data failed its checksum")
	// ErrDiskFull: the disk of the node's directory has too little room left. Reads go on, and writes when
	// there is room again. A write that met the end of the disk while it was under way may have been kept.
	ErrDiskFull = errors.New("minikv: disk is full")
	// ErrStorage: the directory cannot be used, or its disk failed. On an open node reads go on, and writes
	// when the disk can be written again. A write that returns it may have been kept.
	ErrStorage = errors.New("minikv: storage failed")
)

// Peers and clocks.
var (
	// ErrOffline: the node was opened without a network.
	ErrOffline = errors.New("minikv: offline; set Config.Listen, Bootstrap or Discovery")
	// ErrNoPeer: the peer is not connected, or does not share the registry.
	ErrNoPeer = errors.New("minikv: no such peer")
	// ErrSync: an exchange with a peer ended without both being verified equal. What was received before
	// that is kept.
	ErrSync = errors.New("minikv: exchange failed")
	// ErrClockSkew: a peer's clock, or a stamp of its, is further ahead of this node's clock than
	// [Config].MaxClockSkew; set the clocks right.
	ErrClockSkew = errors.New("minikv: timestamp too far in the future")
)

// Leases.
var (
	// ErrLocked: the key is held by another lease. The error is a [*LockedError].
	ErrLocked = errors.New("minikv: lock held by another owner")
	// ErrLeaseLost: the lease under which the call was made is no longer held. The error may be a
	// [*LeaseLostError].
	ErrLeaseLost = errors.New("minikv: lease lost")
)

// Error says which operation failed on what. Every error of a method of [Node], [Registry], [Batch],
// [Typed] and [Lease] is one, but for [Lease.Err]. Use errors.Is with the variables above, or the context's
// errors, for the class.
type Error struct {
	Op       string // "open", "registry", "get", "put", "delete", "expire", "watch", "lock", "connect", "sync" and so on
	Registry string // empty for operations on the node
	Key      string // empty unless the operation is on one key
	Peer     PeerID // empty unless a peer is involved
	Err      error  // never nil
}

// Error reads "minikv: put cities/de/hamburg: key too long …". Keys that are not printable are quoted, long
// ones shortened.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("minikv: ")
	b.WriteString(e.Op)
	if e.Registry != "" {
		b.WriteByte(' ')
		b.WriteString(e.Registry)
		if e.Key != "" {
			b.WriteByte('/')
			b.WriteString(showKey(e.Key))
		}
	}
	if e.Peer != "" {
		b.WriteString(" with peer ")
		b.WriteString(string(e.Peer))
	}
	b.WriteString(": ")
	b.WriteString(strings.TrimPrefix(e.Err.Error(), "minikv: "))
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

const shownKey = 64 // bytes of a key shown in an error

func showKey(key string) string {
	cut := ""
	if len(key) > shownKey {
		key, cut = key[:shownKey], "…"
	}
	if q := strconv.Quote(key); q[1:len(q)-1] != key {
		key = q
	}
	return key + cut
}

// detail is a sentinel with the particulars: its text is the particulars, its class the sentinel.
type detail struct {
	text  string
	class error
}

func (d *detail) Error() string { return d.text }
func (d *detail) Unwrap() error { return d.class }

func detailf(class error, format string, args ...any) error {
	return &detail{text: fmt.Sprintf(format, args...), class: class}
}

// classed makes an error from below one of a class that users know.
type classed struct {
	class, err error
}

func (c *classed) Error() string {
	text := c.err.Error()
	for _, layer := range []string{"replica: ", "hlc: ", "p2p: ", "store: ", "ticket: ", "seal: "} {
		text = strings.TrimPrefix(text, layer)
	}
	return text
}

func (c *classed) Unwrap() []error { return []error{c.class, c.err} }

// translate gives refusals from below the names that users know.
func translate(err error) error {
	var locked *replica.LockedError
	switch {
	case errors.As(err, &locked):
		return &LockedError{Owner: PeerID(locked.Lease.Owner), Token: Token(locked.Lease.Token), Remaining: max(locked.Remaining, 0)}
	case errors.Is(err, replica.ErrLeaseLost) && !errors.Is(err, ErrLeaseLost):
		return &classed{ErrLeaseLost, err}
	case errors.Is(err, replica.ErrFull) && !errors.Is(err, ErrFull):
		return &classed{ErrFull, err}
	case errors.Is(err, hlc.ErrSkew) && !errors.Is(err, ErrClockSkew):
		return &classed{ErrClockSkew, err}
	}
	for _, c := range storeClasses {
		if errors.Is(err, c.below) && !errors.Is(err, c.class) {
			return &classed{c.class, err}
		}
	}
	return err
}

var storeClasses = []struct{ below, class error }{
	{store.ErrInUse, ErrDirInUse},
	{store.ErrNotEmpty, ErrDirNotEmpty},
	{store.ErrFormat, ErrBadFormat},
	{store.ErrCorrupt, ErrCorrupt},
	{store.ErrFull, ErrDiskFull},
	{store.ErrFailed, ErrStorage},
	{store.ErrClosed, ErrClosed},
}

// LockedError says who holds the key. errors.Is(err, ErrLocked) is true for it.
type LockedError struct {
	Owner     PeerID        // the node that holds the lease
	Token     Token         // its fencing token
	Remaining time.Duration // until it lapses unless renewed, as this node observed it; never negative
}

// Error names the owner and the time after which trying again makes sense.
func (e *LockedError) Error() string {
	return fmt.Sprintf("locked by %s for another %s unless it renews; wait with Lock, or write under its lease with Under",
		e.Owner, e.Remaining.Round(time.Millisecond))
}

// Unwrap returns [ErrLocked].
func (e *LockedError) Unwrap() error { return ErrLocked }

// LossReason says why a lease ended before its Unlock.
type LossReason uint8

// Reasons for which a lease is lost.
const (
	LostExpired  LossReason = iota + 1 // not renewed in time: paused process, refused writes, or taken with NoRenew
	LostBeaten                         // another claim was earlier or of a higher epoch; Winner names it
	LostReleased                       // released by its token, not through this handle
	LostIsolated                       // no peer could take a renewal, and it was taken with StopWhenIsolated
	LostClosed                         // node or registry closed
)

// String gives the reason in words.
func (r LossReason) String() string {
	switch r {
	case LostExpired:
		return "not renewed in time"
	case LostBeaten:
		return "beaten by another claim"
	case LostReleased:
		return "released by its token"
	case LostIsolated:
		return "no peer reachable to renew"
	case LostClosed:
		return "closed"
	}
	return "unknown reason " + strconv.Itoa(int(r))
}

// LeaseLostError is the error of a lease that ended before its Unlock, and the cause of its cancelled
// context. errors.Is(err, ErrLeaseLost) is true for it, and errors.Is(err, ErrClosed) when the node was
// closed.
type LeaseLostError struct {
	Reason LossReason
	Winner LockInfo // whose lease holds now; zero unless Reason is LostBeaten
}

// Error gives the reason and, where there is one, the winner.
func (e *LeaseLostError) Error() string {
	s := "lease lost: " + e.Reason.String()
	if e.Reason == LostBeaten {
		s += fmt.Sprintf("; %s holds it under token %s", e.Winner.Owner, e.Winner.Token)
	}
	return s
}

// Is makes the error one of class ErrLeaseLost, and ErrClosed where that is the reason.
func (e *LeaseLostError) Is(target error) bool {
	return target == ErrLeaseLost || e.Reason == LostClosed && target == ErrClosed
}
