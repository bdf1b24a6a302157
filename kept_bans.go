package minikv

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/minikv/minikv/p2p"
)

// bansFile is where a node's directory has the peers that are turned away, so that a restart does not let them in. It
// may be deleted.
const bansFile = "bans.txt"

// The first line names the format; then a ban a line: peer id, end, how many by now, and what was refused last.
const bansHead = "minikv bans 1"

// keptBans reads the bans that the directory keeps. Without them the node works, too: what cannot be read is told and left.
func (n *Node) keptBans() []p2p.Ban {
	if n.dir == "" {
		return nil
	}
	bans, err := readBans(filepath.Join(n.dir, bansFile))
	if err != nil {
		n.cfg.Logger.Error("the bans of an earlier run cannot be read; who was turned away may come again", "err", err)
	}
	return bans
}

// readBans returns what is well formed, and an error if anything is not.
func readBans(path string) ([]p2p.Ban, error) {
	text, err := readMemo(path, bansHead)
	var bans []p2p.Ban
	for line := range strings.Lines(text) {
		ban, ok := parseBan(strings.TrimSuffix(line, "\n"))
		if !ok {
			err = detailf(ErrBadFormat, "%s has the line %.80q, which is no ban", path, line)
			continue
		}
		bans = append(bans, ban)
	}
	return bans, err
}

func parseBan(line string) (b p2p.Ban, ok bool) {
	parts := strings.SplitN(line, " ", 4)
	if len(parts) != 4 {
		return b, false
	}
	until, err := time.Parse(time.RFC3339, parts[1])
	if err != nil {
		return b, false
	}
	count, err := strconv.Atoi(parts[2])
	return p2p.Ban{Peer: parts[0], Until: until, Count: count, Last: parts[3]}, err == nil
}

// keepBans returns what keeps bans in the directory; nil in memory.
func (n *Node) keepBans() func([]p2p.Ban) {
	if n.dir == "" {
		return nil
	}
	return func(bans []p2p.Ban) {
		var b strings.Builder
		for _, ban := range bans {
			fmt.Fprintf(&b, "%s %s %d %s\n", ban.Peer, ban.Until.UTC().Format(time.RFC3339), ban.Count, ban.Last)
		}
		if err := writeMemo(filepath.Join(n.dir, bansFile), bansHead, b.String()); err != nil {
			n.cfg.Logger.Warn("bans were not kept: a restart will let these peers in", "err", err)
		}
	}
}
