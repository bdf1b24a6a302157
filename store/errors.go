package store

import "errors"

// Errors. What a method returns wraps one of them and says what happened and
// what to do.
var (
	ErrInUse    = errors.New("store: directory in use by another process")
	ErrFormat   = errors.New("store: unknown format")
	ErrCorrupt  = errors.New("store: data failed its checksum")
	ErrFull     = errors.New("store: disk is full")
	ErrFailed   = errors.New("store: disk failed")
	ErrNotEmpty = errors.New("store: directory is not empty")
	ErrClosed   = errors.New("store: closed")
)
