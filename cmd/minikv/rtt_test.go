package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/server/admin"
)

func TestRTTText(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "-", 1700 * time.Nanosecond: "2µs", 84_123 * time.Nanosecond: "84µs", 3_618_028 * time.Nanosecond: "3.62ms", 36_180_280 * time.Nanosecond: "36.2ms", 361_802_800 * time.Nanosecond: "362ms", 1_234_567 * time.Microsecond: "1.23s"} {
		require.Equal(t, want, rttText(admin.Peer{RTT: admin.Duration(d)}))
	}
}
