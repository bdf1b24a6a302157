package minikv

import (
	"context"
	"unicode"
	"unicode/utf8"
)

var errNilContext = detailf(ErrInvalid, "the context is nil; pass context.Background() if there is none")

// checkContext returns the error of a context that is nil or has ended.
func checkContext(ctx context.Context) error {
	if ctx == nil {
		return errNilContext
	}
	return ctx.Err()
}

// checkText refuses text that people could not read or type.
func checkText(what, s string, min, max int) error {
	if len(s) < min || len(s) > max {
		return detailf(ErrInvalid, "%s has %d bytes; it can have %d to %d", what, len(s), min, max)
	}
	if !utf8.ValidString(s) {
		return detailf(ErrInvalid, "%s is not UTF-8", what)
	}
	for _, c := range s {
		if !unicode.IsPrint(c) {
			return detailf(ErrInvalid, "%s %q has the unprintable character %U", what, s, c)
		}
	}
	return nil
}
