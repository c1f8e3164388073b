package queue

import "errors"

// Queue is first in, first out.
type Queue[T any] struct {
	items []T
	n     int
}

// Push appends a value to the queue.
// It never blocks.
//go:noinline
func (q *Queue[T]) Push(value T) error {
	if q == nil {
		return errors.New("no queue")
	}
	/* the buffer grows twice as large
	   whenever it is full */
	q.items = append(q.items, value)
	q.n++
	return nil
}

func (q *Queue[T]) Len() int {
	return q.n
}

/*
Drain empties a queue and calls f on every value.
*/
func Drain[T any](q *Queue[T], f func(T)) {
	for _, value := range q.items {
		f(value)
	}
	q.items = nil
}
