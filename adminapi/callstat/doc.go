// Package callstat answers as CallStatApp did: which extension called how much, and which share of the calls to each country was
// answered. It translates what [talktime/stats] counts into the words of that program's clients, and counts nothing itself. Who
// may ask is decided by whoever serves it.
//
//	a, found, err := callstat.Reports{Service: statistics, Location: zone, Now: time.Now}.Get(ctx, "callstat", "date=week")
package callstat
