package stats

import (
	"context"
	"errors"
	"time"
)

// AnsweredBy are the calls of some sources that were answered.
type AnsweredBy []Source

// answeredRing is how long somebody may have rung before, at most, who answered at a time.
const answeredRing = 10 * time.Minute

// AnsweredCalls hands over the numbers that were called, with the moment at which each call was answered, from one time (included) to
// another (excluded), in no order. A source that fails does not keep the others from being read; its error is returned then.
func (a AnsweredBy) AnsweredCalls(ctx context.Context, from, to time.Time, each func(number string, at time.Time) error) error {
	var failed []error
	for _, source := range a {
		var stopped error
		scan := Scan{From: from.Add(-answeredRing), To: to, Fields: FieldDst | FieldDisposition}
		err := source.Each(ctx, scan, func(r *Record) error {
			if string(r.Disposition) != "ANSWERED" {
				return nil
			}
			at := time.Unix(r.Start+max(r.Duration-r.BillSec, 0), 0)
			if !at.Before(from) && at.Before(to) {
				stopped = each(string(r.Dst), at)
			}
			return stopped
		})
		if stopped != nil || ctx.Err() != nil {
			return err
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}
