package minikv

// queue is a first-in-first-out queue whose memory follows its length.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) push(v T) { q.items = append(q.items, v) }

func (q *queue[T]) pop() (v T, ok bool) {
	if q.head == len(q.items) {
		return v, false
	}
	var zero T
	v, q.items[q.head] = q.items[q.head], zero
	q.head++
	switch {
	case q.head == len(q.items):
		q.items, q.head = nil, 0
	case q.head >= 64 && q.head*2 >= len(q.items):
		q.items = append([]T(nil), q.items[q.head:]...)
		q.head = 0
	}
	return v, true
}

func (q *queue[T]) len() int { return len(q.items) - q.head }

// without returns list without v. It reuses the list's memory, and may change the order.
func without[T comparable](list []T, v T) []T {
	for i := range list {
		if list[i] == v {
			var zero T
			last := len(list) - 1
			list[i], list[last] = list[last], zero
			return list[:last]
		}
	}
	return list
}

// rouse tells whoever waits on a channel of capacity 1 to look.
func rouse(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
