package store

import (
	"encoding/binary"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// number tells the registries of a store apart; zero is the store itself.
type number uint32

// class is the kind of a row.
type class byte

const (
	classEntry      class = 'e'
	classDot        class = 'd'
	classExpiry     class = 'x'
	classTombstone  class = 't'
	classCheckpoint class = 'c'
	classJournal    class = 'j'
	classFilter     class = 'b'
)

const prefixLen = 5 // number and class

// appendPrefix begins a row's key.
func appendPrefix(b []byte, n number, c class) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(n)), byte(c))
}

// named returns the key of a row of the store's own that is about a name.
func named(prefix []byte, name string) []byte { return append(prefix[:prefixLen:prefixLen], name...) }

func appendEntryKey(b []byte, n number, kind lwwmap.Kind, key string) []byte {
	return append(append(appendPrefix(b, n, classEntry), byte(kind)), key...)
}

func appendDotKey(b []byte, n number, d crdt.Dot) []byte {
	b = binary.BigEndian.AppendUint64(appendPrefix(b, n, classDot), uint64(d.Actor))
	return binary.BigEndian.AppendUint64(b, d.Seq)
}

// appendPlaceOfDot is for the row that leads from a dot to its record. It has no value: a
// misbehaving writer may put two records under one dot, and each needs its row.
func appendPlaceOfDot(b []byte, n number, r lwwmap.Record) []byte {
	return append(append(appendDotKey(b, n, r.Dot()), byte(r.Kind())), r.Key()...)
}

// appendTimeKey is for the rows that are in the order of a time.
func appendTimeKey(b []byte, n number, c class, at hlc.Timestamp, kind lwwmap.Kind, key string) []byte {
	b = binary.BigEndian.AppendUint64(appendPrefix(b, n, c), uint64(at))
	return append(append(b, byte(kind)), key...)
}

func appendJournalKey(b []byte, n number, commit uint64) []byte {
	return binary.BigEndian.AppendUint64(appendPrefix(b, n, classJournal), commit)
}

// after returns the first key behind all that begin with prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// splitKind parts what the rows of indexes end in: kind and key.
func splitKind(b []byte) (lwwmap.Kind, string, bool) {
	if len(b) < 2 {
		return 0, "", false
	}
	return lwwmap.Kind(b[0]), string(b[1:]), lwwmap.Kind(b[0]).Valid()
}
