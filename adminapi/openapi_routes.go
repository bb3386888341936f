package adminapi

import (
	"net/http"
	"slices"

	"talktime/adminapi/callstat"
	"talktime/adminapi/callstatistics"
	"talktime/models"
	"talktime/routing"
	"talktime/tariff"
	"talktime/voucher"
)

// Tags, under which the routes are grouped.
const (
	tagSession    = "Session"
	tagUsers      = "Users"
	tagGroups     = "Groups"
	tagMoney      = "Money"
	tagCalls      = "Calls"
	tagTariffs    = "Tariffs"
	tagRoutes     = "Routes"
	tagVouchers   = "Vouchers and calling cards"
	tagLimits     = "Limits"
	tagNotices    = "Notices"
	tagStatistics = "Statistics"
	tagQueues     = "Queues"
	tagPBX        = "Telephone system"
	tagTokens     = "Tokens and audit"
	tagServer     = "Server"
)

// tags say what each group of routes is about, in the order of the page.
func tags() [][2]string {
	return [][2]string{
		{tagSession, "Logging in and out."},
		{tagUsers, "People and phones."},
		{tagGroups, "Groups of users, whose balances are refilled on certain dates."},
		{tagMoney, "The double-entry ledger: what was posted, and what posts."},
		{tagCalls, "Calls in any state, the money they hold, and the records of those that were answered."},
		{tagTariffs, "Prices by the first digits of a number: each tariff has versions, of which one counts at a time."},
		{tagRoutes, "Carriers, who take calls to numbers of others, and the routes that lead to them by the first digits of a number."},
		{tagVouchers, "Codes that put money on an account, and calling cards, whose users call from any telephone with a PIN. Both are made in batches."},
		{tagLimits, "What users may do with their phones, and the calls that they were refused."},
		{tagNotices, "What happened that somebody wants to hear of, and the addresses to which it is sent."},
		{tagStatistics, "What is counted of records of calls: of ours, or of CDR databases of Asterisk."},
		{tagQueues, "Queues of Asterisk and their agents: what is counted of its queue_log."},
		{tagPBX, "Extensions, trunks, calls and recordings of Asterisk."},
		{tagTokens, "What programs may do, and who did what."},
		{tagServer, "The state of the server, and this page."},
	}
}

// operations say of each route what its line in Routes does not, by its method and path.
func operations() map[string]operation {
	const ok, created, conflict = http.StatusOK, http.StatusCreated, http.StatusConflict
	html := func(about string) map[int]answer {
		return map[int]answer{ok: {about, map[string]any{typeHTML: nil}, nil}}
	}
	shown := func(about string, v any) map[int]answer {
		return map[int]answer{ok: {about, map[string]any{typeJSON: v, typeScript: nil}, nil}}
	}
	changed := func(about string, v any) map[int]answer {
		return map[int]answer{ok: {about, map[string]any{typeJSON: v}, nil}}
	}
	made := func(about string, v any) map[int]answer {
		return map[int]answer{created: {about, map[string]any{typeJSON: v}, []string{"Location"}}}
	}
	codes := func(about string) map[int]answer {
		return map[int]answer{created: {about, map[string]any{typeCSV: nil, typePDF: nil}, []string{"Location", "Content-Disposition"}}}
	}
	gone := func(about string) map[int]answer { return map[int]answer{http.StatusNoContent: {about: about}} }
	voice := map[int]answer{ok: {"The whole units that the owner may spend, or none.", map[string]any{typeText: nil}, nil}}
	list, newer := []string{"q", "page", "results_per_page", "after", "callback"}, []string{"q", "page", "results_per_page", "after", "user", "callback"}
	one := []string{"callback"}
	plain, bad := []string{"page", "results_per_page", "after", "callback"}, []int{http.StatusBadRequest}
	plainPage := func(list any) map[int]answer {
		a := shown("A page of the list.", list)
		a[ok] = answer{a[ok].about, a[ok].content, []string{"Link"}}
		return a
	}
	cut := func(answers map[int]answer) map[int]answer { // some have only the first of their many parts
		for status, a := range answers {
			a.headers = append(a.headers, "X-Truncated")
			answers[status] = a
		}
		return answers
	}
	page := func(list, object any) map[int]answer {
		a := shown("A page of the list; with `single` in the query the object itself.", anyOf{list, object})
		a[ok] = answer{a[ok].about, a[ok].content, []string{"Link", "X-Count"}}
		return a
	}
	reported := func(v any) map[int]answer {
		refusal := func(about string, headers ...string) answer {
			return answer{about, map[string]any{typeJSON: callstat.Error{}}, headers}
		}
		return map[int]answer{
			ok:                      {"The figures. Of a database that failed there is an error in their place.", map[string]any{typeJSON: v}, []string{"X-Source"}},
			http.StatusBadRequest:   refusal("There is no such date or range."),
			http.StatusUnauthorized: refusal("The token is none, or not good for this.", "WWW-Authenticate"),
			http.StatusNotFound:     refusal("There is no such report."), http.StatusMethodNotAllowed: refusal("These paths are only read.", "Allow"),
			http.StatusServiceUnavailable: refusal("The database did not answer.", "Retry-After"),
		}
	}
	figures := func(about string, v any) map[int]answer {
		return map[int]answer{ok: {about, map[string]any{typeJSON: v, typeScript: nil, typeCSV: nil, typeExcel: nil}, []string{"X-Source", "X-Truncated", "Content-Disposition"}}}
	}
	enveloped := func(about string, content map[string]any, headers ...string) map[int]answer {
		refusal := func(about string, headers ...string) answer {
			return answer{about, map[string]any{typeJSON: callstatistics.ErrorBody{}}, headers}
		}
		return map[int]answer{
			ok:                      {about, content, headers},
			http.StatusBadRequest:   refusal("q cannot be read or carried out; the cause says what of it."),
			http.StatusUnauthorized: refusal("The token is none.", "WWW-Authenticate"), http.StatusForbidden: refusal("Whoever asks may not see this account's calls."),
			http.StatusNotFound:           refusal("There is no such account, country or period."),
			http.StatusServiceUnavailable: refusal("No database with calls answered, or too many others are waiting.", "Retry-After"),
		}
	}
	const ofAccounts = "A token is shown as X-Auth-Token, auth_token or Authorization. One that is bound to an account sees that account, others see all; people who are no administrators see the accounts that they were granted. "
	ofStats := []string{
		"stats-from", "stats-to", "stats-timezone", "stats-user", "stats-group", "stats-country", "stats-carrier", "stats-format", "stats-limit", "callback",
	}
	without := func(names []string, name string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
	}
	ofQueues := func(about string, headers ...string) answer {
		return answer{about, map[string]any{typeJSON: callstat.Error{}}, headers}
	}
	queueStats := operation{
		tag: tagStatistics, about: "People who are no administrators see the queues and agents that they were granted; to everybody else all others are as if they were not there. All values are texts. " +
			"Of one day, today, unless start or end say otherwise. A passage through a queue belongs to the moment at which it was answered, or else ended; a call to that at which it began. Calls that go on are in realtime alone.",
		query: []string{
			"qs-entity", "qs-start", "qs-end", "qs-secondsstart", "qs-secondsend", "qs-queue", "qs-agent", "qs-page", "qs-rows", "qs-uniqueid", "qs-clid", "qs-url", "qs-tag", "qs-did",
			"qs-talktime", "qs-waittime", "qs-queues",
		},
		answers: map[int]answer{
			ok:                            {"A report or what a search found; a list, or one of it; the events of a call; how queues are now.", map[string]any{typeJSON: anyOf{queueListBody{}, queueReportBody{}, callEventsBody{}, queuesNowBody{}}}, []string{"X-Realtime"}},
			http.StatusBadRequest:         ofQueues("A parameter is wrong; the error says which, and why."),
			http.StatusUnauthorized:       ofQueues("Nobody has shown a name and a password that are right, or a token.", "WWW-Authenticate"),
			http.StatusForbidden:          ofQueues("The token is not good for statistics, or bound to an account."),
			http.StatusNotFound:           {"There is no such entity or report, or no such queue or agent.", map[string]any{typeJSON: anyOf{callstat.Error{}, queueListBody{}}}, nil},
			http.StatusMethodNotAllowed:   ofQueues("These paths are only read.", "Allow"),
			http.StatusTooManyRequests:    ofQueues("Too many passwords were wrong, or too many are being compared.", "Retry-After"),
			http.StatusServiceUnavailable: ofQueues("The database did not answer, or too many others are waiting.", "Retry-After"),
		},
	}
	never := operation{tag: tagMoney, refusals: []int{http.StatusMethodNotAllowed}}
	unchanged := func(about, contentType string, v any) map[int]answer {
		return map[int]answer{
			ok:                     {about, map[string]any{contentType: v}, []string{"ETag"}},
			http.StatusNotModified: {about: "It is what If-None-Match named.", headers: []string{"ETag"}},
		}
	}
	health := map[int]answer{
		ok:                            {"It can.", map[string]any{typeJSON: healthJSON{}}, nil},
		http.StatusServiceUnavailable: {"It cannot; the message says why.", map[string]any{typeJSON: healthJSON{}, typeProblem: problemJSON{}}, nil},
	}
	return with(map[string]operation{
		"GET /":        {tag: tagSession, answers: html("A page.")},
		"GET /login":   {tag: tagSession, answers: html("A form.")},
		"GET /logout":  {tag: tagSession, answers: html("A page.")},
		"POST /logout": {tag: tagSession, answers: html("A page.")},
		"GET /check":   {tag: tagSession, answers: html("A page with the name.")},
		"POST /login": {
			tag: tagSession, about: "After 10 failures within 15 minutes a user has to wait at the address they came from.", body: loginRequest{}, form: true,
			answers: map[int]answer{
				ok:                  {"The cookie session is set.", map[string]any{typeJSON: loginJSON{}, typeHTML: nil}, []string{"Set-Cookie"}},
				http.StatusSeeOther: {about: "The same, when the form said where to go next.", headers: []string{"Set-Cookie", "Location"}},
			},
			refusals: []int{http.StatusTooManyRequests},
		},

		"GET /api/users":  {tag: tagUsers, query: list, answers: page(envelope[userJSON]{}, userJSON{})},
		"POST /api/users": {tag: tagUsers, about: "Only an administrator, or a token with the scope admin, makes administrators. With `tunel` a token needs the scope money too.", body: newUserRequest{}, answers: made("The user.", userJSON{}), refusals: []int{conflict}},
		"PATCH /api/users": {
			tag: tagUsers, about: "The query must have at least one filter. At most 10000 users are changed, all or none.", body: changeUsersRequest{},
			answers: changed("How many were changed.", modifiedJSON{}), refusals: []int{http.StatusNotFound, conflict},
		},
		"GET /api/users/:username": {tag: tagUsers, query: one, answers: cut(shown("The user.", userJSON{}))},
		"PATCH /api/users/:username": {
			tag: tagUsers, about: "A user may change of himself `username`, `password`, `name`, `address` and `cpf`, and call himself nothing that is the number or account id of somebody else (409). A new password ends his sessions. With `tunel` a token needs the scope money too.", body: changeUserRequest{},
			answers: cut(changed("The user as he is now.", userJSON{})), refusals: []int{conflict},
		},
		"DELETE /api/users/:username": {
			tag: tagUsers, about: "Not while a call of his is in progress (409), and not the last administrator (409). His balance goes to the house; his name and numbers become free.",
			answers: gone("The user is deleted."), refusals: []int{conflict}, also: ScopeMoney,
		},

		"GET /api/users/:username/grants": {tag: tagUsers, answers: changed("What he may see.", models.Grants{})},
		"PUT /api/users/:username/grants": {tag: tagUsers, body: grantsRequest{}, answers: changed("What he may see now.", models.Grants{})},

		"GET /api/groups": {tag: tagGroups, query: list, answers: cut(page(envelope[groupJSON]{}, groupJSON{}))},
		"POST /api/groups": {
			tag: tagGroups, about: "The first refill is on the given day, the others on the same day of the following months, or on a month's last day where it is shorter.",
			body: newGroupRequest{}, answers: cut(made("The group.", groupJSON{})), refusals: []int{conflict}, also: ScopeMoney,
		},
		"GET /api/groups/:name": {tag: tagGroups, query: one, answers: cut(shown("The group.", groupJSON{}))},
		"PATCH /api/groups/:name": {
			tag: tagGroups, about: "`updateGroup` 1 refills by the earliest date that is left, due or not; sent again it is the next refill. With `date`, the `id_` of one of `dates_to_update`, it is that one, once: sent again it changes nothing. What is refused changes nothing, neither the group nor a balance. Without any change, dates that are due are carried out. For anything but the name and the `account_id` a token needs the scope money too.",
			body: changeGroupRequest{}, answers: cut(changed("The group as it is now.", groupJSON{})), refusals: []int{conflict},
		},
		"DELETE /api/groups/:name": {tag: tagGroups, answers: gone("The group is deleted."), also: ScopeMoney},

		"GET /api/balance": {tag: tagMoney, query: list, answers: page(envelope[entryJSON]{}, entryJSON{})},
		"POST /api/balance": {
			tag: tagMoney, about: "A removal takes at most what is available (409). With `expires` it is promotional credit, for calls only: they spend it first, and it can neither be removed nor transferred.", query: []string{"key-balance"}, body: movementRequest{},
			answers: made("The ledger entry.", entryJSON{}), refusals: []int{conflict},
		},
		"GET /api/balance/:id":    {tag: tagMoney, query: one, answers: shown("The ledger entry.", entryJSON{})},
		"PATCH /api/balance/:id":  never,
		"DELETE /api/balance/:id": never,
		"GET /api/ledger":         {tag: tagMoney, query: newer, answers: page(envelope[ledgerJSON]{}, ledgerJSON{})},
		"POST /api/transfers": {
			tag: tagMoney, about: "Only between users of one currency, and at most what is available (409).", query: []string{"key-transfers"}, body: transferRequest{},
			answers: made("The transfer.", transferJSON{}), refusals: []int{conflict},
		},
		"GET /check_voice_balance": {
			tag: tagMoney, about: "For telephone systems in the networks where Asterisk may call from, and tokens with the scope read. At most 50 questions a second from one address.",
			query: []string{"imsi"}, answers: voice, refusals: []int{http.StatusForbidden, http.StatusTooManyRequests},
		},
		"GET /check_data_balance":  {tag: tagMoney, query: []string{"imsi"}, answers: voice, refusals: []int{http.StatusForbidden, http.StatusTooManyRequests}},
		"POST /check_data_balance": {tag: tagMoney, body: voiceRequest{}, answers: voice, refusals: []int{http.StatusTooManyRequests}},
		"POST /api/voice_balance": {
			tag: tagMoney, about: "A negative value takes money, at most what is available (409). The origin is checked, and kept nowhere.",
			query: []string{"key-voice-balance"}, body: voiceMovementRequest{}, answers: made("What was moved; the Location is the ledger entry.", voiceMovementJSON{}), refusals: []int{conflict},
		},
		"POST /check_voice_balance": {tag: tagMoney, about: "As GET.", body: voiceRequest{}, answers: voice, refusals: []int{http.StatusTooManyRequests}},

		"GET /api/cdr":     {tag: tagCalls, query: list, answers: page(envelope[fullCDRJSON]{}, fullCDRJSON{})},
		"GET /api/cdr/:id": {tag: tagCalls, query: one, answers: shown("The record.", fullCDRJSON{})},
		"POST /api/cdr": {
			tag: tagCalls, about: "For calls that no program of ours saw. Calls that we bill make their records by themselves.", body: newCDRRequest{},
			answers: made("The record.", fullCDRJSON{}),
		},
		"PATCH /api/cdr/:id": {
			tag: tagCalls, about: "The record of a call that was billed is never changed (409).", body: changeCDRRequest{},
			answers: changed("The record as it is now.", fullCDRJSON{}), refusals: []int{conflict},
		},
		"DELETE /api/cdr/:id":        {tag: tagCalls, about: "The record of a call that was billed is never deleted (409).", answers: gone("The record is deleted."), refusals: []int{conflict}},
		"GET /api/calls":             {tag: tagCalls, query: newer, answers: page(envelope[callJSON]{}, callJSON{})},
		"GET /api/calls/:id":         {tag: tagCalls, query: one, answers: shown("The call.", callJSON{})},
		"GET /api/calls/:id/explain": {tag: tagCalls, query: one, answers: shown("The call with all evidence, the steps of its price, and what was posted.", explainJSON{})},
		"GET /api/holds":             {tag: tagCalls, query: newer, answers: page(envelope[callJSON]{}, callJSON{})},
		"GET /api/holds/:id":         {tag: tagCalls, query: one, answers: shown("The call that holds money.", callJSON{})},
		"DELETE /api/holds/:id": {
			tag: tagCalls, about: "That ends no talk. When evidence of one comes later, the call is still charged; until then it is listed as unreconciled.",
			answers: gone("The money is given back."), refusals: []int{conflict},
		},

		"GET /api/tariffs": {tag: tagTariffs, query: plain, answers: plainPage(envelope[tariffJSON]{}), refusals: bad},
		"POST /api/tariffs": {
			tag: tagTariffs, about: "The default of a currency is for everybody with money in it to whom no other is assigned; it takes the place of the one before. Without any tariff a second costs a SEC.",
			body: newTariffRequest{}, answers: made("The tariff.", tariffJSON{}), refusals: []int{conflict},
		},
		"GET /api/tariffs/:tariff":          {tag: tagTariffs, query: one, answers: shown("The tariff.", tariffJSON{})},
		"PATCH /api/tariffs/:tariff":        {tag: tagTariffs, body: changeTariffRequest{}, answers: changed("The tariff as it is now.", tariffJSON{})},
		"DELETE /api/tariffs/:tariff":       {tag: tagTariffs, about: "Not while it is assigned to somebody, or the default of its currency (409). Calls keep the rates that they were made at.", answers: gone("The tariff is removed."), refusals: []int{conflict}},
		"GET /api/tariffs/:tariff/versions": {tag: tagTariffs, query: plain, answers: plainPage(envelope[tariffVersionJSON]{}), refusals: bad},
		"POST /api/tariffs/:tariff/versions": {
			tag: tagTariffs, about: "The body is CSV in UTF-8, whose first line names the columns in any order: `prefix`, `destination` and `rate` (of a minute) must be there; `connect_fee`, `first`, `increment` (such as 30/6), `minimum`, `grace`, `from`, `to`, `days` (such as mon-fri) and `hours` (such as 22:00-06:00, in the tariff's zone) may be. " +
				"All rates become a new version, or none do. It counts once it is activated. At most 64 MiB and 500000 rates; only one file is imported at a time (429). What is not importable is refused with everything that was found in it, also when it is only tried.",
			query: []string{"dry_run", "note", "activate", "from", "jump", "cost"}, csv: "prefix,destination,rate,connect_fee,increment\n49,Germany,60,,\n4917,Germany mobile,90,5,30/6\n",
			answers: map[int]answer{
				ok:                    {"With `dry_run`: what it would change. The version is 0.", map[string]any{typeJSON: importedJSON{}}, nil},
				created:               {"What it changes against the version that counts, and the number of the version.", map[string]any{typeJSON: importedJSON{}}, []string{"Location"}},
				http.StatusBadRequest: {"Something in the request is wrong, or rows of the file are bad or there twice; then the findings are told. Nothing was imported.", map[string]any{typeProblem: anyOf{problemJSON{}, notImportedJSON{}}}, nil},
			}, refusals: []int{http.StatusTooManyRequests},
		},
		"POST /api/tariffs/:tariff/activations": {
			tag: tagTariffs, about: "From now on, or from an instant on that is to come; one without a zone is in the tariff's. Calls in progress keep their rate.", body: activationRequest{},
			answers: map[int]answer{created: {"The version.", map[string]any{typeJSON: tariffVersionJSON{}}, nil}},
		},
		"POST /api/tariffs/:tariff/rollback": {
			tag: tagTariffs, about: "The version counts no more, and the one before does, or it never will if its time is to come. To name it makes the request safe to repeat: one that neither counts nor is planned is refused (409), and so is what would leave none (409).",
			query: []string{"version"}, answers: changed("The version that counts now; 0 when none does yet.", tariffVersionJSON{}), refusals: []int{http.StatusBadRequest, conflict},
		},
		"GET /api/tariffs/:tariff/rates": {
			tag: tagTariffs, about: "In the order of the file.", query: append([]string{"version", "prefix"}, plain...), answers: plainPage(envelope[tariffRateJSON]{}), refusals: bad,
		},
		"GET /api/rates/explain": {
			tag: tagTariffs, about: "It asks the same code as a call does: the longest prefix counts; of its rates one for certain days or hours goes before one for all, then the one that began later. Where the number has no rate, the call would be refused; so is this (409). Past prices are told too, but who has which tariff is as it is now.",
			query: []string{"caller", "number", "talk", "at", "callback"}, answers: shown("The price, and what it comes from.", tariff.Explanation{}), refusals: []int{http.StatusBadRequest, http.StatusNotFound, conflict},
		},
		"GET /api/users/:username/tariff": {tag: tagTariffs, answers: changed("His own tariff; null: that of his group counts, or the default of his currency.", assignedTariffJSON{})},
		"PUT /api/users/:username/tariff": {tag: tagTariffs, about: "It must be in the currency of his money (409). It goes before that of his group, and is for calls to come.", body: assignedTariffJSON{}, answers: changed("His own tariff now.", assignedTariffJSON{}), refusals: []int{conflict}},
		"GET /api/groups/:name/tariff":    {tag: tagTariffs, answers: changed("Its tariff, or null.", assignedTariffJSON{})},
		"PUT /api/groups/:name/tariff":    {tag: tagTariffs, about: "It counts for members who have no own one and whose money is in its currency.", body: assignedTariffJSON{}, answers: changed("Its tariff now.", assignedTariffJSON{})},

		"GET /api/rerates": {tag: tagTariffs, query: plain, answers: plainPage(envelope[models.Rerate]{}), refusals: bad},
		"POST /api/rerates/preview": {
			tag: tagTariffs, about: "Settled calls of a period, each priced by the rate that its number has in the version that is named or, without one, in the version that counts for its time. Nothing is changed. Many calls take long: `admin rerate` has no time limit.",
			body: rerateRequest{}, answers: changed("What it would do to each customer.", models.ReratePreview{}), refusals: []int{http.StatusNotFound, conflict},
		},
		"POST /api/rerates": {
			tag: tagTariffs, about: "The difference is posted beside the charge of each call, which stays as it is: what is too much goes back, what is too little is taken from what the customer has, and the rest is a shortfall. Refused (409) when the outcome would not be what was previewed. Under a name each call is adjusted once: one that was broken off is finished by the same request.",
			body: newRerateRequest{}, answers: made("The re-rating.", models.Rerate{}), refusals: []int{http.StatusNotFound, conflict}, also: ScopeMoney,
		},
		"GET /api/rerates/:rerate": {tag: tagTariffs, query: one, answers: shown("The re-rating.", models.Rerate{})},
		"GET /api/carriers":        {tag: tagRoutes, query: plain, answers: plainPage(envelope[routing.ShownCarrier]{}), refusals: bad},
		"POST /api/carriers": {
			tag: tagRoutes, about: "He gets calls once a route names him. The number is sent without the + that may stand before it, without the digits that are stripped off its front, and behind what is prepended.",
			body: newCarrierRequest{}, answers: made("The carrier.", routing.ShownCarrier{}), refusals: []int{http.StatusNotFound, conflict},
		},
		"GET /api/carriers/:carrier":    {tag: tagRoutes, query: one, answers: shown("The carrier.", routing.ShownCarrier{})},
		"PATCH /api/carriers/:carrier":  {tag: tagRoutes, about: "It is for calls to come, and his channels are from now on.", body: changeCarrierRequest{}, answers: changed("The carrier as he is now.", routing.ShownCarrier{})},
		"DELETE /api/carriers/:carrier": {tag: tagRoutes, about: "Not while a route names him (409). Calls in progress go on.", answers: gone("The carrier is removed."), refusals: []int{conflict}},
		"GET /api/routes":               {tag: tagRoutes, query: plain, answers: plainPage(envelope[routing.ShownRoute]{}), refusals: bad},
		"POST /api/routes": {
			tag: tagRoutes, about: "Of several routes that fit a number the one with the longest prefix takes it, and no other. A carrier loses where he asks more than is charged for a call of a second, of a minute or of the longest that there may be; that can be told only of prices in the same currency.",
			body: newRouteRequest{}, answers: made("The route.", routing.ShownRoute{}), refusals: []int{http.StatusNotFound, conflict},
		},
		"GET /api/routes/:route":    {tag: tagRoutes, query: one, answers: shown("The route.", routing.ShownRoute{})},
		"PATCH /api/routes/:route":  {tag: tagRoutes, about: "It is for calls to come.", body: changeRouteRequest{}, answers: changed("The route as it is now.", routing.ShownRoute{})},
		"DELETE /api/routes/:route": {tag: tagRoutes, about: "Calls to its numbers go where the next shorter prefix leads. Calls in progress go on.", answers: gone("The route is removed.")},
		"GET /api/routes/explain": {
			tag: tagRoutes, about: "It asks the same code as a call does. Whether a carrier has a place left depends on the calls in progress, and is not looked at. Where the number has no rate, the call would be refused; so is this (409). Carriers and routes are taken as they are now, prices as they are at that time.",
			query: []string{"caller", "number", "at", "callback"}, answers: shown("The carriers of the route, in the order in which they are tried.", routing.Way{}), refusals: []int{http.StatusBadRequest, http.StatusNotFound, conflict},
		},

		"GET /api/vouchers": {tag: tagVouchers, query: plain, answers: plainPage(envelope[voucher.ShownBatch]{}), refusals: bad},
		"POST /api/vouchers": {
			tag: tagVouchers, about: "The codes are in the answer to this request, and nobody can read them again: if it got lost, end the batch and make another. CSV has the columns serial, code, amount, currency, valid_until and batch; a page of PDF has 24 cards. `admin voucher add` makes larger batches. Only one batch is made at a time (429).",
			query: []string{"format"}, body: newVouchersRequest{}, answers: codes("The vouchers."), refusals: []int{conflict, http.StatusTooManyRequests},
		},
		"POST /api/vouchers/redeem": {
			tag: tagVouchers, about: "For himself, or for the user whom an administrator or a token names. The same code for the same user again is answered as then, with `already`; for another it is refused (409), and so is one that is blocked, has expired or is in another currency. A code has two check digits: what is mistyped is told and is no try. " +
				"After five other wrong codes within 15 minutes, right ones are refused too for 15 minutes (429): those for the same user, and those that people redeem for themselves from the same address.",
			body: redeemRequest{}, answers: changed("What was put on the account.", redeemedJSON{}), refusals: []int{http.StatusNotFound, conflict, http.StatusTooManyRequests},
		},
		"GET /api/vouchers/:batch": {tag: tagVouchers, query: one, answers: shown("The batch.", voucher.ShownBatch{})},
		"PATCH /api/vouchers/:batch": {
			tag: tagVouchers, about: "All of the batch, or a series of serials. What was redeemed stays, and so does what has expired.", body: changeBatchRequest{},
			answers: changed("The batch as it is now.", voucher.ShownBatch{}),
		},
		"GET /api/cards": {tag: tagVouchers, query: plain, answers: plainPage(envelope[voucher.ShownBatch]{}), refusals: bad},
		"POST /api/cards": {
			tag: tagVouchers, about: "Each card is a user, whose name is card- and the serial, with an opening balance and without a number. The PINs are in the answer to this request, and nobody can read them again. Only one batch is made at a time (429).",
			query: []string{"format"}, body: newCardsRequest{}, answers: codes("The cards."), refusals: []int{http.StatusNotFound, conflict, http.StatusTooManyRequests},
		},
		"GET /api/cards/:batch": {tag: tagVouchers, query: one, answers: shown("The batch.", voucher.ShownBatch{})},
		"PATCH /api/cards/:batch": {
			tag: tagVouchers, about: "All of the batch, or a series of serials. A call in progress goes on; there is no further one while a card is blocked or has expired. What has expired stays so.", body: changeBatchRequest{},
			answers: changed("The batch as it is now.", voucher.ShownBatch{}),
		},

		"GET /api/limits":    {tag: tagLimits, query: one, answers: shown("The limits.", models.ShownLimits{})},
		"PUT /api/limits":    {tag: tagLimits, about: "What is missing bounds nothing. They hold within a second.", body: limitsRequest{}, answers: changed("The limits now.", models.ShownLimits{})},
		"DELETE /api/limits": {tag: tagLimits, answers: gone("Nobody is bounded, but for what users or their groups have.")},
		"GET /api/groups/:name/limits": {
			tag: tagLimits, query: one, answers: shown("The limits.", models.ShownGroupLimits{}),
		},
		"PUT /api/groups/:name/limits": {
			tag: tagLimits, about: "What is missing bounds nothing. They count for members who have none of their own, and go before those of everybody; `shared_calls` is of all members together. They hold within a second.",
			body: groupLimitsRequest{}, answers: changed("The limits now.", models.ShownGroupLimits{}),
		},
		"DELETE /api/groups/:name/limits": {tag: tagLimits, answers: gone("The group has no limits.")},
		"GET /api/users/:username/limits": {tag: tagLimits, query: one, answers: shown("The limits that he has himself, and those that count for him.", models.ShownUserLimits{})},
		"PUT /api/users/:username/limits": {
			tag: tagLimits, about: "What is missing is taken from his group, or else from everybody's. They count from his next call on. When new countries begin to be counted, those that he called in the last 90 days are known.",
			body: limitsRequest{}, answers: changed("His limits now.", models.ShownUserLimits{}),
		},
		"DELETE /api/users/:username/limits": {tag: tagLimits, answers: gone("He has none of his own.")},
		"GET /api/refusals": {
			tag: tagLimits, about: "Those of callers whom nobody knows are in the log alone.", query: newer, answers: page(envelope[refusedJSON]{}, refusedJSON{}),
		},

		"GET /api/v1/:token/callstat": {
			tag: tagStatistics, about: "Extensions are those of the settings, and all users of ours. Calls to numbers of four digits are left out. With `start` and `end`, each a day or a minute, it is about that range, unless `date` is week or month.",
			query: []string{"report-date", "report-start", "report-end"}, answers: reported(callstat.ExtensionReport{}),
		},
		"GET /api/v1/:token/asrstat": {
			tag: tagStatistics, about: "Each database is counted by itself. A code of null is that of numbers that begin with none.", query: []string{"report-date"}, answers: reported(callstat.CountryReport{}),
		},
		"GET /api/stats/summary": {
			tag: tagStatistics, about: "Of calls of ours that were permitted and are over; calls in progress, emergency calls and refused ones are not among them. A call belongs to the time at which it was permitted. " +
				"Times are half open, and today unless given. By hour it is 92 days at most, by day 3 years, by week and without periods 10, by month 20. Amounts of different currencies are never added. " +
				"Each row has the query that lists exactly its calls. What carriers ask, carriers and groups are for whoever may see everybody's calls. A user's calls count in each of the groups that he is in now. " +
				"NER counts a call that was not answered as the network's success when its hangup cause is 16, 17, 18, 19 or 21, or when none is known and DIALSTATUS is BUSY, NOANSWER, or CANCEL behind a ringing.",
			query:   append([]string{"stats-by", "stats-of"}, ofStats...),
			answers: figures("The figures, in the order of time; of the same time, most attempts first.", summaryJSON{}), refusals: bad,
		},
		"GET /api/stats/destinations": {
			tag: tagStatistics, about: "A destination is what the rate of a call says: its prefix and its name.",
			query: append([]string{"stats-sort", "stats-currency"}, ofStats...), answers: figures("The first of them.", topJSON{}), refusals: bad,
		},
		"GET /api/stats/heatmap": {
			tag: tagStatistics, about: "All Mondays together, from midnight to 1 o'clock, and so on, by the clock in the zone. Its figures have no query that lists their calls: none can say an hour of many weeks.", query: without(ofStats, "stats-limit"),
			answers: figures("The hours of Monday to Sunday.", heatMapJSON{}), refusals: bad,
		},
		"GET /api/stats/concurrent": {
			tag: tagStatistics, about: "Ringing included, to the second; of 31 days at most. Calls that go on still are not among them, and calls that began before are. " +
				"Each period has the query that lists the calls that were there in it; calls of less than a second are listed, too, though they are not counted, and those whose end was only found out afterwards until it was.",
			query: append([]string{"stats-step"}, without(ofStats, "stats-limit")...), answers: figures("Each period's most, and mean.", concurrentJSON{}), refusals: bad,
		},
		"GET /v2/accounts/:account/call_statistics/countries": {
			tag: tagStatistics, about: ofAccounts, answers: enveloped("The names.", map[string]any{typeJSON: countriesBody{}}),
		},
		"GET /v2/accounts/:account/call_statistics/countries/:list": {
			tag: tagStatistics, about: ofAccounts + "Countries that there are not are left out, unless there is none of them.", answers: enveloped("The ids of zones, by country and region.", map[string]any{typeJSON: regionsBody{}}),
		},
		"GET /v2/accounts/:account/call_statistics/csv": {
			tag: tagStatistics, about: ofAccounts + "Without a lower bound for call_time these are the calls of 366 days. Otherwise than by call_time at most 100000 calls are sorted. A list that ends without its last chunk was cut off.",
			query: []string{"q-list"}, answers: enveloped("One call in each line; the first line names the columns.", map[string]any{typeCSV: nil}, "X-Source", "Content-Disposition"),
		},
		"GET /v2/accounts/:account/call_statistics/:period": {
			tag: tagStatistics, about: ofAccounts + "Each call counts once, when it began, whatever records Asterisk wrote of it. Lengths are in seconds, ringing included.",
			query: []string{"q-calls"}, answers: enveloped("Calls by the begin of the period. Those without calls are left out; errors names the databases that are.", map[string]any{typeJSON: periodsBody{}}, "X-Source"),
		},
		"GET /stats/rest/index.php":  queueStats,
		"GET /qstats/rest/index.php": queueStats,
		"GET /rest/index.php":        queueStats,

		"GET /health": {tag: tagServer, answers: map[int]answer{ok: {"The word healthy.", map[string]any{typeText: nil}, nil}}},

		"GET /api/notices":  {tag: tagNotices, about: "They are kept for 90 days.", query: list, answers: page(envelope[noticeJSON]{}, noticeJSON{})},
		"GET /api/webhooks": {tag: tagNotices, query: plain, answers: plainPage(envelope[webhookJSON]{}), refusals: bad},
		"POST /api/webhooks": {
			tag: tagNotices, about: "Each notice is posted there as JSON: `id`, `at`, `kind`, `user_id`, `user` and `data`. The header Talktime-Signature is `t=UNIX,v1=HEX`: the HMAC-SHA256 with the secret over the time, a point and the body. Any answer but 2xx within 5 seconds is a failure, and is tried again, up to seven times within 33 hours; a notice may come twice, with the same `id` and Idempotency-Key. " +
				"The secret is in the answer to this request, and nobody can read it again.",
			body: newWebhookRequest{}, answers: made("The webhook, with its secret.", webhookJSON{}), refusals: []int{conflict},
		},
		"GET /api/webhooks/:webhook":    {tag: tagNotices, query: one, answers: shown("The webhook, without its secret.", webhookJSON{})},
		"PATCH /api/webhooks/:webhook":  {tag: tagNotices, about: "What waits for it goes to the new address; while it is disabled it waits.", body: changeWebhookRequest{}, answers: changed("The webhook as it is now.", webhookJSON{})},
		"DELETE /api/webhooks/:webhook": {tag: tagNotices, about: "What waits for it is not sent.", answers: gone("The webhook is removed.")},
		"POST /api/webhooks/:webhook/test": {
			tag: tagNotices, about: "Whether it arrives is told by the deliveries of the notice.",
			answers: map[int]answer{http.StatusAccepted: {"A notice of the kind test will be sent.", map[string]any{typeJSON: testedJSON{}}, nil}}, refusals: []int{conflict},
		},

		"GET /api/tokens": {tag: tagTokens, query: list, answers: page(envelope[tokenJSON]{}, tokenJSON{})},
		"POST /api/tokens": {
			tag: tagTokens, about: "The secret is in the answer to this request, and nobody can read it again.", body: tokenRequest{},
			answers: made("The token, with its secret.", tokenJSON{}), refusals: []int{conflict},
		},
		"GET /api/tokens/:id":    {tag: tagTokens, answers: changed("The token, without its secret.", tokenJSON{})},
		"DELETE /api/tokens/:id": {tag: tagTokens, answers: gone("The token is good for nothing any more.")},
		"GET /api/audit":         {tag: tagTokens, query: list, answers: page(envelope[auditJSON]{}, auditJSON{})},

		"GET /healthz":      {tag: tagServer, answers: map[int]answer{ok: {"It runs.", map[string]any{typeJSON: healthJSON{}}, nil}}},
		"GET /readyz":       {tag: tagServer, answers: health},
		"GET /metrics":      {tag: tagServer, about: "In the text format of Prometheus.", answers: map[int]answer{ok: {"The numbers.", map[string]any{typeText: nil}, nil}}, refusals: []int{http.StatusTooManyRequests}},
		"GET /openapi.json": {tag: tagServer, answers: unchanged("This document.", typeJSON, map[string]any{})},
		"GET /docs":         {tag: tagServer, answers: unchanged("This page.", typeHTML, nil)},
		"GET /docs/style.css": {
			tag: tagServer, answers: unchanged("What the page looks like.", "text/css", nil),
		},
	}, with(with(with(queueOperations(), liveOperations()), with(with(keptPBXOperations(), with(pbxExtensionOperations(), trunkOperations())), recordingOperations())), pbxLiveOperations()))
}

// refusalExamples are messages of refusals.
func refusalExamples() map[int]string {
	return map[int]string{
		http.StatusBadRequest: undecodable().message, http.StatusUnauthorized: "Not authenticated", http.StatusForbidden: forbidden().message,
		http.StatusNotFound: "not found", http.StatusMethodNotAllowed: "method not allowed", http.StatusConflict: "insufficient balance",
		http.StatusRequestEntityTooLarge: tooLarge(maxBody).message, http.StatusUnsupportedMediaType: `Request must have "Content-Type: application/json" header`,
		http.StatusPreconditionFailed: "this is not as it was when you read it: somebody else has changed it; read it again",
		http.StatusNotImplemented:     unconfigured("a back end for extensions", "TALKTIME_PBX_BACKEND").message,
		http.StatusBadGateway:         "Asterisk cannot be reached, so nothing was done; try again",
		http.StatusTooManyRequests:    "too many questions at once", http.StatusServiceUnavailable: "the database cannot be reached; try again",
	}
}

// refusals say what each status means, whichever route it comes from.
func refusals() map[int]string {
	return map[int]string{
		http.StatusBadRequest:            "Something in the request is wrong; the message says what.",
		http.StatusUnauthorized:          "Nobody is logged in, or the token or password is wrong.",
		http.StatusForbidden:             "Whoever asks may not do this, or the request comes from another site.",
		http.StatusNotFound:              "There is no such thing.",
		http.StatusMethodNotAllowed:      "This is not done to it. Allow says what is.",
		http.StatusConflict:              "It contradicts what is there: a name that is taken, too little money, a key that was used for something else.",
		http.StatusRequestEntityTooLarge: "The body is longer than 1 MiB, or a file of rates longer than 64 MiB.",
		http.StatusUnsupportedMediaType:  "The body has another Content-Type than those listed.",
		http.StatusTooManyRequests:       "Too many at once. Retry-After says how many seconds to wait.",
		http.StatusPreconditionFailed:    "It is not as it was when the client read it: its ETag has changed.",
		http.StatusNotImplemented:        "The settings do not name what this needs; the message says which is missing.",
		http.StatusBadGateway:            "Asterisk cannot be reached, or refuses.",
		http.StatusServiceUnavailable:    "The database cannot be reached, somebody keeps locked what this needs, a search takes too long, or too many others are waiting. What is to be changed may have been changed where the message says so. Retry-After says how many seconds to wait.",
	}
}
