package minikv

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// knownPeersFile is where a node's directory has the addresses of peers that shared a registry, so that the
// node finds them again after a restart although those it was told of are away. It may be deleted.
const knownPeersFile = "peers.txt"

// The first line names the format; then an address a line.
const knownPeersHead = "minikv peers 1"

const maxKnownPeersFile = 1 << 20 // bytes

// knownPeers reads the addresses that the directory keeps. Without them the node works, too: what cannot be
// read is told and left.
func (n *Node) knownPeers() []string {
	if n.dir == "" {
		return nil
	}
	addrs, err := readKnownPeers(filepath.Join(n.dir, knownPeersFile))
	if err != nil {
		n.cfg.Logger.Warn("the addresses of known peers cannot be read; peers have to be found anew", "err", err)
	}
	return addrs
}

func readKnownPeers(path string) ([]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKnownPeersFile))
	if err != nil {
		return nil, err
	}
	head, rest, _ := strings.Cut(string(b), "\n")
	if head != knownPeersHead {
		return nil, detailf(ErrBadFormat, "%s begins with %.40q, not with %q", path, head, knownPeersHead)
	}
	return strings.Fields(rest), nil
}

// rememberPeers returns what keeps the addresses of peers in the directory; nil in memory.
func (n *Node) rememberPeers() func([]string) {
	if n.dir == "" {
		return nil
	}
	return func(addrs []string) {
		text := knownPeersHead + "\n" + strings.Join(addrs, "\n") + "\n"
		if err := writeFile(filepath.Join(n.dir, knownPeersFile), []byte(text)); err != nil {
			n.cfg.Logger.Warn("the addresses of known peers were not kept", "err", err)
		}
	}
}
