package models

import (
	"fmt"
	"slices"
	"strings"
)

// MaxAtOnce is the highest limit of calls at once.
const MaxAtOnce = maxAtOnce

// GroupLimits are those of a group: of each member alone, and of all of them together.
type GroupLimits struct {
	Limits

	SharedCalls int64 // at once, of all members together; 0: any number
	Open        int64 // calls that count in that now; none before there was such a limit
}

// UserLimits are those of a user, and where they come from.
type UserLimits struct {
	Own       Limits
	Group     Limits // of the first of his groups that has any
	GroupName string // of that; empty: none has
	Site      Limits
	Shared    []SharedCalls // of all his groups that have such a limit
}

// SharedCalls is how many calls at once the members of a group may make together.
type SharedCalls struct {
	Group string
	Most  int64
	Open  int64
}

// Effective are the limits that count for the user.
func (u UserLimits) Effective() Limits { return u.Own.Or(u.Group).Or(u.Site) }

// LimitWords is one of somebody's limits, in words.
type LimitWords struct {
	Limit string // its name in JSON
	Words string
	From  string // user, group or site; empty when only one of them was asked
	Group string // its name, when it is from a group
}

// Words are the limits in words. Amounts are in a currency, which may be empty.
func (l Limits) Words(currency string) []LimitWords {
	var words []LimitWords
	say := func(is bool, limit, format string, args ...any) {
		if is {
			words = append(words, LimitWords{Limit: limit, Words: strings.TrimSpace(fmt.Sprintf(format, args...))})
		}
	}
	prefixes := func(list []string) string { return strings.Join(list, ", ") }
	if currency != "" {
		currency = " " + currency
	}
	windows := make([]string, len(l.Quiet))
	for i, w := range l.Quiet {
		windows[i] = w.String()
	}
	say(l.Calls > 0, "calls", "at most %d calls at once", l.Calls)
	say(l.Seconds > 0, "seconds", "calls of at most %d seconds", l.Seconds)
	say(l.Hour > 0, "hour", "at most %s%s for calls in an hour", l.Hour, currency)
	say(l.Day > 0, "day", "at most %s%s for calls in a day", l.Day, currency)
	say(len(l.Blocked) > 0, "blocked", "no numbers that begin with %s", prefixes(l.Blocked))
	say(len(l.Allowed) > 0, "allowed", "only numbers that begin with %s", prefixes(l.Allowed))
	say(len(l.Quiet) > 0, "quiet", "no calls at %s", strings.Join(windows, "; "))
	if l.NewCountries != nil {
		say(true, "new_countries", "at most %s in a day", counted(*l.NewCountries, "new country", "new countries"))
	}
	say(len(l.Premium) > 0, "premium", "at most %s in a day to numbers that begin with %s", counted(l.PremiumCalls, "call", "calls"), prefixes(l.Premium))
	return words
}

func counted(n int64, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

// Words are the limits that count for the user, each with where it comes from.
func (u UserLimits) Words(currency string) []LimitWords {
	words := u.Effective().Words(currency)
	for i, w := range words {
		for _, level := range []struct {
			from, group string
			limits      Limits
		}{{"user", "", u.Own}, {"group", u.GroupName, u.Group}, {"site", "", u.Site}} {
			if level.limits.has(w.Limit) { // whoever has it first is where Or took it
				words[i].From, words[i].Group = level.from, level.group
				break
			}
		}
	}
	return words
}

func (l Limits) has(limit string) bool {
	for _, w := range l.Words("") {
		if w.Limit == limit {
			return true
		}
	}
	return false
}

// Contradictions tells what limits permit that cannot come about: what of them bounds nothing, or too much.
func (l Limits) Contradictions() []string {
	var found []string
	if l.Hour > 0 && l.Day > 0 && l.Day < l.Hour {
		found = append(found, fmt.Sprintf("%s in a day are less than %s in an hour, which bound nothing", l.Day, l.Hour))
	}
	if l.PremiumCalls > 0 && len(l.Premium) == 0 {
		found = append(found, "calls to premium numbers are bounded, but no prefix says which numbers these are")
	}
	if len(l.Allowed) > 0 {
		for _, b := range l.Blocked {
			if !slices.ContainsFunc(l.Allowed, func(a string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }) {
				found = append(found, fmt.Sprintf("the prefix %s need not be blocked, since it is not among those that are allowed", b))
			}
		}
	}
	return found
}
