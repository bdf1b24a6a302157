package resp

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/minikv/minikv"
)

// replyError is an error in the words in which a client gets it, its class first.
type replyError string

func (e replyError) Error() string { return string(e) }

// Errors in Redis's words.
const (
	errSyntax      = replyError("ERR syntax error")
	errNotInteger  = replyError("ERR value is not an integer or out of range")
	errNoAuth      = replyError("NOAUTH Authentication required.")
	errWrongPass   = replyError("WRONGPASS invalid username-password pair or user is disabled.")
	errNoPassword  = replyError("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
	errDBRange     = replyError("ERR DB index is out of range")
	errClientName  = replyError("ERR Client names cannot contain spaces, newlines or special characters.")
	errCursor      = replyError("ERR invalid cursor")
	errExpireNX    = replyError("ERR NX and XX, GT or LT options at the same time are not compatible")
	errExpireGTLT  = replyError("ERR GT and LT options at the same time are not compatible")
	errProtoNumber = replyError("ERR Protocol version is not an integer or out of range")
	errProtoOther  = replyError("NOPROTO unsupported protocol version")
)

func errArity(name string) replyError {
	return replyError("ERR wrong number of arguments for '" + name + "' command")
}

func errExpireTime(command string) replyError {
	return replyError("ERR invalid expire time in '" + command + "' command")
}

// classes are the first words of the library's errors, the narrower ones first.
var classes = []struct {
	err  error
	word string
}{
	{minikv.ErrLeaseLost, "LEASELOST"},
	{minikv.ErrReadOnly, "READONLY"},
	{minikv.ErrTooLarge, "TOOLARGE"},
	{minikv.ErrDiskFull, "DISKFULL"},
	{minikv.ErrFull, "OOM"}, // as Redis begins what it says at its maxmemory
	{minikv.ErrStorage, "STORAGE"},
	{minikv.ErrCorrupt, "STORAGE"},
	{minikv.ErrClockSkew, "CLOCKSKEW"},
}

// wordsOf gives any error the form in which a client gets it.
func wordsOf(err error) string {
	var reply replyError
	if errors.As(err, &reply) {
		return string(reply)
	}
	if e, ok := errors.AsType[*minikv.LockedError](err); ok {
		return fmt.Sprintf("LOCKED %sby %s for another %d ms unless it renews; try again then, or write under its lease with UNDER",
			lockedKey(err), e.Owner, e.Remaining.Round(time.Millisecond).Milliseconds())
	}
	text := strings.TrimPrefix(err.Error(), "minikv: ")
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return c.word + " " + text
		}
	}
	return "ERR " + text
}

func lockedKey(err error) string {
	if e, ok := errors.AsType[*minikv.Error](err); ok && e.Key != "" {
		return fmt.Sprintf("%.64q is locked ", e.Key)
	}
	return "the key is locked "
}

// oneLine takes out what would end an error before its time.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' {
			return ' '
		}
		return r
	}, text)
}
