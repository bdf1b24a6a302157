package p2p

import "github.com/libp2p/go-libp2p/core/peer"

// Keep names peers at run time, like Config.Static: it returns without waiting, and they are dialled now and whenever the
// link to them is lost, until Disconnect. Each address ends in /p2p/ID; the host's own are left out. An error says that
// one of them is no address; then none is kept.
func (h *Host) Keep(addrs []string) error {
	var infos []*peer.AddrInfo
	for _, s := range addrs {
		info, err := parsePeer(s)
		if err != nil {
			return err
		}
		if info.ID != h.id {
			infos = append(infos, info)
		}
	}
	if h.isClosed() {
		return ErrClosed
	}
	for _, info := range infos {
		h.redial.keep(info)
	}
	return nil
}
