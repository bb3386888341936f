package models

import "time"

// Keeper is a process that extends calls while the phones talk.
type Keeper struct {
	ID      int64
	Name    string    // for people: host and process
	SeenAt  time.Time // by the database's clock; zero where it is only told
	Gone    bool      // it has ended, and said so
	Figures KeeperFigures
}

// KeeperFigures count what a keeper has done since it began.
type KeeperFigures struct {
	Calls    int64 `json:"calls"`    // that it keeps now
	Away     int64 `json:"away"`     // Asterisks that it is not connected to now
	Placed   int64 `json:"placed"`   // slices that Asterisk has taken
	Refused  int64 `json:"refused"`  // slices that Asterisk did not take
	Short    int64 `json:"short"`    // times that there was no money, or no time, for another slice
	Late     int64 `json:"late"`     // slices that were placed when the one before was over, or nearly
	Released int64 `json:"released"` // slices that were committed and never placed; their money was given back with the call's end
	Cut      int64 `json:"cut"`      // calls that it hung up
	Adopted  int64 `json:"adopted"`  // calls that it took over
	Warned   int64 `json:"warned"`   // callers who were told that the end is near
	// Latency counts how long it took from the moment at which a slice was due until Asterisk had taken it: within each of LatencyBounds, and longer.
	Latency    []int64 `json:"latency,omitempty"`
	LatencySum int64   `json:"latency_us"` // microseconds together
}

// LatencyBounds are the bounds of KeeperFigures.Latency.
func LatencyBounds() []time.Duration {
	var bounds []time.Duration
	for _, ms := range []time.Duration{5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000} {
		bounds = append(bounds, ms*time.Millisecond)
	}
	return bounds
}
