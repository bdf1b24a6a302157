package main

import (
	"math"
	"math/bits"
	"time"
)

// A bucket holds times that agree in their highest bits: 64 buckets for each power of two, so each is at most 1/64 as wide as the times in it.
const (
	bucketBits = 6
	perPower   = 1 << bucketBits
)

// latencies counts times, in bounded memory. The zero value is empty. Not safe for concurrent use.
type latencies struct {
	n       uint64
	max     time.Duration
	buckets [(64 - bucketBits) * perPower]uint32
}

func (l *latencies) record(d time.Duration) {
	d = max(d, 0)
	l.n++
	l.max = max(l.max, d)
	l.buckets[bucket(uint64(d))]++
}

// bucket is the number of the bucket of v: below 64 each value has its own.
func bucket(v uint64) int {
	shift := max(0, bits.Len64(v)-bucketBits-1)
	return shift*perPower + int(v>>shift)
}

// upper is the largest value of a bucket.
func upper(i int) uint64 {
	shift := max(0, i/perPower-1)
	return uint64(i-shift*perPower+1)<<shift - 1
}

func (l *latencies) add(m *latencies) {
	l.n += m.n
	l.max = max(l.max, m.max)
	for i, c := range m.buckets {
		l.buckets[i] += c
	}
}

// percentile is the least time, in seconds, that the share p of all calls did not exceed; nil where there are too few of
// them to tell: 99.9 % takes 1,000.
func (l *latencies) percentile(p float64) *float64 {
	if l.n == 0 || p < 1 && float64(l.n)*(1-p) < 1-1e-9 {
		return nil
	}
	rank, seen := uint64(math.Ceil(p*float64(l.n)-1e-9)), uint64(0)
	v := l.max
	for i, c := range l.buckets {
		if seen += uint64(c); seen >= rank {
			v = min(l.max, time.Duration(upper(i)))
			break
		}
	}
	s := v.Seconds()
	return &s
}
