package main

import (
	"fmt"
	"time"
)

// floorPair starts two bare hosts, connected, with gossip between them warm.
func (b *bench) floorPair() (from, to *child, id Identity, stop func(), err error) {
	kids, stop, err := b.startAll(2, roleFloor, "floor")
	if err != nil {
		return nil, nil, id, nil, err
	}
	from, to = kids[0], kids[1]
	err = func() error {
		if err := from.call("Open", None{}, &Identity{}); err != nil {
			return err
		}
		if err := to.call("Open", None{}, &id); err != nil {
			return err
		}
		return from.call("Connect", id, &None{})
	}()
	if err != nil {
		stop()
		return nil, nil, id, nil, err
	}
	return from, to, id, stop, nil
}

// gossipFloor is the latency of bare signed gossipsub.
func (b *bench) gossipFloor(load Singles) (Latencies, error) {
	from, to, _, stop, err := b.floorPair()
	if err != nil {
		return Latencies{}, err
	}
	defer stop()
	if err := from.call("Warm", None{}, &None{}); err != nil {
		return Latencies{}, err
	}
	var n int
	if err := to.call("Received", None{}, &n); err != nil {
		return Latencies{}, err
	}
	if n == 0 {
		return Latencies{}, fmt.Errorf("gossip of the floor did not form")
	}
	return trips(from, to, load)
}

// streamFloor is the time that bytes take over a bare stream.
func (b *bench) streamFloor(bytes int) (took time.Duration, err error) {
	from, _, id, stop, err := b.floorPair()
	if err != nil {
		return 0, err
	}
	defer stop()
	if err := from.call("Bulk", Bulk{Peer: id.ID, Bytes: 1}, &took); err != nil { // the first stream negotiates
		return 0, err
	}
	return took, from.call("Bulk", Bulk{Peer: id.ID, Bytes: bytes}, &took)
}
