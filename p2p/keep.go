package p2p

// Keep names peers at run time, like Config.Static: it returns without waiting, and they are dialled now and whenever the
// link to them is lost, until Disconnect. Each address ends in /p2p/ID; the host's own are left out. An error says that
// one of them is no address; then none is kept.
func (h *Host) Keep(addrs []string) error {
	peers, err := parseStatic(addrs)
	if err != nil {
		return err
	}
	if h.isClosed() {
		return ErrClosed
	}
	for _, info := range peers {
		if info.ID != h.id {
			h.redial.keep(info)
		}
	}
	return nil
}
