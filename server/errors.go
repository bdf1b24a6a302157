package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

// errStopping ends the streams of a node that is shutting down.
var errStopping = admin.Errorf(admin.CodeClosed, "the node is shutting down")

// classes maps the root's errors to codes, the narrower ones first.
var classes = []struct {
	err  error
	code admin.Code
}{
	{minikv.ErrLocked, admin.CodeLocked},
	{minikv.ErrClosed, admin.CodeClosed},
	{minikv.ErrLeaseLost, admin.CodeLeaseLost},
	{minikv.ErrPresent, admin.CodePresent},
	{minikv.ErrNotFound, admin.CodeNotFound},
	{minikv.ErrPrivate, admin.CodePrivate},
	{minikv.ErrNotOwner, admin.CodePrivate},
	{minikv.ErrTicket, admin.CodeTicket},
	{minikv.ErrKeyInvalid, admin.CodeBadRequest},
	{minikv.ErrTooLarge, admin.CodeTooLarge},
	{minikv.ErrReadOnly, admin.CodeReadOnly},
	{minikv.ErrClockSkew, admin.CodeClockSkew},
	{minikv.ErrNoPeer, admin.CodeNoPeer},
	{minikv.ErrSync, admin.CodeNoPeer},
	{minikv.ErrOffline, admin.CodeNoPeer},
	{minikv.ErrDiskFull, admin.CodeDiskFull},
	{minikv.ErrFull, admin.CodeFull},
	{minikv.ErrStorage, admin.CodeStorage},
	{minikv.ErrCorrupt, admin.CodeStorage},
	{minikv.ErrInvalid, admin.CodeBadRequest},
	{context.DeadlineExceeded, admin.CodeTimeout},
	{context.Canceled, admin.CodeTimeout},
}

// adminError gives any error the form in which it travels.
func adminError(err error, r *http.Request) *admin.Error {
	var done *admin.Error
	if errors.As(err, &done) {
		return done
	}
	e := admin.Errorf(admin.CodeInternal, "%s", strings.TrimPrefix(err.Error(), "minikv: "))
	for _, c := range classes {
		if errors.Is(err, c.err) {
			e.Code = c.code
			break
		}
	}
	if me, ok := errors.AsType[*minikv.Error](err); ok {
		e.Op, e.Registry, e.Key = me.Op, me.Registry, me.Key
	}
	if e.Code == admin.CodePresent {
		e.Message = admin.Errorf(e.Code, "%s/%s holds another value now, which --force (force=true) overwrites", e.Registry, e.Key).Message
	}
	if le, ok := errors.AsType[*minikv.LockedError](err); ok {
		e.Owner, e.Wait = string(le.Owner), admin.Duration(le.Remaining.Round(time.Millisecond))
		e.Message = lockedMessage(e)
	}
	return e
}

// lockedMessage says it in the words of the command line: the library's own text names its functions.
func lockedMessage(e *admin.Error) string {
	return admin.Errorf(e.Code, "%s/%s is locked by %s for another %s unless it renews; try again then, or write under its lease with --token",
		e.Registry, e.Key, e.Owner, e.Wait).Message
}

func httpStatus(c admin.Code) int {
	switch c {
	case admin.CodeNotFound, admin.CodeNoRegistry:
		return http.StatusNotFound
	case admin.CodeBadRequest, admin.CodeTicket:
		return http.StatusBadRequest
	case admin.CodeUnauthorized:
		return http.StatusUnauthorized
	case admin.CodePrivate, admin.CodeReadOnly, admin.CodeForbidden:
		return http.StatusForbidden
	case admin.CodeLocked:
		return http.StatusLocked
	case admin.CodeLeaseLost, admin.CodePresent:
		return http.StatusConflict
	case admin.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case admin.CodeDiskFull, admin.CodeFull:
		return http.StatusInsufficientStorage
	case admin.CodeNoPeer:
		return http.StatusBadGateway
	case admin.CodeTimeout:
		return http.StatusGatewayTimeout
	case admin.CodeBusy, admin.CodeClosed, admin.CodeNoQuorum, admin.CodeClockSkew:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
