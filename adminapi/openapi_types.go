package adminapi

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"talktime/models"
)

// The types here describe what handlers take. These read a body field by field, because the kept paths take some values
// in several forms; the contract test holds the two together.

type loginRequest struct {
	_        struct{} `additionalProperties:"true"`
	Username string   `json:"username"`
	Password string   `json:"password"`
	Next     string   `json:"next" required:"false"`
}

type newUserRequest struct {
	Username  string           `json:"username" minLength:"1" maxLength:"64" pattern:"^[^/]+$"`
	Password  string           `json:"password" minLength:"6" maxLength:"1024"`
	CLID      string           `json:"clid" pattern:"^\\+?[0-9]{1,20}$"`
	IMSI      string           `json:"imsi" pattern:"^[0-9]{1,16}$"`
	Admin     bool             `json:"admin"`
	Currency  string           `json:"currency" required:"false" pattern:"^[A-Z]{3,8}$"`
	Name      string           `json:"name" required:"false" maxLength:"120"`
	Level     int              `json:"level" required:"false" minimum:"0" maximum:"2"`
	AccountID *string          `json:"account_id" required:"false" minLength:"1" maxLength:"64"`
	Address   string           `json:"address" required:"false" maxLength:"200"`
	CPF       string           `json:"cpf" required:"false" maxLength:"20"`
	Groups    membershipSchema `json:"tunel" required:"false"`
}

type changeUserRequest struct {
	Username  string           `json:"username" required:"false" minLength:"1" maxLength:"64" pattern:"^[^/]+$"`
	Password  string           `json:"password" required:"false" minLength:"6" maxLength:"1024"`
	CLID      *string          `json:"clid" required:"false" pattern:"^\\+?[0-9]{1,20}$"`
	IMSI      *string          `json:"imsi" required:"false" pattern:"^[0-9]{1,16}$"`
	Admin     bool             `json:"admin" required:"false"`
	Currency  string           `json:"currency" required:"false" pattern:"^[A-Z]{3,8}$"`
	Name      string           `json:"name" required:"false" maxLength:"120"`
	Level     int              `json:"level" required:"false" minimum:"0" maximum:"2"`
	AccountID *string          `json:"account_id" required:"false" minLength:"1" maxLength:"64"`
	Address   string           `json:"address" required:"false" maxLength:"200"`
	CPF       string           `json:"cpf" required:"false" maxLength:"20"`
	Groups    membershipSchema `json:"tunel" required:"false"`
	Blocked   bool             `json:"blocked" required:"false"`
	Credit    sumSchema        `json:"credit_limit" required:"false"`
	Low       lowSchema        `json:"low_balance" required:"false"`
}

type changeUsersRequest struct {
	Query querySchema `json:"q"`
	changeUserRequest
}

type grantsRequest struct {
	Queues   []string `json:"queues"`
	Agents   []string `json:"agents"`
	Accounts []string `json:"accounts"`
}

type newGroupRequest struct {
	Name      string    `json:"name" minLength:"1" maxLength:"64" pattern:"^[^/]+$"`
	Day       int       `json:"day" minimum:"1" maximum:"31"`
	Month     int       `json:"month" minimum:"1" maximum:"12"`
	Year      int       `json:"year" minimum:"1970" maximum:"9999"`
	Count     int       `json:"count" minimum:"1" maximum:"1200"`
	Users     idsSchema `json:"users" required:"false"`
	Value     sumSchema `json:"value" required:"false"`
	Mode      string    `json:"mode" required:"false"`
	AccountID *string   `json:"account_id" required:"false" minLength:"1" maxLength:"64"`
}

type changeGroupRequest struct {
	Name      string           `json:"name" required:"false" minLength:"1" maxLength:"64" pattern:"^[^/]+$"`
	Value     sumSchema        `json:"value" required:"false"`
	Mode      string           `json:"mode" required:"false"`
	AccountID *string          `json:"account_id" required:"false" minLength:"1" maxLength:"64"`
	Members   membershipSchema `json:"tunel" required:"false"`
	Add       idsSchema        `json:"newUser" required:"false"`
	Remove    idsSchema        `json:"removeUser" required:"false"`
	Refill    int              `json:"updateGroup" required:"false" minimum:"0" maximum:"1"`
	Date      int64            `json:"date" required:"false" minimum:"1" maximum:"9007199254740991"`
}

type movementRequest struct {
	UserID userIDSchema `json:"userId"`
	Value  sumSchema    `json:"value"`
	Signal string       `json:"signal" required:"false"`
	Type   string       `json:"type_" required:"false"`
	Date   string       `json:"date" required:"false"`
	Until  string       `json:"expires" required:"false" maxLength:"40"`
}

type transferRequest struct {
	From   string    `json:"from"`
	To     string    `json:"to"`
	Amount sumSchema `json:"amount"`
}

type tokenRequest struct {
	Name      string     `json:"name" minLength:"1" maxLength:"64" pattern:"^[^/]+$"`
	Scopes    []string   `json:"scopes" minItems:"1"`
	Account   string     `json:"account" required:"false" minLength:"1" maxLength:"64"`
	ExpiresAt *time.Time `json:"expires_at" required:"false"`
}

type newWebhookRequest struct {
	Name    string   `json:"name" minLength:"1" maxLength:"64" pattern:"^[^/]+$"`
	URL     string   `json:"url" maxLength:"500" pattern:"^https?://.+$"`
	Kinds   []string `json:"kinds" required:"false" nullable:"false"`
	Enabled bool     `json:"enabled" required:"false"`
}

type changeWebhookRequest struct {
	URL     string   `json:"url" required:"false" maxLength:"500" pattern:"^https?://.+$"`
	Kinds   []string `json:"kinds" required:"false" nullable:"false"`
	Enabled bool     `json:"enabled" required:"false"`
}

type newTariffRequest struct {
	Name     string `json:"name" minLength:"1" maxLength:"64" pattern:"^[a-zA-Z0-9][a-zA-Z0-9._-]*$"`
	Currency string `json:"currency" pattern:"^[A-Z]{3,8}$"`
	Zone     string `json:"zone" required:"false"`
	Default  bool   `json:"default" required:"false"`
}

type changeTariffRequest struct {
	Default bool `json:"default"`
}

type newCarrierRequest struct {
	Name     string  `json:"name" minLength:"1" maxLength:"64" pattern:"^[a-zA-Z0-9][a-zA-Z0-9._-]*$"`
	Dial     string  `json:"dial" maxLength:"120"`
	Strip    int     `json:"strip" required:"false" minimum:"0" maximum:"40"`
	Prepend  string  `json:"prepend" required:"false" maxLength:"16" pattern:"^[0-9+*#]*$"`
	Tariff   *string `json:"tariff" required:"false"`
	Channels int64   `json:"channels" required:"false" minimum:"0" maximum:"1000000"`
	Enabled  bool    `json:"enabled" required:"false"`
}

type changeCarrierRequest struct {
	Dial     string  `json:"dial" required:"false" maxLength:"120"`
	Strip    int     `json:"strip" required:"false" minimum:"0" maximum:"40"`
	Prepend  string  `json:"prepend" required:"false" maxLength:"16" pattern:"^[0-9+*#]*$"`
	Tariff   *string `json:"tariff" required:"false"`
	Channels int64   `json:"channels" required:"false" minimum:"0" maximum:"1000000"`
	Enabled  bool    `json:"enabled" required:"false"`
}

type limitsRequest struct {
	Calls        int64     `json:"calls" required:"false" minimum:"0" maximum:"1000000"`
	Seconds      int64     `json:"seconds" required:"false" minimum:"0" maximum:"86400"`
	Hour         sumSchema `json:"hour" required:"false"`
	Day          sumSchema `json:"day" required:"false"`
	Blocked      []string  `json:"blocked" required:"false" maxItems:"100"`
	Allowed      []string  `json:"allowed" required:"false" maxItems:"100"`
	Quiet        []string  `json:"quiet" required:"false" maxItems:"10"`
	NewCountries *int64    `json:"new_countries" required:"false" minimum:"0" maximum:"1000000"`
	Premium      []string  `json:"premium" required:"false" maxItems:"100"`
	PremiumCalls int64     `json:"premium_calls" required:"false" minimum:"0" maximum:"1000000"`
}

type groupLimitsRequest struct {
	limitsRequest

	SharedCalls int64 `json:"shared_calls" required:"false" minimum:"0" maximum:"1000000"`
}

type rerateRequest struct {
	From    string `json:"from"`
	To      string `json:"to"`
	User    string `json:"user" required:"false"`
	Group   string `json:"group" required:"false"`
	Prefix  string `json:"prefix" required:"false" pattern:"^[0-9+*#]{0,40}$"`
	Tariff  string `json:"tariff"`
	Version int64  `json:"version" required:"false" minimum:"0" maximum:"2147483647"`
}

type newRerateRequest struct {
	rerateRequest

	Name   string `json:"name" pattern:"^[A-Za-z0-9_.-]{1,40}$"`
	Expect string `json:"expect"`
}

type newRouteRequest struct {
	Prefix   string   `json:"prefix" pattern:"^([0-9*#]{1,16}|all)$"`
	Carriers []string `json:"carriers" minItems:"1"`
	Order    string   `json:"order" required:"false"`
	Loss     string   `json:"loss" required:"false"`
}

type changeRouteRequest struct {
	Carriers []string `json:"carriers" required:"false" minItems:"1"`
	Order    string   `json:"order" required:"false"`
	Loss     string   `json:"loss" required:"false"`
}

type newVouchersRequest struct {
	Name       string    `json:"name" minLength:"1" maxLength:"64"`
	Count      int       `json:"count" minimum:"1" maximum:"10000"`
	Amount     sumSchema `json:"amount"`
	Currency   string    `json:"currency" required:"false" pattern:"^[A-Z]{3,8}$"`
	ValidUntil *string   `json:"valid_until" required:"false"`
	CreditDays int       `json:"credit_days" required:"false" minimum:"0" maximum:"3650"`
}

type newCardsRequest struct {
	Name       string    `json:"name" minLength:"1" maxLength:"64"`
	Count      int       `json:"count" minimum:"1" maximum:"10000"`
	Amount     sumSchema `json:"amount"`
	Currency   string    `json:"currency" required:"false" pattern:"^[A-Z]{3,8}$"`
	ValidUntil *string   `json:"valid_until" required:"false"`
	Tariff     *string   `json:"tariff" required:"false"`
	Language   *string   `json:"language" required:"false"`
}

type changeBatchRequest struct {
	State string `json:"state"`
	From  string `json:"from" required:"false"`
	To    string `json:"to" required:"false"`
}

type redeemRequest struct {
	Code string `json:"code"`
	User string `json:"user" required:"false"`
}

type activationRequest struct {
	Version int     `json:"version" minimum:"1" maximum:"2147483647"`
	From    *string `json:"from" required:"false"`
}

type voiceRequest struct {
	_    struct{} `additionalProperties:"true"`
	IMSI string   `json:"imsi"`
}

// sumSchema is an amount of money that a client sends: a number, or a string of one.
type sumSchema struct{}

// Schema implements huma.SchemaProvider.
func (sumSchema) Schema(huma.Registry) *huma.Schema {
	least, most := 0.0, float64(maxValue)
	return &huma.Schema{AnyOf: []*huma.Schema{
		{Type: huma.TypeNumber, ExclusiveMinimum: &least, Maximum: &most}, {Type: huma.TypeString, Pattern: `^[0-9]+(\.[0-9]{1,6})?$`},
	}}
}

// lowSchema is an amount, or null.
type lowSchema struct{}

// Schema implements huma.SchemaProvider.
func (lowSchema) Schema(huma.Registry) *huma.Schema {
	least, most := -float64(maxValue), float64(maxValue)
	return &huma.Schema{AnyOf: []*huma.Schema{
		{Type: huma.TypeNumber, Minimum: &least, Maximum: &most}, {Type: huma.TypeString, Pattern: `^-?[0-9]+(\.[0-9]{1,6})?$`}, {Type: "null"},
	}}
}

// userIDSchema is the id_ of a user, or his IMSI.
type userIDSchema struct{}

// Schema implements huma.SchemaProvider.
func (userIDSchema) Schema(huma.Registry) *huma.Schema {
	least := 1.0
	return &huma.Schema{AnyOf: []*huma.Schema{{Type: huma.TypeInteger, Minimum: &least}, {Type: huma.TypeString, Pattern: `^[0-9]{1,18}$`}}}
}

// idsSchema is that of ids: those of users or groups.
type idsSchema struct{}

// Schema implements huma.SchemaProvider.
func (idsSchema) Schema(huma.Registry) *huma.Schema {
	least, most := 1.0, maxMembers
	return &huma.Schema{Type: huma.TypeArray, MaxItems: &most, Items: &huma.Schema{Type: huma.TypeInteger, Minimum: &least}}
}

// membershipSchema is a list of ids in place of another, or what is to be added to it and removed from it.
type membershipSchema struct{}

// Schema implements huma.SchemaProvider.
func (membershipSchema) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{
		idsSchema{}.Schema(r),
		{Type: huma.TypeObject, AdditionalProperties: false, Properties: map[string]*huma.Schema{"add": idsSchema{}.Schema(r), "remove": idsSchema{}.Schema(r)}},
	}}
}

// querySchema is a query with at least one filter.
type querySchema struct{}

// Schema implements huma.SchemaProvider.
func (querySchema) Schema(huma.Registry) *huma.Schema {
	one := 1
	return &huma.Schema{AnyOf: []*huma.Schema{
		{Type: huma.TypeObject, Required: []string{"filters"}, Properties: map[string]*huma.Schema{
			"filters": {Type: huma.TypeArray, MinItems: &one, Items: &huma.Schema{Type: huma.TypeObject}},
		}},
		{Type: huma.TypeString},
	}}
}

// headers are those of answers.
func headers() map[string]*huma.Header {
	text := func(about, example string) *huma.Header {
		return &huma.Header{Description: about, Schema: &huma.Schema{Type: huma.TypeString, Examples: []any{example}}}
	}
	return map[string]*huma.Header{
		"X-Request-Id":        text("The name of the request, under which the server's log has it.", "ZQ2XHTVZ3JWOVGDBEM5WGGJQKN"),
		"Location":            text("Where the new object is.", "http://localhost:8080/api/users/marta"),
		"Content-Disposition": text("The name for the file.", `attachment; filename="voucher-1.csv"`),
		"Link":                text("The next page and the last, as RFC 8288 writes them.", `<http://localhost:8080/api/users?page=2&results_per_page=10>; rel="next"`),
		"X-Source":            text("From what the figures were counted: raw (records), rollup (what was counted of whole days before), or rollup+raw.", "raw"),
		"X-Truncated":         text("Which parts are not whole: of a user's calls there are the newest 100 (all are in /api/cdr), of a group's members the first 10000, in lists 100 (all are in /api/users); rows: of statistics there are as many as limit says.", "originated_calls"),
		"X-Realtime":          text("unavailable, when Asterisk is away: then nothing is known of who waits and who is there.", "unavailable"),
		"X-Count":             text("at-least, when there are num_results objects or more and nobody has counted them to the end.", "at-least"),
		"ETag":                text("Changes when the content does.", `"d41d8cd98f00b204e9800998ecf8427e"`),
		"Set-Cookie":          text("The cookie session.", "session=…; Path=/; HttpOnly; SameSite=Lax"),
		"WWW-Authenticate":    text("How to say who you are.", `Bearer realm="talktime"`),
		"Allow":               text("The methods that there are.", "GET"),
		"Retry-After":         text("Seconds to wait.", "5"),
	}
}

// parameters are those that requests may have.
func parameters() map[string]*huma.Param {
	number := func(least, most float64, example int) *huma.Schema {
		s := &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Examples: []any{example}}
		if most > 0 {
			s.Maximum = &most
		}
		return s
	}
	text := func(example string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Examples: []any{example}}
	}
	query := func(name, about string, s *huma.Schema) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: about, Schema: s}
	}
	among := func(values ...any) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Enum: values, Examples: values[:1]}
	}
	needed := func(p *huma.Param) *huma.Param { p.Required = true; return p }
	path := func(name, about string, s *huma.Schema) *huma.Param {
		return &huma.Param{Name: name, In: "path", Required: true, Description: about, Schema: s}
	}
	key := func(example string) *huma.Param {
		most := maxKey
		return &huma.Param{
			Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &most, Pattern: "^[!-~]+$", Examples: []any{example}},
			Description: "A key of the client's own, which makes the request safe to repeat: the same request with the same key is carried out once, and any other, here or on another path, is refused.",
		}
	}
	return with(map[string]*huma.Param{
		"q":                query("q", "A query in the search language, see above.", text(`{"limit":5}`)),
		"page":             query("page", "The number of the page, from 1 to 1000. What comes behind is reached with after.", number(1, 1000, 1)),
		"results_per_page": query("results_per_page", "How many objects a page has; at most 100.", number(1, maxRows, 10)),
		"after":            query("after", "Only what comes after the object with this key, in place of pages.", number(1, 0, 1)),
		"user":             query("user", "Only what is this user's.", text("marta")),
		"callback":         query("callback", "The name of a function, for JSONP. Only where the settings allow that; else it does not count.", text("show")),
		"dry_run":          query("dry_run", "1: only tell what it would change.", among("1", "0")),
		"note":             query("note", "What the version is, for those who look at it later; at most 120 characters.", text("spring prices")),
		"activate":         query("activate", "1: let the version count from now on.", among("1", "0")),
		"from":             query("from", "Let the version count from then on; a time without a zone is in the tariff's.", text("2099-01-31 00:00")),
		"jump":             query("jump", "Tell prices that change by more than so many percent; 50 unless given, 0: none.", number(0, 1_000_000, 20)),
		"cost":             query("cost", "The name of the tariff that we pay ourselves, in the same currency: tell what is sold for less.", text("carrier-a")),
		"version":          query("version", "Which version; the one that counts unless given.", number(1, 1<<31-1, 1)),
		"prefix":           query("number", "Only rates whose prefix begins this number, or begins with it; digits, * and #.", text("4917")),
		"caller":           needed(query("user", "Who calls.", text("marta"))),
		"number":           needed(query("number", "What is dialled.", text("4930123456"))),
		"talk":             query("seconds", "How long is talked; 60 unless given.", number(0, models.MaxIncrement, 95)),
		"at":               query("at", "When the call begins; a time without a zone is in the server's. Now unless given.", text("2030-01-31 23:59")),
		"imsi":             query("imsi", "The IMSI of a SIM.", text("001010000000204")),
		"path-username":    path("username", "The name of a user.", text("marta")),
		"path-name":        path("name", "The name of a group.", text("field-team")),
		"path-batch":       path("batch", "The name of a batch.", text("spring")),
		"format":           query("format", "How the codes are written; as Accept asks unless given, and CSV if it does not.", among("csv", "pdf")),
		"path-tariff":      path("tariff", "The name of a tariff.", text("retail")),
		"path-rerate":      path("rerate", "The name of a re-rating.", text("january")),
		"path-webhook":     path("webhook", "The name of a webhook.", text("ops")),
		"path-carrier":     path("carrier", "The name of a carrier.", text("north")),
		"path-route":       path("route", "The prefix of a route: first digits of numbers, or all.", text("49")),
		"path-account":     path("account", "The account_id or the id of a user or a group, or all for everybody's calls.", text("all")),
		"path-list":        path("list", "Names of countries with & between them, each percent-encoded.", text("Fiji")),
		"path-period":      path("period", "How long the time is over which calls are counted together.", among("hourly", "daily", "weekly", "monthly")),
		"q-calls":          query("q", "filters over call_time, call_direction, caller_zone_id, callee_zone_id, caller_id_name and unanswered; grouping by call_direction or unanswered; the timezone of all times.", text(`{"filters":[{"name":"call_time","op":"ge","val":"00:00:00 01/03/2026"}],"grouping":"unanswered","timezone":"Pacific/Auckland"}`)),
		"q-list":           query("q", "filters over the same fields as for figures, order_by, limit and offset; the timezone of all times.", text(`{"filters":[{"name":"unanswered","op":"eq","val":0}],"limit":10}`)),
		"path-token":       path("token", "A token, or - for one in the header Authorization.", text("-")),
		"report-date":      query("date", "A day, week for Monday to Friday of last week, month for last month; today unless given.", text("2026-02-11")),
		"report-start":     query("start", "A day or a minute, with end.", text("2026-02-01 08:00")),
		"report-end":       query("end", "A day or a minute, at most 366 days after start.", text("2026-02-11")),
		"qs-entity":        needed(query("entity", "What is asked for: reports (their names), reports/NAME, queues, queues/ID, agents, agents/ID, call/UNIQUEID (its events), search or realtime.", text("queues"))),
		"qs-start":         query("start", "The first day, or a time, included; today unless given, or the day of end.", text("2026-03-01")),
		"qs-end":           query("end", "The last day, or a time, included; today unless given.", text("2026-03-31")),
		"qs-secondsstart":  query("secondsstart", "Of each day only what is at this second of it or later; secondstart does, too. What is no second of a day is ignored. From above secondsend it goes over midnight.", text("28800")),
		"qs-secondsend":    query("secondsend", "Of each day only what is at this second of it or before; secondend does, too.", text("61199")),
		"qs-queue":         query("queue", "Queues by their names, with commas between them or repeated; ALL: all.", text("sales")),
		"qs-agent":         query("agent", "Agents by their names, in the same way. With them only what somebody answered is there.", text("Iva Moss")),
		"qs-page":          query("page", "Which page, of reports/NAME and search with rows.", text("1")),
		"qs-rows":          query("rows", "How many rows a page has, at most 1000; unless given all are on one.", text("100")),
		"qs-uniqueid":      query("uniqueid", "Of search, as all that follow: the call with this unique id.", text("1812528928.11")),
		"qs-clid":          query("clid", "A part of the caller's number.", text("5550177")),
		"qs-url":           query("url", "The URL of the call.", text("crm-7")),
		"qs-tag":           query("tag", "The tag of the call.", text("Sale")),
		"qs-did":           query("did", "The number that was called.", text("5550100")),
		"qs-talktime":      query("talktime", "Seconds of talk: at least, or from and to with a comma between them.", text("60,99999")),
		"qs-waittime":      query("waittime", "Seconds of waiting in the last queue, in the same way.", text("30")),
		"qs-queues":        query("queues", "Of realtime: only these queues, with commas between them.", text("sales,support")),
		"stats-from":       query("from", "A day, from its begin, or a time; in the zone of timezone unless it says another. The begin of today unless given.", text("2026-03-01")),
		"stats-to":         query("to", "As from, and not included. The end of today unless given.", text("2026-04-01")),
		"stats-timezone":   query("timezone", "The IANA name of the zone of days and hours; the server's unless given.", text("Europe/Vienna")),
		"stats-by":         query("by", "How long a time a row is about; day unless given.", among("day", "hour", "week", "month", "none")),
		"stats-step":       query("by", "How long a time a row is about; hour unless given.", among("hour", "quarter", "minute")),
		"stats-of":         query("of", "What the calls of a row have in common; none unless given.", among("none", "user", "group", "country", "destination", "carrier", "cause")),
		"stats-user":       query("user", "Only calls of the user of this name.", text("marta")),
		"stats-group":      query("group", "Only calls of those who are in the group of this name now; not with user.", text("field-team")),
		"stats-country":    query("country", "Only calls to numbers with this calling code, or none for those that lead to no country.", text("49")),
		"stats-carrier":    query("carrier", "Only calls that the carrier of this name took, or was the last to be dialled for.", text("north")),
		"stats-format":     query("format", "json, csv or xlsx, for Excel; json unless given.", among("json", "csv", "xlsx")),
		"stats-limit":      query("limit", "How many rows there are at most; 10000 unless given, of destinations 10.", number(1, maxStatRows, 20)),
		"stats-sort":       query("sort", "Which come first; attempts unless given.", among("attempts", "minutes", "revenue")),
		"stats-currency":   query("currency", "Of the revenue to sort by; that of most calls unless given.", text("SEC")),
		"path-id":          path("id", "The key of the object.", number(1, 0, 7)),
		// One for each path, since no two take the same key.
		"key-balance": key("invoice-2041"), "key-voice-balance": key("invoice-2042"), "key-transfers": key("transfer-118"),
	}, with(with(queueParameters(), with(with(keptPBXParameters(), with(pbxExtensionParameters(), trunkParameters())), recordingParameters())), pbxLiveParameters()))
}
