package hostile_test

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var profiles = flag.String("hostile.profiles", "", "directory for profiles of the heap at the end of the campaign, while the attack goes on")

// resident is the memory of this process in bytes.
func resident(t *testing.T) int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Log("NOT MEASURED: memory, for want of /proc")
		return 0
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	require.NoError(t, err)
	return pages * int64(os.Getpagesize())
}

// effort is the time of processors that the attackers' process has used.
func (e *enemies) effort() time.Duration {
	const perSecond = 100 // USER_HZ, the same on all of Linux
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", e.pid))
	if err != nil {
		e.t.Log("NOT MEASURED: what attackers use of the processors, for want of /proc")
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	user, err := strconv.ParseInt(fields[11], 10, 64)
	require.NoError(e.t, err)
	system, err := strconv.ParseInt(fields[12], 10, 64)
	require.NoError(e.t, err)
	return time.Duration(user+system) * time.Second / perSecond
}

// weigh tells what the memory of this process consists of.
func weigh(t *testing.T) string {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	save(t, "heap-before")
	runtime.GC()
	runtime.ReadMemStats(&after)
	save(t, "heap-after")
	if *profiles != "" {
		f, err := os.Create(filepath.Join(*profiles, "goroutines"))
		require.NoError(t, err)
		defer f.Close()
		require.NoError(t, pprof.Lookup("goroutine").WriteTo(f, 1))
	}
	const mb = 1 << 20
	return fmt.Sprintf("heap %d MiB, of it live %d, stacks %d; free for the system %d; %d goroutines", before.HeapAlloc/mb, after.HeapAlloc/mb, before.StackInuse/mb, (before.HeapIdle-before.HeapReleased)/mb, runtime.NumGoroutine())
}

// save writes a profile of the heap, if profiles are wanted.
func save(t *testing.T, name string) {
	if *profiles == "" {
		return
	}
	f, err := os.Create(filepath.Join(*profiles, name))
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, pprof.Lookup("heap").WriteTo(f, 0))
}

// logger writes what nodes log beside the profiles.
var logger = sync.OnceValue(func() *slog.Logger {
	if *profiles == "" {
		return nil
	}
	f, err := os.Create(filepath.Join(*profiles, "log"))
	if err != nil {
		panic(err)
	}
	return slog.New(slog.NewTextHandler(f, nil))
})
