package models

import (
	"slices"
	"strings"

	"talktime/money"
)

// Limits bound what a user may do with his phone. What is zero, nil or empty bounds nothing, but for PremiumCalls.
type Limits struct {
	Calls        int64        `json:"calls,omitempty"`         // at once
	Seconds      int64        `json:"seconds,omitempty"`       // of one call
	Hour         money.Amount `json:"hour,omitzero"`           // spent on calls in an hour of the clock, what is held for calls in progress included
	Day          money.Amount `json:"day,omitzero"`            // the same in a day
	Blocked      []string     `json:"blocked,omitempty"`       // prefixes; of these and Allowed the longest that fits decides
	Allowed      []string     `json:"allowed,omitempty"`       // prefixes; with any, all other numbers are blocked
	Quiet        []Window     `json:"quiet,omitempty"`         // when no call begins
	NewCountries *int64       `json:"new_countries,omitempty"` // to which he may call for the first time in a day
	Premium      []string     `json:"premium,omitempty"`       // prefixes of numbers
	PremiumCalls int64        `json:"premium_calls,omitempty"` // to those in a day, none of them if it is 0; without Premium it means nothing
}

// Rules are those by which a call may be refused, as its record names them.
func Rules() []string {
	return []string{
		RuleCalls, RuleGroupCalls, RuleCarrierCalls, RuleSeconds, RuleHour, RuleDay, RuleBlocked, RuleAllowed, RuleQuiet, RuleNewCountries,
		RulePremium, RuleLoss,
	}
}

// The rules by which a call may be refused, as its record names them.
const (
	RuleCalls        = "calls"
	RuleGroupCalls   = "group-calls"
	RuleCarrierCalls = "carrier-calls"
	RuleSeconds      = "seconds"
	RuleHour         = "hour"
	RuleDay          = "day"
	RuleBlocked      = "blocked"
	RuleAllowed      = "allowed"
	RuleQuiet        = "quiet"
	RuleNewCountries = "new-countries"
	RulePremium      = "premium"
	RuleLoss         = "loss"
)

// Or takes of each bound that of l, or that of further ones where l has none.
func (l Limits) Or(further Limits) Limits {
	or(&l.Calls, further.Calls)
	or(&l.Seconds, further.Seconds)
	or(&l.Hour, further.Hour)
	or(&l.Day, further.Day)
	if len(l.Blocked) == 0 && len(l.Allowed) == 0 { // they are one rule
		l.Blocked, l.Allowed = further.Blocked, further.Allowed
	}
	if len(l.Quiet) == 0 {
		l.Quiet = further.Quiet
	}
	or(&l.NewCountries, further.NewCountries)
	if len(l.Premium) == 0 {
		l.Premium, l.PremiumCalls = further.Premium, further.PremiumCalls
	}
	return l
}

func or[T comparable](field *T, further T) {
	var zero T
	if *field == zero {
		*field = further
	}
}

// Empty reports whether nothing is bounded.
func (l Limits) Empty() bool {
	return l.Calls == 0 && l.Seconds == 0 && l.Hour == 0 && l.Day == 0 && len(l.Blocked) == 0 && len(l.Allowed) == 0 &&
		len(l.Quiet) == 0 && l.NewCountries == nil && len(l.Premium) == 0 && l.PremiumCalls == 0
}

// Bounds of limits: they are read with every call.
const (
	maxPrefixes = 100
	maxWindows  = 10
	maxAtOnce   = 1_000_000
)

// Validate reports what is wrong with limits, in one sentence.
func (l Limits) Validate() error {
	for _, count := range []struct {
		name string
		n    int64
		most int64
	}{{"calls", l.Calls, maxAtOnce}, {"seconds", l.Seconds, MaxIncrement}, {"premium_calls", l.PremiumCalls, maxAtOnce}} {
		if count.n < 0 || count.n > count.most {
			return invalid("%s must be from 0, for no limit, to %d", count.name, count.most)
		}
	}
	if l.NewCountries != nil && (*l.NewCountries < 0 || *l.NewCountries > maxAtOnce) {
		return invalid("new_countries must be from 0 to %d", maxAtOnce)
	}
	if l.Hour < 0 || l.Hour > MaxCredit || l.Day < 0 || l.Day > MaxCredit {
		return invalid("what may be spent in an hour or a day must be from 0, for no limit, to %s", MaxCredit)
	}
	for _, list := range []struct {
		name     string
		prefixes []string
	}{{"blocked", l.Blocked}, {"allowed", l.Allowed}, {"premium", l.Premium}} {
		if len(list.prefixes) > maxPrefixes {
			return invalid("%s must have at most %d prefixes", list.name, maxPrefixes)
		}
		for _, p := range list.prefixes {
			if p == "" || len(p) > MaxPrefix || strings.Trim(p, "0123456789*#") != "" {
				return invalid("the prefix %.40q in %s must have 1 to %d digits, * or #", p, list.name, MaxPrefix)
			}
		}
	}
	if p := slices.IndexFunc(l.Blocked, func(p string) bool { return slices.Contains(l.Allowed, p) }); p >= 0 {
		return invalid("the prefix %s cannot be both blocked and allowed", l.Blocked[p])
	}
	if len(l.Quiet) > maxWindows {
		return invalid("quiet must have at most %d windows", maxWindows)
	}
	for _, w := range l.Quiet {
		if err := w.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Pool is a number of calls at once that the members of a group, or all who call over a carrier, share.
type Pool struct {
	ID    int64
	Name  string // group:ID or carrier:ID
	Most  int64  // 0: any number
	Calls int64  // open ones
}
