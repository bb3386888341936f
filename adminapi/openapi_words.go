package adminapi

import (
	"strings"

	"talktime/models"
)

// docsSection is a part of the introduction.
type docsSection struct {
	Title string
	Texts []string
	Code  string
}

// scopeWords says what each scope permits that permits anything.
func scopeWords() string {
	var words []string
	for _, s := range models.Scopes() {
		if permits := models.ScopePermits(s); permits != models.ScopePermits("") {
			words = append(words, "`"+s+"`: "+permits)
		}
	}
	return strings.Join(words, ". ")
}

// sections are what there is to know before the first request.
func sections() []docsSection {
	return []docsSection{
		{
			"Who asks", []string{
				"People log in with `POST /login` and have a cookie from then on; they are users like any other. Programs send a token as `Authorization: Bearer TOKEN`. " +
					"A token has scopes, of which none implies another. Each route says who may use it; an administrator may use every one.",
				"What the scopes permit: " + scopeWords() + ".",
				"A token may be bound to an account, a user or a group, which stays the one that it was when the token was made. Such a token reads what is that user's, or of those who are in the group at the moment, " +
					"on the routes that say so; whatever is anybody else's looks as if it did not exist. Every other route refuses it (403), whatever its scopes. Once the account has gone, it sees nothing.",
			}, "",
		},
		{
			"Answers", []string{
				"Everything is JSON unless a route says otherwise. Amounts of money are decimal strings such as `\"12.5\"`; where a client sends an amount, a number will do as well. " +
					"Where a whole number or true and false are expected, the same in quotes is taken too, and digits without quotes where text is. Fields that do not exist are refused.",
				"What is refused has a sentence for people in `message`. The older paths answer `{\"message\": …}`, or `{\"validation_errors\": …}` for unknown fields, and `{}` for what does not exist; " +
					"newer ones answer `application/problem+json` (RFC 9457), which has `message` too. A status of 500 is a mistake of the server: its log has it under `X-Request-Id`.",
				"When the database does not answer, a request ends within 10 seconds, or 50 where many users are changed, with 503 and `Retry-After`. Where something was to be changed, the message says whether it may have been: " +
					"look before you repeat it. What has an `Idempotency-Key` is safe to repeat.",
				"`HEAD` is answered wherever `GET` is. A method that a path does not have is answered with 405, a path that does not exist with 404.",
			}, "",
		},
		{
			"Pages", []string{
				"The pages for people, `/users`, `/calls` and the others that `/` leads to, are HTML with forms, and no part of this description: they change with every version. What they can do, the API can do too; " +
					"programs use that. Of the paths that answer with HTML, those under Session are described, because programs know them from celcombiller.",
			}, "",
		},
		{
			"Lists", []string{
				"A list comes in pages: `num_results` objects in all, of which `objects` holds this page. `page` and `results_per_page` choose one; the header `Link` leads to the next and the last. " +
					"With `X-Count: at-least` nobody has counted to the end. Pages have numbers up to 1000; `after=KEY`, with the key of the last object seen, goes on from there at the same price everywhere.",
			}, "",
		},
		{
			"The search language", []string{
				"Every list takes a query in `q`, an object of JSON. All its parts are optional: `filters`, which must all hold; `order_by`, `group_by`, `limit`, `offset`; and `single`, which asks for the one object that there must be.",
				"A filter compares a field of the objects with `val`, or with another `field` of theirs. `{\"or\": […]}` and `{\"and\": […]}` nest. A field of a related object is `relation__field`; `any` and `has` ask " +
					"whether some related object satisfies a value or a filter of its own. What is null satisfies no comparison: that is what `is_null` and `is_not_null` are for.",
				"Operators: `== eq equals equal_to equals_to`; `!= ne neq not_equal_to does_not_equal`; `> gt`; `>= ge gte geq`; `< lt`; `<= le lte leq`; `in`, `not_in`; `is_null`, `is_not_null`; " +
					"`like`, and `ilike`, which does not tell small letters from capitals (`%` stands for anything, `_` for one character); `any`, `has`.",
				"Times are ISO 8601; those without a zone are in the server's. `CURRENT_TIMESTAMP` and `CURRENT_DATE` are now and today.",
			}, `{"filters": [{"name": "admin", "op": "eq", "val": false},
             {"or": [{"name": "clid", "op": "like", "val": "5989%"},
                     {"name": "tunel__name", "op": "any", "val": "field-team"}]}],
 "order_by": [{"field": "username", "direction": "desc"}], "limit": 20, "offset": 40}`,
		},
		{
			"Money", []string{
				"The usual currency is SEC: one unit is one second of talk. Money moves by `POST /api/balance` and `POST /api/transfers`. With a header `Idempotency-Key` such a request may be repeated " +
					"for as long as nobody knows whether it arrived: it is carried out once, and each repetition is answered as the first was. The same key with another content or on another path is refused (409). " +
					"A refill of a group (`updateGroup`) is safe to repeat when it names its `date`; it takes no key.",
			}, "",
		},
	}
}

// introduction is all sections as CommonMark.
func introduction() string {
	var b strings.Builder
	b.WriteString("Prepaid billing for Asterisk: users, balances, calls, holds and tokens.\n")
	for _, s := range sections() {
		b.WriteString("\n## " + s.Title + "\n")
		for _, text := range s.Texts {
			b.WriteString("\n" + text + "\n")
		}
		if s.Code != "" {
			b.WriteString("\n```json\n" + s.Code + "\n```\n")
		}
	}
	return b.String()
}

// schemas say what each kind of object is.
func schemas() map[string]string {
	return with(map[string]string{ //nolint:gosec // words about secrets, and none of them
		"User": "A user. Who is within another object has the first fields only.", "PlainUser": "A user within another object.",
		"Group": "A group of users.", "PlainGroup": "A group within another object.",
		"Entry": "An entry on a user's account.", "HistoricEntry": "A ledger entry in a user's history, where every value is a string.",
		"Promotion": "Promotional credit of a user.", "LedgerEntry": "An entry on a user's account, with the transaction it belongs to.", "PostedEntry": "An entry on an account of a user or of the house.",
		"CDR": "The record of a call that was answered, with its users as far as they exist.", "PlainCDR": "A call record within another object.",
		"Call": "An authorised attempt to reach a number.", "Explanation": "How the charge of a call came about.",
		"Evidence": "What one witness saw of a call. What is missing the witness does not know.", "TriedCarrier": "A carrier to whom a call was to be given.", "LegPrice": "How the price of one leg of a call comes about.",
		"PriceStep": "One addition on the way to a price.", "Rate": "The price of talk to one destination.", "Date": "A day of a refill.",
		"UserName": "A user in a newer object. Of a deleted one only the id is left.", "Token": "What a program shows in place of a login.",
		"AuditLine": "A line of the audit log.", "Transfer": "Money that was moved from one user to another.", "LoggedIn": "Who has logged in.",
		"Health": "The state of the server.", "Message": "A refusal.", "Problem": "A refusal, as RFC 9457 writes it.",
		"FieldErrors": "A refusal that names fields.", "Nothing": "An object without properties: what does not exist.", "Modified": "How many users were changed.",
		"Tariff": "Prices by the first digits of a number, in one currency.", "TariffVersion": "One state of the rates of a tariff. It never changes.",
		"TariffRate": "A rate of a version, in the words of a file of rates.", "Imported": "What a version changes against the one that counts.",
		"NotImported": "A refusal of a file of rates, with what was found in it.", "Findings": "Findings of a kind: all are counted, the first 1000 are told.",
		"Finding": "Something that an operator should know of a new version.", "ExplainedPrice": "What a call would cost, and why.",
		"Rerate": "Settled calls that were made to cost what another version of a tariff makes them cost.", "RerateList": "A page of re-ratings.",
		"ReratePreview": "What a re-rating would do.", "RerateFilter": "Settled calls, and what prices them.", "RepricedUser": "A customer with the sums over his calls.",
		"Adjustment": "What a re-rating did to a call, or why it did nothing.", "RerateRequest": "Settled calls, and what prices them.", "NewRerateRequest": "A re-rating to be posted.",
		"AssignedTariff": "The tariff that somebody was given.", "NewTariffRequest": "A tariff to be made.", "ChangeTariffRequest": "What is to become of a tariff.",
		"ActivationRequest": "From when on a version counts.",
		"Carrier":           "Somebody who takes calls to numbers of others.", "NewCarrierRequest": "A carrier to be made.", "ChangeCarrierRequest": "What is to become of a carrier; what is missing stays.", "CarrierList": "A page of carriers.",
		"Route": "Which carriers take calls to numbers with a prefix.", "NewRouteRequest": "A route to be made.", "ChangeRouteRequest": "What is to become of a route; what is missing stays.", "RouteList": "A page of routes.",
		"Way": "Where a call goes, and why.", "CarrierChoice": "A carrier of a route, and what speaks for and against him.",
		"Limits": "What may be done with a phone.", "GroupLimits": "What the members of a group may do with their phones.", "UserLimits": "What a user may do with his phone.",
		"LimitSource": "Where a limit comes from.", "SharedLimit": "A limit of all members of a group together.", "LimitsRequest": "Limits to be set, all of them.", "GroupLimitsRequest": "Limits to be set, all of them.",
		"Refused": "A call that a user was refused.", "RefusedList": "A page of refusals.",
		"Grants": "What a user may see of the statistics.", "GrantsRequest": "What a user may see of the statistics, all of it.",
		"Batch": "Vouchers or calling cards that were made together.", "BatchList": "A page of batches.", "Redeemed": "A voucher that was redeemed.",
		"NewVouchersRequest": "Vouchers to be made.", "NewCardsRequest": "Calling cards to be made.", "ChangeBatchRequest": "What is to become of a batch, or of a series.", "RedeemRequest": "A code, and for whom.",
		"Notice": "Something that happened which somebody wants to hear of.", "NoticeList": "A page of notices.", "Delivery": "A try to tell of a notice.", "Tested": "A notice that will be sent.",
		"Webhook": "An address to which notices are sent.", "WebhookList": "A page of webhooks.", "NewWebhookRequest": "A webhook to be made.", "ChangeWebhookRequest": "What is to become of a webhook; what is missing stays.",
		"ExtensionReport": "How much each extension called, most talk first.", "Extension": "An extension.", "CountryReport": "The calls to each country, by database.",
		"Database": "What a database has, or why it does not answer.", "Country": "A country, or all numbers that lead to none.", "Error": "A refusal of a report.",
		"QueueListBody": "Queues, agents or reports, all or one of them.", "QueueReportBody": "A page of a report or of what a search found.", "CallEventsBody": "The events of a call.", "QueuesNowBody": "How the queues are now.",
		"CountriesBody": "The countries that have zones.", "CountryList": "Names of countries.", "RegionsBody": "The zones of some countries.", "RegionList": "The zones of some countries.",
		"PeriodsBody": "Calls by hour, day, week or month.", "PeriodFigures": "The calls of a period.", "GroupFigures": "The calls of a group within a period.",
		"DurationFigures": "How long calls lasted, in seconds, ringing included.", "ErrorBody": "A refusal of the call statistics of accounts.", "ErrorData": "What is wrong.",
		"Summary": "Figures of calls of ours.", "StatRow": "Figures of calls that have a time and something else in common.", "Figures": "Figures of calls.", "Sum": "Money in one currency.",
		"Top": "Destinations in an order.", "HeatMap": "Calls by weekday and hour.", "HeatDay": "A weekday.", "HeatHour": "An hour of all days with the same name.",
		"Concurrent": "How many calls there were at once.", "Busy": "How many calls there were at once in some time.",
		"LoginRequest": "A name and a password.", "NewUserRequest": "A user to be made.", "ChangeUserRequest": "What is to become of a user; what is missing stays.",
		"ChangeUsersRequest": "What is to become of the users that a query finds.", "NewGroupRequest": "A group to be made.",
		"NewCDRRequest": "A record to be written by hand.", "ChangeCDRRequest": "What is to become of a record that was written by hand; what is missing stays.",
		"VoiceMovement": "Money that was added or taken.", "VoiceMovementRequest": "Money to be added or taken, of from_user_id or userId.",
		"ChangeGroupRequest": "What is to become of a group; what is missing stays.", "MovementRequest": "Money to be added or taken. signal or type_ must be there.",
		"TransferRequest": "Money to be moved.", "TokenRequest": "A token to be made.", "VoiceRequest": "A SIM.",
		"UserList": "A page of users.", "GroupList": "A page of groups.", "EntryList": "A page of ledger entries.", "LedgerEntryList": "A page of ledger entries.",
		"CDRList": "A page of call records.", "CallList": "A page of calls.", "TokenList": "A page of tokens.", "TariffList": "A page of tariffs.", "TariffVersionList": "A page of versions.", "TariffRateList": "A page of rates.", "AuditLineList": "A page of the audit log.",
	}, with(with(with(queueSchemas(), liveSchemas()), with(with(keptPBXSchemas(), with(pbxExtensionSchemas(), trunkSchemas())), recordingSchemas())), pbxLiveSchemas()))
}

// word is what the glossary knows of a property.
type word struct {
	about   string
	example any
	among   []any  // the only values that there are
	pattern string // of the text
}

// seldom are properties that no example of a body shows: they say the same as another, belong to some requests only, or
// would do harm where somebody tries the example as it stands.
func seldom() map[string]bool {
	rare := map[string]bool{"OriginateRequest.extension": true, "ActivationRequest.from": true, "ChangeUserRequest.tunel": true, "ChangeUserRequest.password": true}
	for _, name := range []string{"name", "account_id", "newUser", "removeUser", "updateGroup", "date"} {
		rare["ChangeGroupRequest."+name] = true
	}
	for _, name := range []string{"username", "password", "clid", "imsi", "name", "account_id", "address", "cpf", "tunel"} {
		rare["ChangeUsersRequest."+name] = true
	}
	return rare
}

// naiveTime is the form of times without a zone.
const naiveTime = `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$`

// glossary says what properties mean, by their name, or by schema and name where a name means several things.
func glossary() map[string]word {
	const (
		instant, naive, decimal = "2026-03-14T09:26:53.5Z", "2026-03-14T09:26:53", `^-?[0-9]+(\.[0-9]{1,6})?$`
		exact                   = "exact, in the currency's units"
	)
	key, digits := int64(1204), `^[0-9]+$`
	modes, signs, kinds := []any{"topup", "add"}, []any{"+", "-"}, []any{"increase", "decrease"}
	return with(map[string]word{
		// lists
		"num_results": {about: "how many objects there are on all pages", example: 1}, "objects": {about: "those of this page"},
		"page": {about: "the number of this page", example: 1}, "total_pages": {about: "how many pages there are", example: 1},

		// users
		"id_": {about: "the key", example: key}, "username": {about: "the name to log in with; unique", example: "marta"},
		"password": {about: "at least 6 characters", example: "tango-7-oak"},
		"clid":     {about: "the caller ID of his phone; unique", example: "555000204"}, "imsi": {about: "the IMSI of his SIM; unique", example: "001010000000204"},
		"admin": {about: "whether he is an administrator"}, "blocked": {about: "whether he can make no new calls; those in progress that are held in slices are ended"}, "BallanceUser": {about: "the balance in whole units, cut off toward zero", example: 180},
		"BallanceUserHistoric": {about: "his newest ledger entries, at most 10"}, "User.tunel": {about: "his groups"},
		"originated_calls": {about: "calls that he paid for, the newest 10, of one user alone 100"}, "received_calls": {about: "calls that he answered, the newest 10, of one user alone 100"},
		"name": {about: "a name for people", example: "Marta Paz"}, "level": {about: "0 an administrator, 1 a user, 2 a collaborator", example: 1, among: []any{0, 1, 2}},
		"account_id": {about: "what other systems call it; unique", example: "crm-77"}, "currency": {about: "of the amounts", example: "SEC"},
		"balance": {about: "what is on his accounts, " + exact, example: "180"}, "held": {about: "what calls in progress hold, " + exact, example: "0"},
		"available":         {about: "what may be spent now: the balance without what is held, and the credit limit, " + exact, example: "180"},
		"credit_limit":      {about: "how far below zero he may go, " + exact, example: "0"},
		"low_balance":       {about: "a notice is made when his balance falls below it, " + exact + "; null or missing: as the settings say", example: "60"},
		"promotions":        {about: "promotional credit, a part of the balance, the earliest to expire first; missing when there is none"},
		"Promotion.balance": {about: "what is left of it, " + exact, example: "30"}, "Promotion.expires": {about: "until when it is there", example: instant},
		"HistoricEntry.id_": {about: "the key", example: "1204", pattern: digits}, "HistoricEntry.usersId": {about: "the key of the user", example: "2", pattern: digits},
		"HistoricEntry.value":  {about: "the amount in whole units, without its sign", example: "180", pattern: digits},
		"NewUserRequest.tunel": {about: "ids of his groups", example: []any{}}, "ChangeUserRequest.tunel": {about: "ids of his groups, or what to add and remove", example: []any{}},
		"ChangeUsersRequest.tunel": {about: "ids of their groups, or what to add and remove", example: []any{}},
		"address":                  {about: "where he lives", example: "Calle Larga 4"}, "cpf": {about: "his number at the tax office", example: "111.444.777-35"},
		"voice_balance": {about: "as BallanceUser", example: 180},
		"q":             {about: "which users: a query, as an object or as its text", example: map[string]any{"filters": []any{map[string]any{"name": "username", "op": "eq", "val": "marta"}}}},
		"num_modified":  {about: "how many", example: 1},

		// groups
		"PlainGroup.name": {about: "the name; unique", example: "field-team"}, "Group.name": {about: "the name; unique", example: "field-team"},
		"NewGroupRequest.name": {about: "the name; unique", example: "night-shift"}, "ChangeGroupRequest.name": {about: "the name; unique", example: "field-team"},
		"PlainGroup.value": {about: "what a refill is worth, in each member's currency", example: 1250}, "Group.value": {about: "what a refill is worth, in each member's currency", example: 1250},
		"NewGroupRequest.value": {about: "what a refill is worth; 1250 unless given", example: 1250}, "ChangeGroupRequest.value": {about: "what a refill is worth", example: 1250},
		"mode":            {about: "topup raises balances to the value, add adds it", example: "topup", among: modes},
		"dates_to_update": {about: "the refills that are left"}, "group_id": {about: "the key of the group", example: 3}, "Group.tunel": {about: "its members"},
		"ChangeGroupRequest.tunel": {about: "ids of its members, or what to add and remove", example: map[string]any{"add": []any{2}}},
		"newUser":                  {about: "ids of new members", example: []any{2}}, "removeUser": {about: "ids of members that leave", example: []any{3}},
		"updateGroup": {about: "1: refill now", example: 0}, "ChangeGroupRequest.date": {about: "with updateGroup 1: the id_ of the refill that is meant, which makes the request safe to repeat", example: 11}, "users": {about: "ids of its members", example: []any{2}},
		"day": {about: "of the first refill", example: 31}, "month": {about: "of the first refill", example: 1}, "year": {about: "of the first refill", example: 2099},
		"count": {about: "how many monthly refills there are", example: 12},

		"queues": {about: "the queues that he may see", example: []any{"support"}}, "agents": {about: "the agents that he may see", example: []any{"agent-7"}},
		"accounts": {about: "the accounts that he may see", example: []any{"crm-77"}},

		// money
		"usersId": {about: "the key of the user", example: 2}, "signal": {about: "+ for money in, - for money out", example: "+", among: signs},
		"type_": {about: "the same as a word", example: "increase", among: kinds}, "value": {about: "the amount in whole units, without its sign", example: 60},
		"date": {about: "when, in the server's zone", example: naive, pattern: naiveTime}, "amount": {about: "signed, " + exact, example: "60", pattern: decimal},
		"ref":  {about: "what makes the transaction unique among those of its kind", example: "api-user1:invoice-2041"},
		"note": {about: "what it is for: the group and the date of a refill, or the note that was written on a page; empty where nobody said so", example: "receipt 1017"}, "userId": {about: "the id_ of the user, or his IMSI", example: 2},
		"MovementRequest.value": {about: "a positive amount; whole units of SEC", example: 60}, "MovementRequest.date": {about: "does not count", example: naive},
		"MovementRequest.expires": {about: "until when the money is there, which then is for calls only: a date or a number of days such as 30d, for the end of that day, or a time with its zone", example: "2099-01-31"},
		"LedgerEntry.account":     {about: "its name: main, or promo1 to promo3 with promotional credit", example: "main"},
		"LedgerEntry.account_id":  {about: "the key of the account", example: 2}, "transaction_id": {about: "the key of the transaction", example: key},
		"user_id": {about: "the key of the user", example: 2}, "PostedEntry.user_id": {about: "the key of the user; null for the house", example: 2},
		"PostedEntry.account": {about: "the account: main, or promo1 to promo3, of a user; cash, revenue, shortfall, closed, expired of the house", example: "main"},
		"kind":                {about: "why it was posted", example: "topup"}, "actor": {about: "who did it", example: "admin"}, "posted_at": {about: "when", example: instant},
		"from": {about: "the name of the user who pays", example: "marta"}, "to": {about: "the name of the user who is paid", example: "joel"},
		"VoiceMovementRequest.value": {about: "whole units; negative takes them", example: 60}, "VoiceMovement.value": {about: "whole units; negative took them", example: 60},
		"VoiceMovementRequest.from_user_id": {about: "the id_ of the user", example: 2}, "VoiceMovement.from_user_id": {about: "the id_ of the user", example: 2},
		"VoiceMovementRequest.to_user_id": {about: "whom a call went to"}, "VoiceMovement.to_user_id": {about: "whom a call went to"},
		"VoiceMovementRequest.userId": {about: "as from_user_id"}, "origin": {about: "web, call or schedule", example: "web", among: []any{"web", "call", "schedule"}},
		"_id":                    {about: "the key of the ledger entry", example: key},
		"TransferRequest.amount": {about: "a positive amount; whole units of SEC", example: 20}, "Transfer.amount": {about: exact, example: "20"},

		// calls
		"answer": {about: "when it was answered, in the server's zone", example: naive, pattern: naiveTime}, "billsec": {about: "billable seconds", example: 42},
		"from_user_id": {about: "the key of the user who pays", example: 2}, "to_user_id": {about: "the key of the user who was called; null for others", example: 3},
		"from_user": {about: "who pays; null when deleted"}, "to_user": {about: "who was called; null when deleted or no user"},
		"id": {about: "the key", example: key}, "call_id": {about: "of the channel", example: "pbx-1773480413.204"},
		"state": {
			about:   "open: money is held; settled: charged; released: ended without an answer; unreconciled: nobody knows what was talked; emergency: never billed",
			example: "settled", among: []any{"open", "settled", "released", "unreconciled", "emergency"},
		},
		"user": {about: "who pays; null for strangers"}, "callee": {about: "who was called; null when no user"}, "caller_id": {about: "as delivered", example: "555000204"},
		"number": {about: "what was dialled", example: "555000205"}, "authorized_at": {about: "when it was permitted", example: instant},
		"due_at": {about: "when, at the latest, it must have ended, if nobody extends it", example: instant}, "ended_at": {about: "when we learned that it was over", example: instant},
		"limit_seconds": {about: "how long the hold pays for", example: 180}, "slice_seconds": {about: "for how long it is held at a time, while it goes on; 0: at once for all of it", example: 0}, "seconds": {about: "billable seconds", example: 42}, "Call.status": {about: "Asterisk's DIALSTATUS; empty when unknown", example: "ANSWER"},
		"pdd_ms": {about: "milliseconds from the dial to the first ringing or early media; null or absent when unknown", example: 640},
		"cause":  {about: "the hangup cause of Q.850; 0 when unknown", example: 16}, "charge": {about: "what it cost, " + exact, example: "42"},
		"shortfall": {about: "the part of the charge that nobody's money covered", example: "0"}, "settled_by": {about: "caller, reducer, reconciler or operator; empty while it is open", example: "reducer"},
		"unauthorized": {about: "whether it was charged although it was never authorised"}, "disputed_seconds": {about: "seconds of talk that later evidence claims", example: 0},
		"cut":           {about: "why we ended it while it went on: blocked (the account was), norate (its number had none any more), limit (of the user); empty: we did not", example: ""},
		"Call.carriers": {about: "to whom it was to be given, by name, in order: the last one took it, or was dialled last; none without a route, or for whoever does not operate the site"},
		"buy_cost":      {about: "what the carriers ask for it, " + exact + "; 0 without a route", example: "0.021"}, "buy_currency": {about: "of what the carriers ask; empty where it is not known", example: "EUR"},
		"Explanation.carriers": {about: "to whom it was to be given, in order: the last one took it, or was dialled last; none without a route, or for whoever does not operate the site"},
		"TriedCarrier.name":    {about: "his name", example: "alpha"}, "TriedCarrier.target": {about: "what is dialled", example: "PJSIP/59899123000@alpha"}, "TriedCarrier.rate": {about: "what he asked at authorisation"},
		"result": {about: "what became of it, in words", example: "took the call"},
		"call":   {about: "the call"}, "evidence": {about: "what each witness saw"}, "legs": {about: "the price of each leg; none before the call is settled"},
		"ending": {about: "who released the hold, when, and what that means for the money; empty for calls that nobody released"}, "hold": {about: "why an open call holds what it holds"}, "entries": {about: "what was posted for it"},
		"source": {about: "who saw it: caller, reducer, cdr", example: "reducer"}, "leg": {about: "which leg; 0 is the first"}, "dial": {about: "which authorisation of the call, from 1"}, "dialstatus": {about: "as Asterisk says", example: "ANSWER"},
		"answered_ms": {about: "milliseconds since the channel's own answer", example: 42000}, "answered": {about: "the same in whole seconds"}, "Evidence.billsec": {about: "of this leg alone"},
		"callee_up_ms": {about: "Unix time in milliseconds at which the callee answered"}, "channel_up_ms": {about: "Unix time in milliseconds at which the caller's channel was answered"},
		"ended_ms": {about: "Unix time in milliseconds of the end, on Asterisk's clock"}, "over": {about: "whether the channel has ended"}, "seen_at": {about: "when, by our clock"},
		"rate": {about: "the price at authorisation"}, "billed_seconds": {about: "rounded up to increments", example: 42}, "steps": {about: "what adds up to the cost"}, "cost": {about: exact, example: "42"},
		"does": {about: "what is added", example: "42 s at 60 per minute"}, "PriceStep.amount": {about: exact, example: "42"},
		"prefix": {about: "of the number"}, "connect_fee": {about: "once for each answered call"}, "per_minute": {about: "the price of a minute", example: "60"},
		"first": {about: "seconds of the first increment", example: 1}, "increment": {about: "seconds of each further increment", example: 1}, "minimum": {about: "what an answered call costs at least"},
		"grace": {about: "talk of at most this many seconds costs nothing"}, "Rate.name": {about: "of the tariff or the destination", example: "built-in"},
		"Rate.tariff": {about: "the tariff it is from; missing: it is built in"}, "Rate.version": {about: "the number of that tariff's version"},

		// tariffs
		"Tariff.name": {about: "the name; unique", example: "retail"}, "NewTariffRequest.name": {about: "the name; unique", example: "retail"},
		"zone": {about: "of its days and hours; the server's unless given", example: "Europe/Berlin"}, "default": {about: "whether it is for everybody with money in its currency to whom no other is assigned"},
		"Tariff.version": {about: "the number of the version that counts now; null: none", example: 1}, "version": {about: "the number of the version", example: 1},
		"rates": {about: "how many rates there are", example: 2}, "TariffVersion.note": {about: "what it is", example: "spring prices"},
		"TariffVersion.from": {about: "since when it counts, or from when on it will; null: it was not activated, or that was taken back", example: instant}, "counts": {about: "whether it does now"},
		"ActivationRequest.from": {about: "from when on; without a zone in the tariff's; now unless given", example: "2099-01-31 00:00"},
		"row":                    {about: "the row in the file, from 1", example: 1}, "destination": {about: "what the prefix is called", example: "Germany"}, "TariffRate.rate": {about: "the price of a minute", example: "60"},
		"TariffRate.from": {about: "from when on it holds; empty: always"}, "TariffRate.to": {about: "when it holds no more; empty: never"}, "days": {about: "on which it holds; empty: all", example: "mon-fri"}, "hours": {about: "at which it holds, in the tariff's zone; empty: all", example: "08:00-18:00"},
		"Imported.version": {about: "the number of the version; 0: none was made", example: 2},
		"bad":              {about: "rows that make no sense"}, "duplicates": {about: "rows that say the same prefix twice for the same time"}, "overlaps": {about: "rates of a prefix whose times overlap: the one that begins later counts"},
		"added": {about: "prefixes that were not there"}, "changed": {about: "prefixes whose rate is another"}, "removed": {about: "prefixes that are there no more"}, "jumps": {about: "prices that change by more than the given percentage"},
		"below_cost": {about: "what is sold for less than it costs"}, "unchanged": {about: "how many prefixes stay as they are"},
		"Findings.count": {about: "how many there are", example: 1}, "Findings.first": {about: "the first of them"}, "line": {about: "of the file; 0: it is not in there", example: 2}, "text": {about: "what was found", example: "from 50 to 60 a minute"},
		"ExplainedPrice.user": {about: "who calls", example: "marta"}, "ExplainedPrice.at": {about: "when the call begins", example: instant}, "tariff": {about: "the name of the tariff; null: none", example: "retail"}, "ExplainedPrice.tariff": {about: "the name of the tariff; empty: the built-in one", example: "retail"},
		"ExplainedPrice.version": {about: "of the tariff; 0: the built-in one has none", example: 1}, "since": {about: "when that version began to count; null: the built-in tariff always did", example: instant},
		"ExplainedPrice.rate": {about: "the rate"}, "affordable_seconds": {about: "how long the user could talk for his money now, as long as the longest call at most", example: 180},

		// carriers and routes
		"Carrier.name": {about: "the name; unique", example: "north"}, "NewCarrierRequest.name": {about: "the name; unique", example: "north"},
		"Carrier.dial": {about: "what is dialled, with {number} where the number goes", example: "PJSIP/{number}@north"}, "NewCarrierRequest.dial": {about: "what is dialled, with {number} where the number goes", example: "PJSIP/{number}@north"}, "ChangeCarrierRequest.dial": {about: "what is dialled, with {number} where the number goes", example: "PJSIP/{number}@north"},
		"strip": {about: "digits that are taken off the front of the number", example: 2}, "prepend": {about: "what is put in front of the rest", example: "00"},
		"Carrier.tariff": {about: "the name of the tariff with what he asks; null: nobody knows", example: "retail"}, "Carrier.currency": {about: "of that; null: nobody knows", example: "SEC"},
		"NewCarrierRequest.tariff": {about: "the name of the tariff with what he asks; null: nobody knows", example: "retail"}, "ChangeCarrierRequest.tariff": {about: "the name of the tariff with what he asks; null: nobody knows", example: "retail"},
		"channels": {about: "calls that he takes at once; 0: any number", example: 30}, "Carrier.calls": {about: "in progress, of those that began while there was a limit", example: 0}, "enabled": {about: "whether he gets calls", example: true},
		"Route.prefix": {about: "the first digits of the numbers; all: of all", example: "49"}, "NewRouteRequest.prefix": {about: "the first digits of the numbers; all: of all", example: "49"},
		"Route.carriers": {about: "their names, the first one first", example: []any{"north"}}, "NewRouteRequest.carriers": {about: "their names, the first one first", example: []any{"north"}}, "ChangeRouteRequest.carriers": {about: "their names, the first one first", example: []any{"north"}},
		"order":    {about: "in which the carriers are tried: as they are listed, or who asks least for a minute first", example: "listed", among: []any{"listed", "cheapest"}},
		"loss":     {about: "what becomes of a carrier who asks more than is charged: he is skipped, he is dialled, or he is dialled and a notice is made", example: "skip", among: []any{"skip", "allow", "alert"}},
		"warnings": {about: "where its loss guard cannot tell what is asked or charged; none for a route that allows losses"},
		"Way.user": {about: "who calls", example: "marta"}, "Way.at": {about: "when the call begins", example: instant}, "sell": {about: "what is charged"}, "Way.minute": {about: "the price of a call of a minute", example: "60"},
		"Way.route": {about: "the prefix of the route, empty for all; null: none is for the number, which goes to TALKTIME_DIAL", example: "49"}, "Way.carriers": {about: "in the order in which they are tried"}, "refused": {about: "why the call would be refused; empty: it would not be"},
		"Way.order": {about: "in which they are tried; empty without a route", example: "listed", among: []any{"", "listed", "cheapest"}}, "Way.loss": {about: "what becomes of a carrier who asks more than is charged; empty without a route", example: "skip", among: []any{"", "skip", "allow", "alert"}},
		"CarrierChoice.carrier": {about: "his name", example: "north"}, "tried": {about: "whether he is"}, "skipped": {about: "why he is not tried; empty: he is"}, "sent": {about: "the number, as he gets it; empty: nothing is left of it", example: "0030123456"},
		"CarrierChoice.target": {about: "what is dialled", example: "PJSIP/0030123456@north"}, "buy": {about: "what he asks; null: nobody knows"}, "CarrierChoice.minute": {about: "his price of a call of a minute; null: nobody knows", example: "30"},
		"loses": {about: "whether he asks more than is charged; null: that cannot be compared"},

		// vouchers and calling cards
		"Batch.id": {about: "the key", example: 1}, "Batch.name": {about: "the name; unique", example: "spring"}, "NewVouchersRequest.name": {about: "the name; unique", example: "spring"}, "NewCardsRequest.name": {about: "the name; unique", example: "spring"},
		"Batch.count": {about: "how many were made", example: 500}, "NewVouchersRequest.count": {about: "how many", example: 3}, "NewCardsRequest.count": {about: "how many", example: 3},
		"Batch.amount": {about: "what each is worth", example: "600"}, "NewVouchersRequest.amount": {about: "what each is worth", example: "600"}, "NewCardsRequest.amount": {about: "what each is worth", example: "600"},
		"Batch.currency": {about: "of the amount", example: "SEC"}, "NewVouchersRequest.currency": {about: "of the amount; SEC unless given", example: "SEC"}, "NewCardsRequest.currency": {about: "of the amount; SEC unless given", example: "SEC"},
		"Batch.valid_until":              {about: "when they are good for nothing any more; null: never", example: "2100-01-01T00:00:00Z"},
		"NewVouchersRequest.valid_until": {about: "the last day on which they are good, or a time, in the server's zone unless it says another; null: for ever", example: "2099-12-31"},
		"NewCardsRequest.valid_until":    {about: "the last day on which they are good, or a time, in the server's zone unless it says another; null: for ever", example: "2099-12-31"},
		"credit_days":                    {about: "for how many days the credit of a voucher is good once it is redeemed; 0: for ever", example: 30},
		"Batch.tariff":                   {about: "by which calls of the cards are paid, as it was called when they were made; null: none was given", example: "retail"}, "NewCardsRequest.tariff": {about: "by which their calls are paid; null: that of the currency"},
		"language":    {about: "of what callers of the cards hear; null: none was given", example: "en"},
		"Batch.first": {about: "the serial of the first one", example: "00001000001"}, "Batch.last": {about: "the serial of the last one", example: "00001000500"},
		"redeemed": {about: "how many were redeemed; of cards: with how many somebody has called", example: 12}, "Batch.blocked": {about: "how many are blocked", example: 0}, "Batch.expired": {about: "how many have expired or were ended", example: 0},
		"left": {about: "how many are good", example: 488}, "worth": {about: "what the vouchers that are left are worth; what is on the accounts of cards", example: "292800"}, "Batch.actor": {about: "who made it", example: "admin"},
		"ChangeBatchRequest.state": {about: "blocked: until it is ready again; expired: for good", example: "blocked", among: []any{"ready", "blocked", "expired"}},
		"ChangeBatchRequest.from":  {about: "the serial of the first of a series; of the batch unless given"}, "ChangeBatchRequest.to": {about: "the serial of the last of a series; of the batch unless given"},
		"code": {about: "16 digits, also with blanks, hyphens or points between them", example: "0000 0000 0000 0098"}, "RedeemRequest.user": {about: "for whom; whoever asks unless given", example: "marta"}, "Redeemed.user": {about: "whose account it is", example: "marta"},
		"serial": {about: "the number that is printed beside the code", example: "00001000001"}, "Redeemed.amount": {about: "what was added", example: "600"}, "Redeemed.currency": {about: "of that", example: "SEC"},
		"Redeemed.expires_at": {about: "until when the credit is good; null: for ever", example: instant}, "Redeemed.available": {about: "what the user may spend now", example: "780"}, "already": {about: "the same user had redeemed it before; nothing was added now", example: false},

		// re-ratings
		"Rerate.id": {about: "the key", example: 1}, "Rerate.name": {about: "the name; unique", example: "january"}, "NewRerateRequest.name": {about: "the name; unique", example: "january"},
		"Rerate.filter": {about: "which calls, and what prices them"}, "ReratePreview.filter": {about: "which calls, and what prices them"},
		"digest": {about: "stands for all calls and what they cost", example: "0123456789abcdef0123456789abcdef"}, "expect": {about: "the digest of the preview", example: "0123456789abcdef0123456789abcdef"},
		"Rerate.actor": {about: "who began it", example: "admin"}, "done_at": {about: "when the last call was adjusted; null: it was broken off, or goes on", example: instant},
		"Rerate.currency": {about: "of all sums", example: "SEC"}, "ReratePreview.currency": {about: "of all sums", example: "SEC"},
		"Rerate.calls": {about: "how many calls it has looked at", example: 12}, "adjusted": {about: "how many of them cost something else now", example: 9}, "Rerate.left": {about: "how many it left as they are, for a reason", example: 0},
		"credited": {about: "what went back", example: "90"}, "Rerate.charged": {about: "what was charged besides", example: "0"}, "Rerate.uncovered": {about: "what nobody's money covered of that", example: "0"},
		"total": {about: "of all customers; without a user"}, "ReratePreview.users": {about: "each customer"},
		"RepricedUser.user_id": {about: "whose calls; 0: of all", example: 2}, "RepricedUser.user": {about: "his name; empty: deleted, or all", example: "marta"},
		"RepricedUser.calls": {about: "how many", example: 12}, "RepricedUser.left": {about: "those that would be left as they are; they are not in the sums", example: 0},
		"RepricedUser.charged": {about: "what they were charged, with earlier adjustments", example: "180"}, "RepricedUser.cost": {about: "what they would cost", example: "90"}, "difference": {about: "what would be charged besides; negative: what would go back", example: "-90"},
		"RerateFilter.from": {about: "calls authorised from then on", example: instant}, "RerateFilter.to": {about: "and before then", example: instant},
		"RerateRequest.from": {about: "calls authorised from then on; without a zone in the tariff's", example: "2026-01-01 00:00"}, "RerateRequest.to": {about: "and before then", example: "2099-02-01 00:00"},
		"NewRerateRequest.from": {about: "calls authorised from then on; without a zone in the tariff's", example: "2026-01-01 00:00"}, "NewRerateRequest.to": {about: "and before then", example: "2099-02-01 00:00"},
		"RerateFilter.user": {about: "who pays; empty: everybody"}, "RerateRequest.user": {about: "who pays; everybody unless given", example: "marta"}, "NewRerateRequest.user": {about: "who pays; everybody unless given", example: "marta"},
		"RerateFilter.group": {about: "of whose members; empty: everybody"}, "RerateRequest.group": {about: "of whose members", example: "field-team"}, "NewRerateRequest.group": {about: "of whose members", example: "field-team"},
		"RerateFilter.prefix": {about: "of the number dialled last; empty: any"}, "RerateRequest.prefix": {about: "of the number dialled last", example: "49"}, "NewRerateRequest.prefix": {about: "of the number dialled last", example: "49"},
		"RerateFilter.tariff": {about: "what prices them", example: "retail"}, "RerateRequest.tariff": {about: "what prices them", example: "retail"}, "NewRerateRequest.tariff": {about: "what prices them", example: "retail"},
		"RerateFilter.version": {about: "its version; 0: the one that counts for the time of each call", example: 1}, "RerateRequest.version": {about: "its version; the one that counts for the time of each call unless given", example: 1}, "NewRerateRequest.version": {about: "its version; the one that counts for the time of each call unless given", example: 1},
		"adjustments": {about: "what re-ratings did to it, oldest first"}, "Adjustment.rerate": {about: "the name of the re-rating", example: "january"}, "Adjustment.call_id": {about: "of the call", example: "pbx1-1700000000.17"}, "Adjustment.user_id": {about: "who pays", example: 2},
		"Adjustment.before": {about: "what was charged until then", example: "180"}, "Adjustment.after": {about: "what is charged since", example: "90"}, "Adjustment.difference": {about: "what was charged besides; negative: what went back", example: "-90"},
		"Adjustment.uncovered": {about: "what nobody's money covers of what is charged since", example: "0"}, "Adjustment.transaction_id": {about: "of the ledger; 0: nothing was posted", example: 7}, "Adjustment.posted_at": {about: "when; null: nothing was posted", example: instant},
		"Adjustment.left": {about: "why it was left as it is; empty: it was not", example: ""},

		// limits
		"Limits.calls": {about: "calls at once; 0: no limit, as everywhere", example: 7}, "GroupLimits.calls": {about: "calls at once; 0: no limit, as everywhere", example: 7}, "LimitsRequest.calls": {about: "calls at once; 0: no limit, as everywhere", example: 7}, "GroupLimitsRequest.calls": {about: "calls at once; 0: no limit, as everywhere", example: 7},
		"Limits.seconds": {about: "of one call", example: 3600}, "GroupLimits.seconds": {about: "of one call", example: 3600}, "LimitsRequest.seconds": {about: "of one call", example: 3600}, "GroupLimitsRequest.seconds": {about: "of one call", example: 3600},
		"Limits.hour": {about: "that calls may cost in an hour of the clock, what is held for those in progress included, in the currency of the user", example: "20"}, "GroupLimits.hour": {about: "that calls may cost in an hour of the clock, what is held for those in progress included, in the currency of the user", example: "20"}, "LimitsRequest.hour": {about: "that calls may cost in an hour of the clock, what is held for those in progress included, in the currency of the user", example: "20"}, "GroupLimitsRequest.hour": {about: "that calls may cost in an hour of the clock, what is held for those in progress included, in the currency of the user", example: "20"},
		"Limits.day": {about: "the same in a day", example: "50"}, "GroupLimits.day": {about: "the same in a day", example: "50"}, "LimitsRequest.day": {about: "the same in a day", example: "50"}, "GroupLimitsRequest.day": {about: "the same in a day", example: "50"},
		"Limits.blocked": {about: "prefixes of numbers that cannot be called; of these and the allowed ones the longest that fits decides", example: []any{"900"}}, "GroupLimits.blocked": {about: "prefixes of numbers that cannot be called; of these and the allowed ones the longest that fits decides", example: []any{"900"}}, "LimitsRequest.blocked": {about: "prefixes of numbers that cannot be called; of these and the allowed ones the longest that fits decides", example: []any{"900"}}, "GroupLimitsRequest.blocked": {about: "prefixes of numbers that cannot be called; of these and the allowed ones the longest that fits decides", example: []any{"900"}},
		"Limits.allowed": {about: "prefixes of numbers; with any, no others can be called", example: []any{"49"}}, "GroupLimits.allowed": {about: "prefixes of numbers; with any, no others can be called", example: []any{"49"}}, "LimitsRequest.allowed": {about: "prefixes of numbers; with any, no others can be called", example: []any{"49"}}, "GroupLimitsRequest.allowed": {about: "prefixes of numbers; with any, no others can be called", example: []any{"49"}},
		"Limits.quiet": {about: "when no call begins, in the zone of the settings", example: []any{"22:00-06:00"}}, "GroupLimits.quiet": {about: "when no call begins, in the zone of the settings", example: []any{"22:00-06:00"}}, "LimitsRequest.quiet": {about: "when no call begins, in the zone of the settings", example: []any{"22:00-06:00"}}, "GroupLimitsRequest.quiet": {about: "when no call begins, in the zone of the settings", example: []any{"22:00-06:00"}},
		"Limits.new_countries": {about: "to which a user may call for the first time in a day; null: no limit", example: 2}, "GroupLimits.new_countries": {about: "to which a user may call for the first time in a day; null: no limit", example: 2}, "LimitsRequest.new_countries": {about: "to which a user may call for the first time in a day; null: no limit", example: 2}, "GroupLimitsRequest.new_countries": {about: "to which a user may call for the first time in a day; null: no limit", example: 2},
		"Limits.premium": {about: "prefixes of premium numbers", example: []any{"900"}}, "GroupLimits.premium": {about: "prefixes of premium numbers", example: []any{"900"}}, "LimitsRequest.premium": {about: "prefixes of premium numbers", example: []any{"900"}}, "GroupLimitsRequest.premium": {about: "prefixes of premium numbers", example: []any{"900"}},
		"Limits.premium_calls": {about: "calls in a day to those; 0: none", example: 3}, "GroupLimits.premium_calls": {about: "calls in a day to those; 0: none", example: 3}, "LimitsRequest.premium_calls": {about: "calls in a day to those; 0: none", example: 3}, "GroupLimitsRequest.premium_calls": {about: "calls in a day to those; 0: none", example: 3},
		"shared_calls": {about: "calls at once of all members together; 0: no limit", example: 30}, "shared_open": {about: "of those, in progress; of those that began while there was such a limit", example: 0},
		"own": {about: "what he has himself"}, "effective": {about: "what counts for him"}, "sources": {about: "where each of those that count comes from"}, "shared": {about: "what bounds all members of his groups together"},
		"LimitSource.limit": {about: "the name of the limit", example: "calls"}, "LimitSource.from": {about: "whose it is", example: "group", among: []any{"user", "group", "site"}}, "LimitSource.group": {about: "the name of the group; null unless it is a group's", example: "field-team"},
		"SharedLimit.group": {about: "the name of the group", example: "field-team"}, "SharedLimit.calls": {about: "calls at once", example: 30}, "SharedLimit.open": {about: "calls in progress, of those that began while there was a limit", example: 3},
		"Refused.id": {about: "the key", example: 1}, "Refused.at": {about: "when", example: instant}, "Refused.call_id": {about: "the channel", example: "pbx1-1700000000.17"}, "Refused.status": {about: "what the dialplan was told", example: "LIMIT"},
		"Refused.rule": {about: "the limit that refused it; empty: none did", example: "calls"}, "Refused.reason": {about: "why, in words", example: "the limit of 7 calls at once is reached"},

		// notices
		"Webhook.id": {about: "the key", example: 1}, "Webhook.name": {about: "the name; unique", example: "ops"}, "NewWebhookRequest.name": {about: "the name; unique", example: "ops"},
		"url": {about: "where notices are posted", example: "https://hooks.example.net/talktime"}, "kinds": {about: "which kinds of notices are sent; none: all", example: []any{"low-balance"}, among: []any{"low-balance", "brake", "refusals", "loss"}},
		"Webhook.enabled": {about: "whether notices are sent", example: true}, "NewWebhookRequest.enabled": {about: "whether notices are sent; true unless given", example: true}, "ChangeWebhookRequest.enabled": {about: "whether notices are sent", example: true},
		"secret":    {about: "what signs them, in the answer to its making only", example: "whs_…"},
		"Notice.id": {about: "the key", example: 31}, "Notice.kind": {about: "what happened", example: "low-balance", among: []any{"low-balance", "brake", "refusals", "loss", "test"}},
		"Notice.user_id": {about: "the key of the user whom it is about; null: none", example: 2}, "Notice.user": {about: "his name; null: it is about nobody", example: "marta"},
		"data":       {about: "what else there is to say, by kind", example: map[string]any{"balance": "4.5", "below": "5", "currency": "EUR"}},
		"deliveries": {about: "the tries to tell of it, each with its number"}, "Delivery.webhook": {about: "the name of the webhook, empty when that is gone; null: by mail", example: "ops"},
		"try": {about: "which try it is, from 1 on", example: 1}, "Delivery.state": {about: "what became of it", example: "done", among: []any{"waiting", "done", "failed", "given-up"}},
		"Delivery.due_at": {about: "when it is or was to be tried", example: instant}, "tried_at": {about: "when it was; null: not yet", example: instant},
		"Delivery.status": {about: "of HTTP; 0: there was no answer, or it went by mail", example: 200}, "error": {about: "why it failed; empty: it did not"}, "notice": {about: "the key of the notice", example: 31},

		// tokens and audit
		"Token.name": {about: "the name; unique", example: "crm"}, "TokenRequest.name": {about: "the name; unique", example: "crm"},
		"scopes": {about: "what it is good for", example: []any{"read"}, among: scopeNames()}, "Token.account": {about: "the only account whose figures it may read; empty: it is bound to none", example: "crm-77"},
		"TokenRequest.account": {about: "the only account whose figures it may read: the account_id or the id of a user or a group; bound to none unless given", example: "crm-77"},
		"created_at":           {about: "when", example: instant}, "expires_at": {about: "when it is good for nothing any more; null: never", example: "2099-12-31T00:00:00Z"},
		"last_used_at": {about: "to the minute; null: never", example: instant}, "token": {about: "the secret, in the answer to its making only", example: "tt_…"},
		"at": {about: "when", example: instant}, "action": {about: "what was done to what: a noun and a verb", example: "user.change"}, "target": {about: "to what", example: "marta"},
		"before": {about: "what there was; null: nothing", example: map[string]any{"clid": "555000204"}}, "after": {about: "what there is; null: nothing", example: map[string]any{"clid": "555000209"}},

		// statistics
		"ExtensionReport.data": {about: "the extensions"}, "ExtensionReport.date": {about: "the day or range, as it was asked for", example: "2026-02-11"},
		"ExtensionReport.start": {about: "the first second, of a report with start and end", example: "2026-02-01 08:00:00"}, "ExtensionReport.end": {about: "the last second of it", example: "2026-02-11 23:59:59"},
		"errors": {about: "databases that failed, with the reason; missing when none did", example: map[string]any{"pbx3.example.org": "Failed to connect to pbx3.example.org at pbx3.example.org:3306"}},
		"cnum":   {about: "its number", example: "2104"}, "cnam": {about: "its name; may be empty", example: "Ines Roth"}, "call_count": {about: "calls, by unique id", example: 7},
		"total_call_time_minutes": {about: "talk", example: 18.75}, "long_calls_count": {about: "calls with more than 90 seconds of talk", example: 2}, "total_long_calls_minutes": {about: "their talk", example: 14.2},
		"unique_calls": {about: "different numbers that it called", example: 6}, "CountryReport.date": {about: "the day or range, as it was asked for", example: "month"}, "databases": {about: "by their names"},
		"Database.status": {about: "whether it answered", example: "success", among: []any{"success", "error"}}, "Database.data": {about: "the countries, most calls first; missing when it failed"},
		"Database.error": {about: "why it failed; missing when it did not"}, "country_code": {about: "the calling code; null: none", example: "+49"}, "country": {about: "its name; null without a code", example: "Germany"},
		"answered_calls": {about: "calls that were answered, by unique id", example: 30}, "total_calls": {about: "calls, by unique id", example: 48}, "asr_percentage": {about: "the share that was answered", example: 62.5},
		"unique_destinations": {about: "different numbers", example: 40}, "total_talk_minutes": {about: "talk", example: 95.37}, "Error.error": {about: "what is wrong", example: "Invalid token"},

		// statistics of queues
		"QueueListBody.data":   {about: "what is on it, each with its id and names", example: []any{map[string]any{"queue_id": "4", "queue": "sales", "queue_name": "Sales"}}},
		"QueueReportBody.page": {about: "the number of the page", example: "1"}, "QueueReportBody.total": {about: "how many pages there are", example: "1"}, "records": {about: "how many rows there are on all of them", example: "1"},
		"QueueReportBody.rows": {about: "the rows of the page; their keys are those of the report", example: []any{map[string]any{"Queue": "Sales", "Received": "165", "% Calls": "71.12"}}},
		"totalpages":           {about: "1; 0 when there is no such call", example: "1"}, "currpage": {about: "1", example: "1"}, "totalrecords": {about: "how many events there are", example: "1"},
		"CallEventsBody.data": {about: "the events, in their order", example: []any{map[string]any{
			"id": "1", "uniqueid": "1812528928.11", "datetime": "2027-06-09 08:15:28", "queue": "sales", "agent": "NONE", "event": "ENTERQUEUE",
			"info1": "", "info2": "5550177", "info3": "1", "info4": "", "info5": "", "agentName": "NONE", "queueName": "Sales",
		}}},
		"waiting calls": {about: "who waits, by queue and position", example: map[string]any{"sales": map[string]any{"1": map[string]any{"calleridNum": "5550177", "calleridName": "R. Lund", "waitTime": "17"}}}},
		"QueuesNowBody.summary": {about: "figures of now and of today, by queue", example: map[string]any{"queue": map[string]any{"sales": map[string]any{
			"Waiting": "1", "Agents": "2", "Penalty": "0", "Logged Off": "1", "Busy": "1", "Paused": "0", "Answered": "40", "Unanswered": "5", "Abandoned": "4", "Abandon Rate": "8.89",
			"Avg Wait": "14", "Avg Duration": "188", "Max. wait time": "17",
		}}}},
		"QueuesNowBody.agents": {about: "the members of each queue, by their names", example: map[string]any{"sales": map[string]any{"Iva Moss": map[string]any{
			"location": "SIP/204", "lastCall": "96", "status": "busy", "paused": "0", "auxType": "", "auxSeconds": "0", "callFromQueue": "sales", "penalty": "0", "callerid": "5550199", "duration": "61",
		}}}},

		// call statistics of accounts
		"CountriesBody.data": {about: "the answer", example: map[string]any{"countries": []any{"Fiji", "New Zealand"}}}, "CountryList.countries": {about: "in the order of the alphabet", example: []any{"Fiji", "New Zealand"}},
		"RegionsBody.data":     {about: "the answer", example: map[string]any{"countries": map[string]any{"Fiji": map[string]any{"Fiji Suva": []any{811, 812}}}}},
		"RegionList.countries": {about: "ids of zones by region, by country", example: map[string]any{"Fiji": map[string]any{"Fiji Suva": []any{811, 812}}}},
		"PeriodsBody.data": {about: "periods that have calls by their begin, in the order of time", example: map[string]any{
			"09:00:00 17/06/2027": map[string]any{"total": 3, "duration_seconds": map[string]any{"max": 80, "min": 7, "median": 20.0, "mean": 35.67}},
		}},
		"PeriodsBody.errors": {about: "why databases are left out, by their names", example: map[string]any{"pbx3.example.org": "Failed to connect to pbx3.example.org at pbx3.example.org:3306"}},
		"PeriodFigures.groups": {about: "by call_direction or unanswered, as the query says; groups without calls are left out", example: map[string]any{
			"0": map[string]any{"total": 2, "duration_seconds": map[string]any{"max": 80, "min": 20, "median": 50.0, "mean": 50.0}},
		}},
		"PeriodFigures.total": {about: "calls", example: 3}, "GroupFigures.total": {about: "calls", example: 2},
		"duration_seconds": {about: "how long they lasted", example: map[string]any{"max": 80, "min": 7, "median": 20.0, "mean": 35.67}},
		"max":              {about: "of the longest", example: 80}, "min": {about: "of the shortest", example: 7}, "median": {about: "of the middle one, or between the two in the middle", example: 20.0},
		"DurationFigures.mean": {about: "on average", example: 35.67}, "timestamp": {about: "when it was answered", example: "2027-06-17T09:26:53Z"},
		"CountriesBody.status": {about: "success", example: "success"}, "RegionsBody.status": {about: "success", example: "success"}, "PeriodsBody.status": {about: "success", example: "success"},
		"ErrorBody.data": {about: "what is wrong", example: map[string]any{"message": "Unable to construct query", "cause": "there is no field \"x\""}}, "ErrorBody.error": {about: "the status of HTTP", example: "400"},
		"ErrorBody.message": {about: "what is wrong, for programs", example: "bad_request"}, "ErrorBody.status": {about: "error", example: "error"},
		"ErrorData.message": {about: "what is wrong, for people", example: "Unable to construct query"}, "ErrorData.cause": {about: "more about it", example: "there is no field \"x\""},

		// figures of our own calls
		"Summary.from": {about: "the begin of the time", example: "2026-03-01T00:00:00+01:00"}, "Summary.to": {about: "its end, which is not in it", example: "2026-04-01T00:00:00+02:00"},
		"Top.from": {about: "the begin of the time", example: "2026-03-01T00:00:00+01:00"}, "Top.to": {about: "its end, which is not in it", example: "2026-04-01T00:00:00+02:00"},
		"HeatMap.from": {about: "the begin of the time", example: "2026-03-01T00:00:00+01:00"}, "HeatMap.to": {about: "its end, which is not in it", example: "2026-04-01T00:00:00+02:00"},
		"Concurrent.from": {about: "the begin of the time", example: "2026-03-01T00:00:00+01:00"}, "Concurrent.to": {about: "its end, which is not in it", example: "2026-04-01T00:00:00+02:00"},
		"timezone": {about: "of days and hours", example: "Europe/Vienna"}, "by": {about: "how long a time each is about", example: "day", among: []any{"none", "minute", "quarter", "hour", "day", "week", "month"}},
		"of":       {about: "what the calls of a row have in common", example: "country", among: []any{"none", "user", "group", "country", "destination", "carrier", "cause"}},
		"num_rows": {about: "how many rows there are, also where there are fewer here", example: 31}, "rows": {about: "the figures"},
		"Summary.total": {about: "the figures of all calls, also of those in no row here"}, "Top.total": {about: "the figures of all calls, also of those in no row here"},
		"sort": {about: "which come first", example: "attempts", among: []any{"attempts", "minutes", "revenue"}}, "Top.currency": {about: "of the revenue that they are sorted by; null: they are sorted by something else", example: "SEC"},
		"StatRow.start": {about: "when the period began, which may be before the first moment that was asked for", example: "2026-03-14T00:00:00+01:00"},
		"StatRow.key":   {about: "the id of the user, group or carrier, the calling code, the prefix of the destination or the cause; null: the rows are of nothing", example: "+49"},
		"StatRow.name":  {about: "what that is called; empty: nothing, or it was deleted", example: "Germany"},
		"attempts":      {about: "calls that were permitted and are over", example: 48}, "StatRow.answered": {about: "of these: answered", example: 30}, "Figures.answered": {about: "of these: answered", example: 30}, "HeatHour.answered": {about: "of these: answered", example: 20},
		"asr": {about: "answer-seizure ratio: answered per attempts, in percent; null without attempts", example: 62.5}, "ner": {about: "network effectiveness ratio: calls that the network brought to the called per attempts, in percent; null without attempts", example: 93.75},
		"acd_seconds": {about: "average call duration: seconds of talk per answered call; null without any", example: 190.73}, "pdd_mean_ms": {about: "mean post-dial delay in milliseconds, where it is known; null: of no call", example: 1840},
		"pdd_calls": {about: "calls whose delay is known", example: 45}, "minutes": {about: "of talk", example: 95.37}, "talk_seconds": {about: "the same in seconds, as they were charged", example: 5722},
		"money": {about: "by currency; none without talk"}, "Sum.currency": {about: "of the amounts", example: "EUR"}, "revenue": {about: "what was charged, with what re-ratings changed, " + exact, example: "12.5"},
		"Sum.cost": {about: "what carriers ask, " + exact + "; missing for whoever does not operate the site", example: "7.25"}, "margin": {about: "revenue without cost, " + exact + "; missing as cost", example: "5.25"},
		"filter": {about: "the query that finds exactly these calls in /api/calls", example: map[string]any{"filters": []any{map[string]any{"name": "cause", "op": "eq", "val": 16}}}}, "StatRow.calls": {about: "where they are listed", example: "/api/calls?q=%7B%7D"}, "Busy.calls": {about: "where they are listed", example: "/api/calls?q=%7B%7D"},
		"HeatMap.days": {about: "Monday first"}, "weekday": {about: "which day", example: "monday"}, "HeatDay.hours": {about: "from midnight on"}, "hour": {about: "from that on, to the next", example: 9},
		"most": {about: "the highest number of calls at once", example: 17}, "mean": {about: "how many there were on average", example: 4.25}, "slots": {about: "in the order of time"}, "Busy.start": {about: "when it began", example: "2026-03-14T09:00:00+01:00"},

		// session, server, refusals
		"roles": {about: "admin or user", example: []any{"user"}}, "displayName": {about: "the username", example: "marta"}, "LoggedIn.id": {about: "the key of the user", example: 2},
		"next":                  {about: "of a form: the path to go to, in place of an answer"},
		"LoginRequest.password": {about: "his password", example: "tango-7-oak"}, "UserName.id": {about: "the key of the user", example: 2},
		"message": {about: "what is wrong, in one sentence", example: "the user already exists"}, "validation_errors": {about: "what is wrong with each field", example: map[string]any{"shoe_size": "unknown field"}},
		"Health.status": {about: "ok or unavailable", example: "ok"}, "Health.message": {about: "what keeps the server from its work"},
		"title": {about: "the status in words", example: "Conflict"}, "NotImported.status": {about: "the status", example: 400}, "NotImported.detail": {about: "as message", example: "1 bad rows and 0 duplicates; nothing was imported"}, "NotImported.message": {about: "what is wrong, in one sentence", example: "1 bad rows and 0 duplicates; nothing was imported"}, "NotImported.title": {about: "the status in words", example: "Bad Request"},
		"Problem.status": {about: "the status", example: 409}, "detail": {about: "as message", example: "insufficient balance"},
		"request_id": {about: "as X-Request-Id", example: "ZQ2XHTVZ3JWOVGDBEM5WGGJQKN"}, "Problem.message": {about: "what is wrong, in one sentence", example: "insufficient balance"},
	}, with(with(with(queueWords(), liveWords()), with(with(keptPBXWords(), with(pbxExtensionWords(), trunkWords())), recordingWords())), pbxLiveWords()))
}
