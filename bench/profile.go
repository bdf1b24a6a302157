package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profile begins a CPU profile of this process if one is wanted; call what it returns at the end. Of several runs the
// last one stays.
func (b *bench) profile(name string) func(*error) {
	if b.Profile == "" {
		return func(*error) {}
	}
	stop, err := startProfile(filepath.Join(b.Profile, name+".pprof"))
	return func(into *error) {
		if err == nil {
			err = stop()
		}
		*into = errors.Join(*into, err)
	}
}

// startProfile writes a CPU profile to path until stop.
func startProfile(path string) (stop func() error, err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("profile: %w", err), f.Close())
	}
	return func() error { pprof.StopCPUProfile(); return f.Close() }, nil
}
