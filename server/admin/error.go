package admin

import (
	"fmt"
	"strings"
)

// Code classes an error for programs. The command line derives its exit code from it.
type Code string

// The codes that a node answers with.
const (
	CodeNotFound     Code = "not_found"    // the key is absent, deleted or expired
	CodeNoRegistry   Code = "no_registry"  // the registry is not open on this node
	CodePrivate      Code = "private"      // the node has not the keys of the private registry, or is no owner of it
	CodeTicket       Code = "ticket"       // the text is no ticket, or it is damaged, expired, or not to be used here
	CodePresent      Code = "present"      // the key holds another value, which force would overwrite
	CodeLocked       Code = "locked"       // somebody else holds the key's lease
	CodeLeaseLost    Code = "lease_lost"   // the token is not, or no longer, the key's lease
	CodeNoQuorum     Code = "no_quorum"    // too few voters answer
	CodeBadRequest   Code = "bad_request"  // the caller's mistake: key, duration, token, body
	CodeTooLarge     Code = "too_large"    // key, value or body over the limit
	CodeClockSkew    Code = "clock_skew"   // this node's clock is not to be trusted
	CodeReadOnly     Code = "read_only"    // the node, or this way into it, takes no writes
	CodeClosed       Code = "closed"       // the node is shutting down
	CodeBusy         Code = "busy"         // a limit of the admin API is reached; try again later
	CodeNoPeer       Code = "no_peer"      // a peer is unknown or does not answer
	CodeDiskFull     Code = "disk_full"    // the node's disk has too little room left; reads go on
	CodeFull         Code = "full"         // the registry takes as much as it may
	CodeStorage      Code = "storage"      // the node's disk failed, or its data is damaged
	CodeForbidden    Code = "forbidden"    // a page of another site, or a name that is not the node's
	CodeTimeout      Code = "timeout"      // the node took longer than the caller would wait
	CodeUnauthorized Code = "unauthorized" // the call shows no token, or a wrong one
	CodeInternal     Code = "internal"     // anything else
)

// Error is the body of every answer that is not a success, and what the methods of [Client] return for it.
type Error struct {
	Code     Code   `json:"code"`
	Message  string `json:"message"` // one line, says what to do where there is something to do
	Op       string `json:"op,omitempty"`
	Registry string `json:"registry,omitempty"`
	Key      string `json:"key,omitempty"`

	Owner string   `json:"owner,omitempty"` // CodeLocked: the peer id of the holder
	Wait  Duration `json:"wait,omitzero"`   // CodeLocked: how long the holder's lease has left
}

func (e *Error) Error() string {
	if e.Message == "" {
		return string(e.Code)
	}
	return e.Message
}

// Is makes errors.Is(err, &Error{Code: c}) ask for the code alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == ""
}

// Errorf makes an error of the given code; the text is folded to one line.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ")}
}
