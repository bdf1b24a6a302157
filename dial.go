package minikv

// keep has the peers of a ticket dialled now and whenever the link to them is lost.
func (n *Node) keep(m *membership) {
	if n.host == nil || m == nil {
		return
	}
	if err := n.host.Keep(m.ticket.Addrs); err != nil {
		n.cfg.Logger.Warn("an address of a ticket cannot be dialled", "registry", m.ticket.Name, "err", err)
	}
}
