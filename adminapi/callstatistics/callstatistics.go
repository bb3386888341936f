package callstatistics

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/filter"
	"talktime/stats"
)

// API answers.
type API struct {
	Stats      *stats.Service // whose Zones are those that are told of
	MonthFirst bool           // dates are 06/17/2027; else 17/06/2027
	Zone       *time.Location // of whoever does not ask for one; nil = UTC
	Now        func() time.Time
}

// Error is what is answered in place of figures.
type Error struct {
	Status  int
	Message string // as programs know it: bad_request
	Text    string // for people
	Cause   string // more about it; may be empty
}

// Error returns everything but the status.
func (e *Error) Error() string { return e.Message + ": " + e.Text + " " + e.Cause }

// The errors that are no matter of q.
var (
	ErrInvalidCredentials = Error{Status: http.StatusUnauthorized, Message: "invalid_credentials", Text: "invalid credentials"}
	ErrForbidden          = Error{Status: http.StatusForbidden, Message: "forbidden", Text: "forbidden"}
	ErrInvalidMethod      = Error{Status: http.StatusMethodNotAllowed, Message: "invalid_method", Text: "method not allowed"}
	ErrUnreachable        = Error{Status: http.StatusServiceUnavailable, Message: "datastore_unreachable", Text: "datastore unreachable"}
)

// BadIdentifier is the error of something in the path that there is not.
func BadIdentifier(value string) *Error {
	return &Error{http.StatusNotFound, "bad_identifier", "bad identifier", value}
}

func undecodable() *Error {
	return &Error{Status: http.StatusBadRequest, Message: "bad_request", Text: "Unable to decode data"}
}

func badQuery(cause string) *Error {
	return &Error{http.StatusBadRequest, "bad_request", "Unable to construct query", cause}
}

// ErrorBody is the envelope of an error.
type ErrorBody struct {
	Data      ErrorData `json:"data"`
	Error     string    `json:"error"`
	Message   string    `json:"message"`
	Status    string    `json:"status"`
	RequestID string    `json:"request_id"`
}

// ErrorData is what the envelope of an error holds.
type ErrorData struct {
	Message string `json:"message"`
	Cause   string `json:"cause,omitempty"`
}

// Body is the error in its envelope.
func (e *Error) Body(requestID string) ErrorBody {
	return ErrorBody{ErrorData{e.Text, e.Cause}, strconv.Itoa(e.Status), e.Message, "error", requestID}
}

// Answer is what an envelope holds.
type Answer struct {
	Data   json.RawMessage
	Errors map[string]string // why sources are left out, by their names
	Origin stats.Origin      // for the header X-Source; empty: nothing was counted
}

// Body is an answer in its envelope.
type Body struct {
	Data      json.RawMessage   `json:"data"`
	Status    string            `json:"status"`
	RequestID string            `json:"request_id"`
	Timestamp string            `json:"timestamp"`
	Errors    map[string]string `json:"errors,omitempty"`
}

// Body puts the answer into its envelope.
func (a Answer) Body(requestID string, now time.Time) Body {
	return Body{a.Data, "success", requestID, now.UTC().Format(time.RFC3339), a.Errors}
}

// CountryList is what the answer to countries holds.
type CountryList struct {
	Countries []string `json:"countries"`
}

// RegionList is what the answer to countries/LIST holds: ids of zones by region, by country.
type RegionList struct {
	Countries map[string]map[string][]int64 `json:"countries"`
}

// Countries lists the countries that have zones.
func (a *API) Countries() (Answer, error) { return answerOf(CountryList{a.Stats.Zones.Countries()}) }

const maxCountries = 50

// Regions tells the zones of some countries, whose names are taken from the path as the client escaped it: & stands between them.
func (a *API) Regions(escaped string) (Answer, error) {
	var names []string
	for part := range strings.SplitSeq(escaped, "&") {
		name, err := url.PathUnescape(part)
		if err != nil {
			return Answer{}, BadIdentifier(part)
		}
		if name = strings.TrimSpace(name); name != "" && !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			if names = append(names, name); len(names) > maxCountries {
				return Answer{}, badQuery(fmt.Sprintf("at most %d countries are told of at once", maxCountries))
			}
		}
	}
	found := a.Stats.Zones.Regions(names)
	if len(found) == 0 {
		all, err := url.PathUnescape(escaped)
		if err != nil {
			all = escaped
		}
		return Answer{}, BadIdentifier(all)
	}
	return answerOf(RegionList{found})
}

func answerOf(data any) (Answer, error) {
	text, err := json.Marshal(data)
	return Answer{Data: text}, err
}

// query is what q asks for.
type query struct {
	filter.Query

	zone     *time.Location
	grouping stats.Grouping
}

// parse reads q. Whoever lists wants what of it has to do with order and pages; grouping is for the others.
func (a *API) parse(text string, list bool) (query, error) {
	inner, err := object(text)
	if err != nil {
		return query{}, err
	}
	q := query{zone: a.Zone}
	if q.zone == nil {
		q.zone = time.UTC
	}
	if inner["timezone"] != nil {
		name, _ := inner["timezone"].(string)
		if q.zone, err = time.LoadLocation(name); err != nil || name == "" || name == "Local" {
			return query{}, badQuery(fmt.Sprintf("there is no timezone %.80q", name))
		}
	}
	kept := map[string]any{"filters": inner["filters"]}
	if list {
		for _, part := range []string{"order_by", "limit", "offset"} {
			kept[part] = inner[part]
		}
	} else if q.grouping, err = groupingOf(inner["grouping"]); err != nil {
		return query{}, err
	}
	var rest bytes.Buffer
	encoder := json.NewEncoder(&rest)
	encoder.SetEscapeHTML(false) // it would become longer
	if err := encoder.Encode(kept); err != nil {
		return query{}, undecodable()
	}
	options := filter.Options{Now: a.now(), Location: q.zone, Layouts: []string{a.layout()}}
	q.Query, err = filter.Parse(strings.TrimSpace(rest.String()), stats.CallFields(), options)
	var mistake *filter.Error
	if errors.As(err, &mistake) {
		return query{}, badQuery(mistake.Cause)
	}
	return q, err
}

// object is what q holds, bare or wrapped in data.
func object(text string) (map[string]any, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > filter.MaxText {
		return nil, badQuery(fmt.Sprintf("it is longer than %d bytes", filter.MaxText))
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, undecodable()
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, undecodable()
	}
	outer, ok := value.(map[string]any)
	if !ok {
		return nil, undecodable()
	}
	if wrapped, is := outer["data"]; is {
		if outer, ok = wrapped.(map[string]any); !ok {
			return nil, undecodable()
		}
	}
	return outer, nil
}

func groupingOf(value any) (stats.Grouping, error) {
	if value == nil {
		return stats.Ungrouped, nil
	}
	name, _ := value.(string)
	grouping, ok := stats.GroupingOf(name)
	if !ok || name == "" {
		return grouping, badQuery(fmt.Sprintf("calls cannot be grouped by %.80q, but by call_direction or unanswered", name))
	}
	return grouping, nil
}

func (a *API) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

// layout is how times are written.
func (a *API) layout() string {
	if a.MonthFirst {
		return "15:04:05 01/02/2006"
	}
	return "15:04:05 02/01/2006"
}

// Buckets counts the calls of an account by a period, which has one of the names monthly, weekly, daily and hourly. Its errors are of the
// type *Error, or the context has ended.
func (a *API) Buckets(ctx context.Context, period, text string, account *stats.Account) (Answer, error) {
	p, ok := stats.BucketPeriodOf(period)
	if !ok {
		return Answer{}, BadIdentifier(period)
	}
	q, err := a.parse(text, false)
	if err != nil {
		return Answer{}, err
	}
	report, err := a.Stats.Buckets(ctx, stats.BucketQuery{Period: p, Grouping: q.grouping, Zone: q.zone, Filter: q.Test, Account: account})
	if err != nil {
		return Answer{}, errorOf(err)
	}
	if report.Failed {
		return Answer{}, unreachable(report.Errors[0])
	}
	answer := Answer{Data: a.data(report.Buckets, q.grouping != stats.Ungrouped), Origin: report.Origin}
	for _, e := range report.Errors {
		if answer.Errors == nil {
			answer.Errors = make(map[string]string)
		}
		answer.Errors[e.Name] = e.Error()
	}
	return answer, nil
}

// errorOf is the answer to an error of the statistics. Others are the caller's.
func errorOf(err error) error {
	var source *stats.SourceError
	switch {
	case errors.Is(err, stats.ErrRange):
		return badQuery(stats.ErrRange.Error())
	case errors.Is(err, stats.ErrManySorted):
		return badQuery(err.Error())
	case errors.Is(err, stats.ErrBusy):
		return &Error{http.StatusServiceUnavailable, "datastore_unreachable", err.Error(), ""}
	case errors.As(err, &source):
		return unreachable(source)
	}
	return err
}

func unreachable(err *stats.SourceError) *Error {
	e := ErrUnreachable
	e.Cause = err.Error()
	return &e
}

// data writes buckets, in the order of their time.
func (a *API) data(buckets []stats.Bucket, grouped bool) json.RawMessage {
	b := []byte{'{'}
	for i, bucket := range buckets {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(time.Unix(bucket.Begin, 0).UTC().AppendFormat(append(b, '"'), a.layout()), `":{`...)
		b = strconv.AppendInt(append(b, `"total":`...), bucket.Total, 10)
		if grouped {
			b = append(b, `,"groups":{`...)
			for i, group := range bucket.Groups {
				if i > 0 {
					b = append(b, ',')
				}
				b = append(strconv.AppendQuote(b, group.Key), `:{"total":`...)
				b = append(appendDurations(strconv.AppendInt(b, group.Total, 10), group.BucketFigures), '}')
			}
			b = append(b, '}')
		}
		b = append(appendDurations(b, bucket.BucketFigures), '}')
	}
	return append(b, '}')
}

func appendDurations(b []byte, f stats.BucketFigures) []byte {
	return fmt.Appendf(b, `,"duration_seconds":{"max":%d,"min":%d,"median":%s,"mean":%s}`, f.Longest, f.Shortest, f.Median, f.Mean)
}
