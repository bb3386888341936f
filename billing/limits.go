package billing

import (
	"strings"
	"time"

	"talktime/models"
	"talktime/money"
)

// clock is an hour as accounts count it: YYYYMMDDHH in the zone of the settings. Its hundredth is the day.
func (p Policy) clock(now time.Time) int64 {
	local := p.local(now)
	year, month, day := local.Date()
	return ((int64(year)*100+int64(month))*100+int64(day))*100 + int64(local.Hour())
}

func (p Policy) local(now time.Time) time.Time {
	if p.Location == nil {
		return now.UTC()
	}
	return now.In(p.Location)
}

// skew is by how much the clocks of processes may differ that share a database.
const skew = time.Minute

// counting is the hour, or where per is 100 the day, in which an account goes on to count what it has counted in another one:
// now's, or the next where somebody whose clock is ahead has begun that. Going back would forget what was counted there.
func (p Policy) counting(counted int64, now time.Time, per int64) int64 {
	if ahead := p.clock(now.Add(skew)) / per; counted == ahead {
		return ahead
	}
	return p.clock(now) / per
}

// spent is what a user's main account says that he has spent on calls in an hour, and in its day.
func spent(a models.Account, hour int64) (inHour, inDay money.Amount) {
	if a.Hour == hour {
		inHour = a.SpentHour
	}
	if a.Hour/100 == hour/100 {
		inDay = a.SpentDay
	}
	return inHour, inDay
}

// spend counts what a call has cost its user, if that is counted: it is from the first call on that such a limit permits.
func (p Policy) spend(wallet purse, amount money.Amount, now time.Time) {
	main := wallet.main()
	if main == nil || amount == 0 || main.Hour == 0 {
		return
	}
	hour := p.counting(main.Hour, now, 1)
	inHour, inDay := spent(*main, hour)
	main.Hour, main.SpentHour, main.SpentDay = hour, inHour+amount, inDay+amount
}

// restrict is why the limits of a user forbid a call, whatever it costs; nil: they do not. further says that the channel
// dials on under its hold, and is no call more.
func (p Policy) restrict(s *State, user models.User, wallet purse, number string, callee int64, further bool, now time.Time) error {
	if !further {
		for _, id := range s.PoolsOf[user.ID] {
			if pool := s.Pools[id]; pool.Most > 0 && pool.Calls >= pool.Most {
				return forbid(models.RuleGroupCalls, "the group's limit of %d calls at once is reached", pool.Most)
			}
		}
	}
	l := user.Limits
	if l == nil {
		return nil
	}
	main := wallet.main()
	if !further && l.Calls > 0 && main != nil && main.OpenCalls >= l.Calls {
		return forbid(models.RuleCalls, "the limit of %d calls at once is reached", l.Calls)
	}
	if err := forbidden(l, number); err != nil {
		return err
	}
	local := p.local(now)
	for _, w := range l.Quiet {
		if w.Covers(local) {
			return forbid(models.RuleQuiet, "no calls are permitted in the quiet hours %s", w)
		}
	}
	if len(l.Premium) > 0 && main != nil && longest(l.Premium, number) >= 0 && premiumCalls(*main, p.counting(main.PremiumDay, now, 100)) >= l.PremiumCalls {
		return forbid(models.RulePremium, "the limit of %d calls a day to premium numbers is reached", l.PremiumCalls)
	}
	if l.NewCountries != nil && callee == 0 && p.Country != nil {
		return p.abroad(s, user, p.Country(number), now)
	}
	return nil
}

// abroad stops calls to more new countries a day than the user is allowed. An empty country is none.
func (p Policy) abroad(s *State, user models.User, country string, now time.Time) error {
	visited := s.Visited[user.ID]
	if _, known := visited[country]; known || country == "" {
		return nil
	}
	s.Unsure = s.Unsure || s.Recalled[user.ID]
	today, day := int64(0), p.clock(now)/100
	for _, first := range visited {
		if p.clock(first)/100 == day {
			today++
		}
	}
	if most := *user.Limits.NewCountries; today >= most {
		return forbid(models.RuleNewCountries, "country code %s is new, and the limit of %d new countries a day is reached", country, most)
	}
	return nil
}

func forbid(rule, format string, args ...any) error {
	r := refuse(ErrLimit, format, args...).(*Refusal) //nolint:errorlint,forcetypeassert // refuse makes nothing else
	r.Rule = rule
	return r
}

// forbidden tells whether a number is blocked: the longest prefix that fits decides, and of a user who has allowed ones
// everything else is.
func forbidden(l *models.Limits, number string) error {
	blocked, allowed := longest(l.Blocked, number), longest(l.Allowed, number)
	switch {
	case blocked >= 0 && blocked >= allowed:
		return forbid(models.RuleBlocked, "numbers that begin like this are blocked")
	case allowed < 0 && len(l.Allowed) > 0:
		return forbid(models.RuleAllowed, "the number is not among those that are allowed")
	}
	return nil
}

// longest is how many digits the longest of the prefixes has that begins a number, -1 when none does.
func longest(prefixes []string, number string) int {
	number = strings.TrimPrefix(number, "+")
	most := -1
	for _, prefix := range prefixes {
		if len(prefix) > most && strings.HasPrefix(number, prefix) {
			most = len(prefix)
		}
	}
	return most
}

func premiumCalls(a models.Account, day int64) int64 {
	if a.PremiumDay != day {
		return 0
	}
	return a.PremiumCalls
}

// afford is how long a user may talk at a rate: what the purse pays for, but for what was talked already, and what his
// limits leave of it. Whether other calls hold the money is worth saying.
func (p Policy) afford(user models.User, wallet purse, rate models.Rate, talked money.Amount, now time.Time) (int64, error) {
	longest := p.MaxCallSeconds
	free := wallet.available() - talked
	l := user.Limits
	if l != nil && l.Seconds > 0 {
		longest = min(longest, l.Seconds)
	}
	seconds := Affordable(rate, free, longest)
	if seconds < 1 {
		switch {
		case Affordable(rate, free, p.MaxCallSeconds) > 0:
			return 0, forbid(models.RuleSeconds, "calls may last %d seconds, which is less than the first that are billed", longest)
		case Affordable(rate, free+wallet.held(), longest) > 0:
			return 0, refuse(ErrInsufficientFunds, "all credit is held by calls in progress")
		}
		return 0, refuse(ErrInsufficientFunds, "no credit")
	}
	main := wallet.main()
	if l == nil || main == nil || l.Hour == 0 && l.Day == 0 {
		return seconds, nil
	}
	inHour, inDay := spent(*main, p.counting(main.Hour, now, 1))
	for _, budget := range []struct {
		rule, words string
		most, spent money.Amount
	}{{models.RuleHour, "an hour", l.Hour, inHour}, {models.RuleDay, "a day", l.Day, inDay}} {
		if budget.most == 0 {
			continue
		}
		seconds = min(seconds, Affordable(rate, max(budget.most-budget.spent-wallet.held()-talked, 0), longest))
		if seconds < 1 {
			return 0, forbid(budget.rule, "the limit of %s for calls in %s is reached", budget.most, budget.words)
		}
	}
	return seconds, nil
}

// countSpent lets it be counted from now on what a user spends, if a limit of his asks for it.
func (p Policy) countSpent(user models.User, wallet purse, now time.Time) {
	l, main := user.Limits, wallet.main()
	if l != nil && (l.Hour > 0 || l.Day > 0) && main != nil && main.Hour == 0 {
		main.Hour = p.clock(now)
	}
}

// counted notes in a user's purse and in the state's changes that a call of his is permitted.
func (p Policy) counted(s *State, user models.User, wallet purse, number string, callee int64, now time.Time) (visited []models.Visited) {
	l := user.Limits
	if l == nil {
		return nil
	}
	p.countSpent(user, wallet, now)
	if main := wallet.main(); main != nil && len(l.Premium) > 0 && longest(l.Premium, number) >= 0 {
		day := p.counting(main.PremiumDay, now, 100)
		main.PremiumDay, main.PremiumCalls = day, premiumCalls(*main, day)+1
	}
	if l.NewCountries == nil || callee != 0 || p.Country == nil {
		return nil
	}
	country := p.Country(number)
	if _, known := s.Visited[user.ID][country]; known || country == "" {
		return nil
	}
	return []models.Visited{{UserID: user.ID, Country: country, First: now}}
}
