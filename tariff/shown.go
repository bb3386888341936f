package tariff

import (
	"time"

	"talktime/models"
)

// ShownRate is a rate in the words of a file of rates.
type ShownRate struct {
	Prefix      string `json:"prefix"`
	Destination string `json:"destination"`
	Rate        string `json:"rate"` // of a minute
	ConnectFee  string `json:"connect_fee"`
	First       int64  `json:"first"`
	Increment   int64  `json:"increment"`
	Minimum     string `json:"minimum"`
	Grace       int64  `json:"grace"`
	From        string `json:"from"`
	To          string `json:"to"`
	Days        string `json:"days"`
	Hours       string `json:"hours"`
}

// Show writes a rate as a file of rates has it, with its times in UTC.
func Show(r models.DeckRate) ShownRate {
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	return ShownRate{
		r.Prefix, r.Name, r.PerMinute.String(), r.ConnectFee.String(), r.First, r.Increment, r.Minimum.String(), r.Grace,
		at(r.From), at(r.To), r.Days.String(), FormatHours(r.Start, r.End),
	}
}
