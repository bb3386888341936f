package adminapi

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/models"
	"talktime/stats"
)

// statQuery is what a request asks of statistics.
type statQuery struct {
	stats.Query

	format  string
	limit   int
	filters []map[string]any // that find the calls in the search language, but for the time and what a row is of

	ids func(from, to time.Time) (least, most int64) // of calls that began then; nil: not known
}

// among reads a parameter that has one of a few values; the first one where it is missing.
func among[T ~string](r *request, name string, values ...T) (T, error) {
	text := T(r.Query(name))
	switch {
	case text == "":
		return values[0], nil
	case slices.Contains(values, text):
		return text, nil
	}
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return "", badRequest(name + " must be one of " + strings.Join(words, ", "))
}

// queryParameters are the names of the parameters that each route takes, by its method and path.
func queryParameters() map[string][]string {
	all, taken := parameters(), make(map[string][]string)
	for route, o := range operations() {
		taken[route] = []string{}
		for _, key := range o.query {
			taken[route] = append(taken[route], all[key].Name)
		}
	}
	return taken
}

// knownParameters refuses what the route does not take: a filter that is spelt otherwise would be none, and the figures those of something
// else.
func (r *request) knownParameters() error {
	path := r.route.Path
	if path == pbxRecordingPath && r.Request.URL.Path == pbxRetentionPath { // the router has it under that path
		path = pbxRetentionPath
	}
	taken := r.api.taken()[r.route.Method+" "+path]
	if len(taken) == 0 && !r.route.pbx() || r.route.callCenter() { // a page, which links to itself; clients of an older program, who add some of their own
		return nil
	}
	for name := range r.Request.URL.Query() {
		if !slices.Contains(taken, name) {
			return badRequest("there is no parameter " + strconv.Quote(name) + "; there are " + cmp.Or(strings.Join(taken, ", "), "none"))
		}
	}
	return nil
}

// zone reads the parameter timezone: an IANA name; the server's where it is missing.
func (r *request) zone() (*time.Location, error) {
	name := r.Query("timezone")
	if name == "" {
		return r.api.Location, nil
	}
	l, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, badRequest("timezone must be the name of a time zone, such as Europe/Vienna")
	}
	return l, nil
}

// zoneText is a zone's name for programs.
func zoneText(l *time.Location) string {
	if name := l.String(); name != "" {
		return name
	}
	return "UTC"
}

// moment reads a day, from its begin, or a time, which is in the zone unless it says another.
func moment(name, text string, l *time.Location) (time.Time, error) {
	t, ok := momentOf(text, l)
	if year := t.UTC().Year(); !ok || year < 1970 || year > 9998 { // in no zone, and with no period behind it, it has more than four digits
		return t, badRequest(name + " must be a day or a time between 1970 and 9998, such as 2026-03-14, 2026-03-14T09:26 or 2026-03-14T09:26:53Z")
	}
	return t, nil
}

func momentOf(text string, l *time.Location) (t time.Time, ok bool) {
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateTime} {
		if wall, err := time.Parse(layout, text); err == nil {
			return time.Unix(stats.NewClock(l).Unix(wall.Unix()), 0), true
		}
	}
	t, err := time.Parse(time.RFC3339, text)
	return t.Truncate(time.Second), err == nil
}

// statTime reads from and to; today where both are missing.
func (r *request) statTime(q *stats.Query) (err error) {
	today := stats.DayAt(r.api.Now().In(q.Location))
	q.From, q.To = today.Begin(q.Location), (today + 1).Begin(q.Location)
	if from := r.Query("from"); from != "" {
		if q.From, err = moment("from", from, q.Location); err != nil {
			return err
		}
	}
	if to := r.Query("to"); to != "" {
		if r.Query("from") == "" {
			return badRequest("from must be there where to is")
		}
		if q.To, err = moment("to", to, q.Location); err != nil {
			return err
		}
	}
	if !q.From.Before(q.To) {
		return badRequest("from must be before to")
	}
	return nil
}

// statQuery reads what all statistics take.
func (r *request) statQuery() (q statQuery, err error) {
	if q.Location, err = r.zone(); err != nil {
		return q, err
	}
	if err = r.statTime(&q.Query); err != nil {
		return q, err
	}
	if q.ids, err = r.api.CallFacts.CallIDs(r.ctx(), q.From, q.To); err != nil {
		return q, err
	}
	if q.format, err = among(r, "format", "json", "csv", "xlsx"); err != nil {
		return q, err
	}
	if q.limit, err = r.statLimit(statRows); err != nil {
		return q, err
	}
	q.filters = endedCalls()
	if err = r.statAccount(&q); err != nil {
		return q, err
	}
	if country := r.Query("country"); country != "" {
		if err = r.statCountry(&q, country); err != nil {
			return q, err
		}
	}
	if name := r.Query("carrier"); name != "" {
		if !r.operates() || r.api.Routing == nil {
			return q, refused(http.StatusForbidden, "Forbidden: who carries calls is the operator's business")
		}
		carrier, err := r.api.Routing.Carrier(r.ctx(), name)
		if isNotFound(err) {
			return q, badRequest("carrier: there is no such carrier")
		}
		if err != nil {
			return q, err
		}
		q.Carrier = &carrier.ID
		q.filters = append(q.filters, where("carrier_id", "eq", carrier.ID))
	}
	return q, nil
}

func (r *request) statLimit(usual int) (int, error) {
	text := r.Query("limit")
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxStatRows {
		return 0, badRequest("limit must be a whole number between 1 and " + strconv.Itoa(maxStatRows))
	}
	return n, nil
}

// statAccount reads whose calls are asked for: a user's, a group's, those of whoever the token is bound to.
func (r *request) statAccount(q *statQuery) error {
	name, group := r.Query("user"), r.Query("group")
	switch {
	case name != "" && group != "":
		return badRequest("user and group exclude each other")
	case group != "" && (!r.operates() || r.api.Groups == nil):
		return refused(http.StatusForbidden, "Forbidden: figures of groups are for whoever may see everybody's")
	case name != "":
		user, err := r.api.Users.UserDetail(r.ctx(), name)
		if err == nil {
			err = r.mustSee(user.ID)
		}
		if isNotFound(err) {
			return badRequest("user: there is no such user")
		}
		q.Account = &stats.Account{Users: []int64{user.ID}}
		q.filters = append(q.filters, where("user_id", "eq", user.ID))
		return err
	case group != "":
		found, err := r.api.Groups.Group(r.ctx(), group)
		if isNotFound(err) {
			return badRequest("group: there is no such group")
		}
		if err != nil {
			return err
		}
		q.filters = append(q.filters, ofGroup(found.ID))
		return r.ofOwner(q, models.Owner{Group: found.ID})
	case r.who.bound():
		return r.ofOwner(q, r.who.only())
	}
	return nil
}

func (r *request) ofOwner(q *statQuery, o models.Owner) error {
	users, err := r.api.CallFacts.MembersOf(r.ctx(), o)
	q.Account = &stats.Account{Users: users}
	return err
}

// ofGroup finds calls of those who are in a group now.
func ofGroup(id int64) map[string]any {
	return map[string]any{"name": "group", "op": "any", "val": where("id_", "eq", id)}
}

func ofCountry(code string) map[string]any {
	if code == "" {
		return map[string]any{"name": "country", "op": "is_null"}
	}
	return where("country", "eq", code)
}

// noCountry is what asks for numbers that lead to none.
const noCountry = "none"

func (r *request) statCountry(q *statQuery, text string) error {
	code := strings.TrimPrefix(strings.TrimSpace(text), "+") // a plus in an address is a blank unless it is written as %2B
	if text == noCountry {
		code = ""
	} else if _, _, ok := r.api.Stats.CountryOf(code); !ok {
		return badRequest("country must be a calling code, such as 49, or " + noCountry)
	}
	q.Country = &code
	q.filters = append(q.filters, ofCountry(code))
	return nil
}

// dimension reads what rows are of.
func (r *request) dimension(q *statQuery) (err error) {
	q.Of, err = among(r, "of", stats.OfNone, stats.OfUser, stats.OfGroup, stats.OfCountry, stats.OfDestination, stats.OfCarrier, stats.OfCause)
	if err == nil && (q.Of == stats.OfGroup || q.Of == stats.OfCarrier) && !r.operates() {
		err = refused(http.StatusForbidden, "Forbidden: figures of groups and carriers are for whoever may see everybody's")
	}
	if err == nil && q.Of == stats.OfGroup {
		q.Groups, err = r.api.CallFacts.GroupsOfUsers(r.ctx())
	}
	return err
}
