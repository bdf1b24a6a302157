package datastore

import (
	"context"
	"iter"
	"path"

	"github.com/ipfs/go-datastore/query"

	"github.com/minikv/minikv"
)

// Query walks the keys strictly below q.Prefix as they are at this moment, ascending, and applies filters,
// orders, offset and limit to them. Writers do not wait for it. Costs are those of a walk of the prefix: it is
// ordered already, so OrderByKey costs nothing; any other order holds all that the filters let through in memory, and
// KeysOnly spares the values where no filter or order looks at them.
//
// The results belong to one goroutine at a time, and have to be read to their end or closed, or they keep
// the moment's map alive. An error, such as that of ctx, is the last result.
func (d *Datastore) Query(ctx context.Context, q query.Query) (query.Results, error) {
	if d.closed.Load() {
		return nil, minikv.ErrClosed
	}
	rest := q
	rest.Prefix = "" // the walk sees to it
	if len(q.Orders) > 0 && byKey(q.Orders[0]) {
		rest.Orders = nil // no two keys are equal, so what follows decides nothing
	}
	next, stop := iter.Pull2(d.walk(ctx, q, valuesNeeded(q, rest)))
	results := query.NaiveQueryApply(rest, query.ResultsFromIterator(q, query.Iterator{
		Next: func() (query.Result, bool) {
			e, err, ok := next()
			if err != nil {
				return query.Result{Error: err}, true
			}
			return query.Result{Entry: e}, ok
		},
		Close: func() error { stop(); return nil },
	}))
	if q.KeysOnly {
		results = withoutValues(results)
	}
	return query.ResultsReplaceQuery(results, q), nil
}

// walk yields the entries below the prefix, with values if they are needed.
func (d *Datastore) walk(ctx context.Context, q query.Query, values bool) iter.Seq2[query.Entry, error] {
	prefix := below(q.Prefix)
	return func(yield func(query.Entry, error) bool) {
		if !values {
			for key, err := range d.reg.Keys(ctx, prefix) {
				if (err != nil || shown(key)) && !yield(query.Entry{Key: key, Size: -1}, err) {
					return
				}
			}
			return
		}
		for e, err := range d.reg.Prefix(ctx, prefix) {
			entry := query.Entry{Key: e.Key, Value: e.Value, Size: len(e.Value)}
			if q.ReturnExpirations {
				entry.Expiration = e.Expires
			}
			if (err != nil || shown(e.Key)) && !yield(entry, err) {
				return
			}
		}
	}
}

// below is the prefix of the registry's keys that lie strictly below a prefix of a query, which may be unclean. The
// root is no exception: go-datastore's own stores show the key "/" to a query without a prefix.
func below(prefix string) string {
	if prefix = path.Clean("/" + prefix); prefix == "/" {
		return prefix
	}
	return prefix + "/"
}

// shown tells whether a datastore.Key can be made of the registry's key: RawKey panics on others.
func shown(key string) bool {
	return key == "/" || len(key) > 1 && key[0] == '/' && key[len(key)-1] != '/'
}

func byKey(o query.Order) bool {
	switch o.(type) {
	case query.OrderByKey, *query.OrderByKey:
		return true
	}
	return false
}

// valuesNeeded tells whether the walk has to read more than keys. A filter or an order not known to look at
// keys alone may look at values, also where the caller wants keys only.
func valuesNeeded(q, rest query.Query) bool {
	if !q.KeysOnly || q.ReturnsSizes || q.ReturnExpirations {
		return true
	}
	for _, f := range rest.Filters {
		switch f.(type) {
		case query.FilterKeyCompare, *query.FilterKeyCompare, query.FilterKeyPrefix, *query.FilterKeyPrefix:
		default:
			return true
		}
	}
	for _, o := range rest.Orders {
		switch o.(type) {
		case query.OrderByKeyDescending, *query.OrderByKeyDescending:
		default:
			return true
		}
	}
	return false
}

// withoutValues leaves out the values that were read for filters, orders and sizes.
func withoutValues(r query.Results) query.Results {
	return query.ResultsFromIterator(r.Query(), query.Iterator{
		Next: func() (query.Result, bool) {
			res, ok := r.NextSync()
			res.Value = nil
			return res, ok
		},
		Close: r.Close,
	})
}
