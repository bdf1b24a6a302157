package minikv

import (
	"path/filepath"
	"strings"
)

// knownPeersFile is where a node's directory has the addresses of peers that shared a registry, so that the
// node finds them again after a restart although those it was told of are away. It may be deleted.
const knownPeersFile = "peers.txt"

// The first line names the format; then an address a line.
const knownPeersHead = "minikv peers 1"

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
	text, err := readMemo(path, knownPeersHead)
	return strings.Fields(text), err
}

// rememberPeers returns what keeps the addresses of peers in the directory; nil in memory.
func (n *Node) rememberPeers() func([]string) {
	if n.dir == "" {
		return nil
	}
	return func(addrs []string) {
		if err := writeMemo(filepath.Join(n.dir, knownPeersFile), knownPeersHead, strings.Join(addrs, "\n")+"\n"); err != nil {
			n.cfg.Logger.Warn("the addresses of known peers were not kept", "err", err)
		}
	}
}
