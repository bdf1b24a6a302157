package main

import "time"

// stopwatch measures wall time, or the CPU time of this process.
type stopwatch struct {
	cpu bool
}

// lap runs do and returns the time it took. CPU time falls back to wall time where the system does not tell.
func (s stopwatch) lap(do func()) time.Duration {
	wall := time.Now()
	before, known := cpuTime()
	do()
	took := time.Since(wall)
	if after, ok := cpuTime(); s.cpu && known && ok {
		return after - before
	}
	return took
}
