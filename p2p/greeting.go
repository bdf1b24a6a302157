package p2p

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// A greeting tells a peer which topics this host is in and how some of the members can
// be reached. It is the CBOR array
//
//	[1, [topic …], [record …]]
//
// of the format version, topic names and signed peer records (libp2p RFC 0003).
type greeting struct {
	_       struct{} `cbor:",toarray"`
	Version uint
	Topics  []string
	Records [][]byte
}

const (
	greetingVersion = 1
	// maxGreetingTopics and maxGreetingRecords bound what a greeting holds.
	maxGreetingTopics  = 256
	maxGreetingRecords = 32
	maxGreeting        = 96 << 10
)

var errGreeting = errors.New("p2p: malformed greeting")

var greetingDecoder = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: 4, MaxArrayElements: maxGreetingTopics, MaxMapPairs: 16, UTF8: cbor.UTF8RejectInvalid,
	}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}()

func (g *greeting) encode() ([]byte, error) { return cbor.Marshal(g) }

func decodeGreeting(data []byte) (*greeting, error) {
	if len(data) > maxGreeting {
		return nil, fmt.Errorf("%w: %d bytes", errGreeting, len(data))
	}
	g := new(greeting)
	if err := greetingDecoder.Unmarshal(data, g); err != nil {
		return nil, fmt.Errorf("%w: %w", errGreeting, err)
	}
	if g.Version != greetingVersion {
		return nil, fmt.Errorf("%w: version %d", errGreeting, g.Version)
	}
	if len(g.Topics) > maxGreetingTopics || len(g.Records) > maxGreetingRecords {
		return nil, fmt.Errorf("%w: %d topics, %d records", errGreeting, len(g.Topics), len(g.Records))
	}
	for _, t := range g.Topics {
		if len(t) == 0 || len(t) > maxTopicName {
			return nil, fmt.Errorf("%w: topic name of %d bytes", errGreeting, len(t))
		}
	}
	for _, r := range g.Records {
		if len(r) > maxRecord {
			return nil, fmt.Errorf("%w: record of %d bytes", errGreeting, len(r))
		}
	}
	return g, nil
}
