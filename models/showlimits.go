package models

import "talktime/money"

// ShownLimits are limits as programs are told of them: all of them, and 0, null or an empty list where there is none.
type ShownLimits struct {
	Calls        int64        `json:"calls"`
	Seconds      int64        `json:"seconds"`
	Hour         money.Amount `json:"hour"`
	Day          money.Amount `json:"day"`
	Blocked      []string     `json:"blocked"`
	Allowed      []string     `json:"allowed"`
	Quiet        []string     `json:"quiet"`
	NewCountries *int64       `json:"new_countries"`
	Premium      []string     `json:"premium"`
	PremiumCalls int64        `json:"premium_calls"`
}

// Show is the limits as programs are told of them.
func (l Limits) Show() ShownLimits {
	list := func(texts []string) []string { return append([]string{}, texts...) }
	shown := ShownLimits{
		l.Calls, l.Seconds, l.Hour, l.Day, list(l.Blocked), list(l.Allowed), make([]string, len(l.Quiet)), l.NewCountries, list(l.Premium), l.PremiumCalls,
	}
	for i, w := range l.Quiet {
		shown.Quiet[i] = w.String()
	}
	return shown
}

// ShownGroupLimits are those of a group.
type ShownGroupLimits struct {
	ShownLimits

	SharedCalls int64 `json:"shared_calls"`
	SharedOpen  int64 `json:"shared_open"`
}

// Show is the limits of a group as programs are told of them.
func (l GroupLimits) Show() ShownGroupLimits {
	return ShownGroupLimits{l.Limits.Show(), l.SharedCalls, l.Open}
}

// ShownUserLimits are those of a user: his own, those that count for him, and where each of these comes from.
type ShownUserLimits struct {
	Own       ShownLimits   `json:"own"`
	Effective ShownLimits   `json:"effective"`
	Sources   []LimitSource `json:"sources"`
	Shared    []ShownShared `json:"shared"`
}

// LimitSource is from where a limit comes that counts for a user.
type LimitSource struct {
	Limit string  `json:"limit"`
	From  string  `json:"from"`
	Group *string `json:"group"`
}

// ShownShared is a limit of all members of a group together.
type ShownShared struct {
	Group string `json:"group"`
	Calls int64  `json:"calls"`
	Open  int64  `json:"open"`
}

// Show is the limits of a user as programs are told of them.
func (u UserLimits) Show() ShownUserLimits {
	shown := ShownUserLimits{Own: u.Own.Show(), Effective: u.Effective().Show(), Sources: []LimitSource{}, Shared: []ShownShared{}}
	for _, w := range u.Words("") {
		source := LimitSource{Limit: w.Limit, From: w.From}
		if w.Group != "" {
			source.Group = &w.Group
		}
		shown.Sources = append(shown.Sources, source)
	}
	for _, s := range u.Shared {
		shown.Shared = append(shown.Shared, ShownShared{s.Group, s.Most, s.Open})
	}
	return shown
}
