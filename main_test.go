package minikv_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the run when a goroutine is left over after every node has been closed.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
