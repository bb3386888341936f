package adminapi

import "talktime/adminapi/callstatistics"

// The answers of the call statistics of accounts, for the document.

type crossbarBody struct {
	Status    string `json:"status"`
	RequestID string `json:"request_id"`
	Timestamp string `json:"timestamp"`
}

type countriesBody struct {
	Data callstatistics.CountryList `json:"data"`
	crossbarBody
}

type regionsBody struct {
	Data callstatistics.RegionList `json:"data"`
	crossbarBody
}

type periodsBody struct {
	Data map[string]periodFigures `json:"data"`
	crossbarBody
	Errors map[string]string `json:"errors,omitempty"`
}

type periodFigures struct {
	groupFigures
	Groups map[string]groupFigures `json:"groups,omitempty"`
}

type groupFigures struct {
	Total    int64           `json:"total"`
	Duration durationFigures `json:"duration_seconds"`
}

type durationFigures struct {
	Longest  int64   `json:"max"`
	Shortest int64   `json:"min"`
	Median   float64 `json:"median"`
	Mean     float64 `json:"mean"`
}
