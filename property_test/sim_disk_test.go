package property_test

import "time"

// sync makes the state durable. In a lazy world it does so now and then; a node
// without a disk has none.
func (p *process) sync() {
	if !p.durable || p.faulty {
		return
	}
	p.commit()
	p.check()
	n := p.node
	acked := append(n.disk.acked[:len(n.disk.acked):len(n.disk.acked)], n.made...)
	n.made = nil
	// What the clock has observed is kept with the entries that it was observed in.
	i := image{witness: p.witness.clone(), acked: acked}
	if p.store != nil {
		if err := p.store.Flush(); err != nil {
			p.w.fail("%s cannot flush its store: %v", p.name, err)
		}
		i.ceiling, i.fs = n.disk.ceiling, n.disk.fs
	} else {
		i.ceiling, i.state = max(n.disk.ceiling, p.clock.Last()), p.rep.Map().Clone()
	}
	n.disk = i
	if p.w.chance(0.2) {
		if i.fs != nil {
			i.fs = crashed(i.fs)
		}
		n.backups = append(n.backups, i)
	}
}

// syncFirst is called before anything leaves the node.
func (p *process) syncFirst() {
	if !p.w.plan.lazy || p.w.chance(0.2) {
		p.sync()
	}
}

// checkAcked demands that each write acknowledged as durable has been seen.
func (p *process) checkAcked() {
	for _, o := range p.disk.acked {
		if !p.rep.Map().Context().Has(o.dot) {
			p.w.fail("%s has forgotten %s, which it acknowledged as durable", p.name, o)
		}
	}
}

// crash ends a process without warning.
func (p *process) crash() {
	w := p.w
	w.note("crash", p.index)
	w.tell("%s crashes", p.name)
	if len(p.made) > 0 {
		w.tally[cUnsynced] += len(p.made)
	}
	if p.durable {
		w.tally[cCrashDisk]++
	} else {
		w.tally[cCrashMemory]++
		p.issued = 0
	}
	p.retire()
	if p.store != nil {
		p.node.disk.fs = crashed(p.node.disk.fs)
		p.closeStore()
	}
	p.dead, p.node.proc, p.made = true, nil, nil
	w.dropWires(p)
	w.relink(p.node)
}

// restart boots a node again, sometimes from a backup that nobody told it of.
func (n *node) restart() {
	if n.proc != nil || n.gone {
		return
	}
	if !n.w.calm && n.w.chance(0.5) {
		n.skew = n.w.skew() // its clock was set anew while it was down
	}
	if len(n.backups) > 0 && n.w.chance(0.6) {
		n.disk = pick(n.w, n.backups)
		if n.disk.fs != nil {
			n.disk.fs = crashed(n.disk.fs) // the backup itself stays as it is
		}
		n.issued = 0
		n.w.tally[cRollback]++
		n.w.note("rollback", n.index)
		n.w.tell("%s is rolled back to a backup", n.name)
	}
	n.boot()
	n.w.relink(n)
}

// crashAndRestart is a fault.
func (w *world) crashAndRestart() {
	up := w.up()
	if len(up) == 0 {
		return
	}
	p := pick(w, up)
	n := p.node
	p.crash()
	w.after(w.exp(pick(w, []time.Duration{30, 2000})*time.Millisecond), n.restart)
}

// failDisk has the disk of a node refuse writes for a while.
func (w *world) failDisk() {
	n := pick(w, w.nodes)
	if !n.durable || n.gone {
		return
	}
	n.faulty = true
	w.tell("the disk of %s refuses writes", n.name)
	w.after(w.exp(3*time.Second), func() { n.faulty = false })
}
