package callstat

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"talktime/stats"
)

// Service counts. Its errors are those of a context that has ended.
type Service interface {
	CallStat(context.Context, stats.Range) (stats.CallStat, error)
	ASR(context.Context, stats.Range) (stats.ASR, error)
}

// Reports answers.
type Reports struct {
	Service  Service
	Location *time.Location // of the days
	Now      func() time.Time
}

// Answer is what is sent back.
type Answer struct {
	Status int
	Body   any          // to be encoded as JSON
	Source stats.Origin // from what the figures were counted; empty where there are none
}

// Error is the body of a refusal.
type Error struct {
	Error string `json:"error"`
}

// ExtensionReport is the body of callstat.
type ExtensionReport struct {
	Data   []stats.Extension `json:"data"`
	Date   string            `json:"date"`
	Start  string            `json:"start,omitempty"`
	End    string            `json:"end,omitempty"`
	Errors map[string]string `json:"errors,omitempty"` // of databases that failed
}

// CountryReport is the body of asrstat.
type CountryReport struct {
	Date      string              `json:"date"`
	Databases map[string]Database `json:"databases"`
}

// Database is what asrstat says of one database: data, or an error.
type Database struct {
	Status string          `json:"status"`
	Data   []stats.Country `json:"data,omitzero"`
	Error  string          `json:"error,omitempty"`
}

// Get answers for a report with the query of a URL, as it was sent. found is false when there is no such report.
func (r Reports) Get(ctx context.Context, report, query string) (a Answer, found bool, err error) {
	values, malformed := url.ParseQuery(query)
	switch report {
	case "callstat":
		a, err = r.callStat(ctx, values, malformed)
	case "asrstat":
		a, err = r.asrStat(ctx, values, malformed)
	default:
		return Answer{}, false, nil
	}
	return a, true, err
}

func (r Reports) callStat(ctx context.Context, query url.Values, malformed error) (Answer, error) {
	const message = `Invalid date format. Use YYYY-MM-DD or "week" or "month"`
	if malformed != nil {
		return refused(message), nil
	}
	date, start, end := query.Get("date"), query.Get("start"), query.Get("end")
	var period stats.Range
	var err error
	if named := strings.EqualFold(date, "week") || strings.EqualFold(date, "month"); !named && (start != "" || end != "") {
		period, err = stats.ParseRange(start, end, r.Location)
	} else {
		period, err = stats.ParseDate(date, r.Now(), r.Location)
	}
	if err != nil {
		return refused(wrong(err, message)), nil
	}
	counted, err := r.Service.CallStat(ctx, period)
	if err != nil {
		return Answer{}, err
	}
	body := ExtensionReport{Data: counted.Extensions, Date: period.Date, Start: period.Start, End: period.End}
	if body.Data == nil {
		body.Data = []stats.Extension{}
	}
	for _, failed := range counted.Errors {
		if body.Errors == nil {
			body.Errors = make(map[string]string)
		}
		body.Errors[failed.Name] = failed.Error()
	}
	return Answer{http.StatusOK, body, counted.Origin}, nil
}

func (r Reports) asrStat(ctx context.Context, query url.Values, malformed error) (Answer, error) {
	const message = `Invalid date format. Use YYYY-MM-DD, "week", or "month"`
	period, err := stats.ParseDate(query.Get("date"), r.Now(), r.Location)
	if err != nil || malformed != nil {
		return refused(message), nil
	}
	counted, err := r.Service.ASR(ctx, period)
	if err != nil {
		return Answer{}, err
	}
	body := CountryReport{Date: period.Date, Databases: make(map[string]Database)}
	for _, source := range counted.Sources {
		switch {
		case source.Err != nil:
			body.Databases[source.Source] = Database{Status: "error", Error: source.Err.Error()}
		default:
			body.Databases[source.Source] = Database{Status: "success", Data: append([]stats.Country{}, source.Countries...)}
		}
	}
	return Answer{http.StatusOK, body, counted.Origin}, nil
}

func refused(message string) Answer {
	return Answer{Status: http.StatusBadRequest, Body: Error{message}}
}

// wrong is what clients are told of a wrong date or range.
func wrong(err error, date string) string {
	switch {
	case errors.Is(err, stats.ErrHalfRange):
		return "Both start and end must be provided when using a custom range"
	case errors.Is(err, stats.ErrDateTime):
		return "Invalid date-time format. Use YYYY-MM-DD HH:MM or YYYY-MM-DD"
	case errors.Is(err, stats.ErrBackwards):
		return "Invalid range: start must be less than or equal to end"
	case errors.Is(err, stats.ErrRange):
		return "Range too large: at most " + strconv.Itoa(stats.MaxDays) + " days"
	}
	return date
}
