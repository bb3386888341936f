package stats_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/stats"
)

// answering is a source whose records are written as "dst disposition start duration billsec".
type answering struct {
	records string
	err     error
}

func (answering) Name() string { return "pbx" }

func (s answering) Each(_ context.Context, scan stats.Scan, each func(*stats.Record) error) error {
	for line := range strings.Lines(s.records) {
		var dst, disposition string
		var r stats.Record
		if _, err := fmt.Sscan(line, &dst, &disposition, &r.Start, &r.Duration, &r.BillSec); err != nil {
			return err
		}
		r.Dst, r.Disposition = []byte(dst), []byte(disposition)
		if at := time.Unix(r.Start, 0); at.Before(scan.From) || !at.Before(scan.To) {
			continue
		}
		if err := each(&r); err != nil {
			return err
		}
	}
	return s.err
}

// TestAnsweredCalls: what counts is when somebody answered, and each source that can be read is.
func TestAnsweredCalls(t *testing.T) {
	t.Parallel()
	const pbx = `4930111 ANSWERED 1000 30 20
4930222 BUSY 1000 30 0
4930333 ANSWERED 990 15 5
4930444 ANSWERED 989 15 5
4930555 ANSWERED 1990 30 20
4930666 ANSWERED 1989 30 20
4930777 ANSWERED 1500 5 9
`
	var got []string
	each := func(number string, at time.Time) error {
		got = append(got, fmt.Sprintf("%s at %d", number, at.Unix()))
		return nil
	}
	from, to := time.Unix(1000, 0), time.Unix(2000, 0)
	want := []string{"4930111 at 1010", "4930333 at 1000", "4930666 at 1999", "4930777 at 1500"}
	if err := (stats.AnsweredBy{answering{records: pbx}}).AnsweredCalls(t.Context(), from, to, each); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	broken := errors.New("it does not answer")
	got = nil
	if err := (stats.AnsweredBy{answering{err: broken}, answering{records: pbx}}).AnsweredCalls(t.Context(), from, to, each); !errors.Is(err, broken) || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	stop, n := errors.New("stop"), 0
	err := stats.AnsweredBy{answering{records: pbx}, answering{records: pbx}}.AnsweredCalls(t.Context(), from, to, func(string, time.Time) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("%v after %d", err, n)
	}
	if err := stats.AnsweredBy(nil).AnsweredCalls(t.Context(), from, to, each); err != nil {
		t.Error(err)
	}
}
