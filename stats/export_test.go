package stats

// AddQuarter counts the calls of a quarter of an hour, which lies in one period of the zone: see alignsWith.
func (b *Buckets) AddQuarter(q *Quarter) { b.of(q.Start, q.Direction, q.Unanswered).Merge(q.Durations) }
