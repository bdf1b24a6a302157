package main

import (
	"sync"

	"github.com/tidwall/btree"
)

// mapFloor is the least that a store with a get can be: a Go map behind a lock. It keeps the slices it is given.
type mapFloor struct {
	mu sync.RWMutex
	m  map[string][]byte
}

func newMapFloor() *mapFloor { return &mapFloor{m: make(map[string][]byte)} }

func (f *mapFloor) put(key string, value []byte) {
	f.mu.Lock()
	f.m[key] = value
	f.mu.Unlock()
}

// shared returns the slice that the map holds: whoever changes it changes the map.
func (f *mapFloor) shared(key string) []byte {
	f.mu.RLock()
	v := f.m[key]
	f.mu.RUnlock()
	return v
}

// copied returns a slice that the caller owns, as minikv's Get does.
func (f *mapFloor) copied(key string) []byte {
	f.mu.RLock()
	v := f.m[key]
	f.mu.RUnlock()
	return append([]byte(nil), v...)
}

// treeFloor is the least that an ordered store can be: a B-tree behind a lock. It keeps the slices it is given, so a set
// copies nothing.
type treeFloor struct {
	mu sync.RWMutex
	t  btree.Map[string, []byte]
}

func (f *treeFloor) put(key string, value []byte) {
	f.mu.Lock()
	f.t.Set(key, value)
	f.mu.Unlock()
}
