package resp

import (
	"math"
	"time"

	"github.com/minikv/minikv"
)

// setOptions are the options of SET and GETEX.
type setOptions struct {
	given    bool // an expiry
	n        []byte
	seconds  bool
	absolute bool
	keep     bool
	persist  bool
	get      bool
}

// setOptions reads the options from word i on; set says for which of the two commands.
func (c *conn) setOptions(i int, set bool) (o setOptions, err error) {
	kind := ""
	for ; i < c.cmd.len(); i++ {
		more := i+1 < c.cmd.len()
		word := string(lower(nil, c.cmd.arg(i)))
		switch {
		case set && (word == "nx" || word == "xx"):
			return o, errSetIf
		case set && word == "get":
			o.get = true
		case set && word == "keepttl" && kind == "":
			o.keep = true
		case !set && word == "persist" && (kind == "" || kind == word):
			o.persist, kind = true, word
		case (word == "ex" || word == "px" || word == "exat" || word == "pxat") && more && !o.keep && (kind == "" || kind == word):
			o.given, kind = true, word
			o.seconds, o.absolute = word[0] == 'e', len(word) == 4
			i++
			o.n = c.cmd.arg(i)
		default:
			return o, errSyntax
		}
	}
	return o, nil
}

// expiry is when a write makes its key expire; the zero value is never, or the registry's default.
type expiry struct {
	at   time.Time
	keep bool // that of the key
}

// past says whether the time has come already.
func (e expiry) past() bool { return !e.at.IsZero() && e.at.UnixMilli() <= time.Now().UnixMilli() }

// expiry works out the time that the options give.
func (o *setOptions) expiry(command string) (expiry, error) {
	if !o.given {
		return expiry{keep: o.keep}, nil
	}
	n, ok := parseInt(o.n)
	if !ok {
		return expiry{}, errNotInteger
	}
	if n <= 0 {
		return expiry{}, errExpireTime(command)
	}
	at, err := expiryOf(n, o.seconds, o.absolute, command)
	return expiry{at: at}, err
}

// maxExpiry is how far ahead an expiry may be: the library's bound, less a day for the time until it is used.
const maxExpiry = 100*365*24*time.Hour - 24*time.Hour

// expiryOf is the time that a number stands for. Times that are past are good; more than 100 years ahead is an
// error here, though not with Redis.
func expiryOf(n int64, seconds, absolute bool, command string) (time.Time, error) {
	now := time.Now()
	if seconds {
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return time.Time{}, errExpireTime(command)
		}
		n *= 1000
	}
	if !absolute {
		if n > math.MaxInt64-now.UnixMilli() {
			return time.Time{}, errExpireTime(command)
		}
		n += now.UnixMilli()
	}
	if n > now.Add(maxExpiry).UnixMilli() {
		return time.Time{}, errExpireTime(command)
	}
	return time.UnixMilli(max(n, 1)), nil
}

// putOptions are the library's options of a write of the present command. They are good until the next call.
func (c *conn) putOptions(e expiry) []minikv.PutOption {
	opts := append(c.opts[:0], minikv.PutOption(minikv.NoWait()))
	if !e.at.IsZero() {
		opts = append(opts, minikv.ExpiresAt(e.at))
	}
	if e.keep {
		opts = append(opts, minikv.KeepTTL())
	}
	if !c.token.IsZero() {
		opts = append(opts, minikv.UnderToken(c.token))
	}
	return opts
}

// writeOptions are those of a write that is no put.
func (c *conn) writeOptions() []minikv.WriteOption {
	opts := []minikv.WriteOption{minikv.NoWait()}
	if !c.token.IsZero() {
		opts = append(opts, minikv.UnderToken(c.token))
	}
	return opts
}

// put stores a value; one that has expired already is as good as a delete.
func (c *conn) put(r *minikv.Registry, key string, value []byte, e expiry) error {
	if e.past() {
		return c.delete(r, key)
	}
	_, err := r.Put(background, key, value, c.putOptions(e)...)
	if err == nil {
		c.wrote(r)
	}
	return err
}

func (c *conn) delete(r *minikv.Registry, key string) error {
	err := r.Delete(background, key, c.writeOptions()...)
	if err == nil {
		c.wrote(r)
	}
	return err
}

func (c *conn) setCommand() {
	if c.cmd.len() == 3 {
		c.store(expiry{})
		return
	}
	o, err := c.setOptions(3, true)
	var e expiry
	if err == nil {
		e, err = o.expiry("set")
	}
	switch {
	case err != nil:
		c.endRun()
		c.failWith(err)
	case o.get:
		c.endRun()
		c.exchange(func(r *minikv.Registry, _ []byte, _ bool) error { return c.put(r, c.str(1), c.cmd.arg(2), e) })
	default:
		c.store(e)
	}
}

func (c *conn) setEx()  { c.setFor("setex", true) }
func (c *conn) pSetEx() { c.setFor("psetex", false) }

func (c *conn) setFor(command string, seconds bool) {
	o := setOptions{given: true, n: c.cmd.arg(2), seconds: seconds}
	e, err := o.expiry(command)
	if err != nil {
		c.failWith(err)
		return
	}
	c.storeValue(c.cmd.arg(3), e)
}

// store is a SET that looks at nothing: it may join a run of such.
func (c *conn) store(e expiry) {
	alone := !c.inLoop() && c.in.empty() && len(c.run.sets) == 0 // nothing follows that it could be written with
	if !c.token.IsZero() || e.past() || alone {
		c.endRun()
		c.storeValue(c.cmd.arg(2), e)
		return
	}
	c.joinRun(e)
}

func (c *conn) storeValue(value []byte, e expiry) {
	r := c.registry()
	if r == nil {
		return
	}
	c.db.mu.RLock()
	err := c.put(r, c.str(1), value, e)
	c.db.mu.RUnlock()
	if err != nil {
		c.failed(r, err)
		return
	}
	c.ok()
}
