//go:build !mutant_horizon_still

package lwwmap

// passed raises the horizon to a record that is held no more. What a replica
// has forgotten about a key thus never stands above both the horizon of data
// and, by its fence, the higher of the key's lease and the horizon of leases;
// the lease itself may not have arrived, or be gone.
func (m *Map) passed(r Record) {
	o := r.Order()
	m.state.Horizons.Raise(r.Kind(), o)
	if r.Kind() != Data || o.Fence.IsZero() {
		return
	}
	if lease := m.Get(Lease, r.Key()); lease.IsZero() || lease.Order().Fence.Compare(o.Fence) < 0 {
		m.state.Horizons.Raise(Lease, Order{Fence: o.Fence.Above()})
	}
}
