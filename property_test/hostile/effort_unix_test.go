//go:build unix

package hostile_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// effort is the time of processors that this process has used.
func effort(t *testing.T) time.Duration {
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
