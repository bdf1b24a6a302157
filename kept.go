package minikv

import (
	"strings"
	"time"
)

// What a node's directory keeps of a registry beside its map: the options it was made with, in words that are
// separated by blanks, such as "public default-ttl=1h0m0s".
const (
	wordPublic     = "public"
	wordReadOnly   = "read-only"
	wordDefaultTTL = "default-ttl="
)

// about is what the directory keeps of these options.
func (o registryOptions) about() []byte {
	var words []string
	if o.public {
		words = append(words, wordPublic)
	}
	if o.readOnly {
		words = append(words, wordReadOnly)
	}
	if o.defaultTTL != 0 {
		words = append(words, wordDefaultTTL+o.defaultTTL.String())
	}
	return []byte(strings.Join(words, " "))
}

func parseAbout(about []byte) (o registryOptions, err error) {
	for _, word := range strings.Fields(string(about)) {
		ttl, isTTL := strings.CutPrefix(word, wordDefaultTTL)
		switch {
		case word == wordPublic:
			o.public = true
		case word == wordReadOnly:
			o.readOnly = true
		case isTTL:
			if o.defaultTTL, err = time.ParseDuration(ttl); err != nil {
				return o, detailf(ErrCorrupt, "the registry was kept with %q, which is no duration", word)
			}
		default:
			return o, detailf(ErrBadFormat, "the registry was kept with the option %q, which this version does not know; use the version that wrote it, or a later one", word)
		}
	}
	return o, nil
}

// keptPublic says whether the directory holds a public registry of that name.
func (n *Node) keptPublic(name string) (bool, error) {
	if n.store() == nil {
		return false, nil
	}
	about, ok := n.store().About(name)
	if !ok {
		return false, nil
	}
	kept, err := parseAbout(about)
	return kept.public, err
}

var errKeptPrivate = detailf(ErrInvalid, "the directory has a private registry of that name; open it without Public")

// withKept completes the options of a registry that the directory may hold: whether it is public is remembered,
// and without any options all are.
func (n *Node) withKept(name string, o registryOptions, given int) (registryOptions, error) {
	if n.store() == nil {
		return o, nil
	}
	about, ok := n.store().About(name)
	if !ok {
		return o, nil
	}
	kept, err := parseAbout(about)
	if err != nil || given == 0 {
		return kept, err
	}
	if o.public && !kept.public {
		return o, errKeptPrivate
	}
	o.public = kept.public
	return o, nil
}
