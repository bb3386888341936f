package adminapi

import (
	"net/http"

	"talktime/models"
	"talktime/pbx/extension"
)

// Route is a path with who may use it.
type Route struct {
	Method string
	Path   string // as Gin writes it
	Does   string // one line
	Access Access
	Kept   bool // answers errors as the original did, not as RFC 9457 says
	JSON   bool // takes a body, which must be JSON

	handle handler
	needs  func(Deps) bool // nil: always there
}

// summed reports whether there are figures of calls of ours.
func summed(d Deps) bool { return d.Stats != nil && d.Stats.Calls != nil && d.CallFacts != nil }

// Routes is every path for programs, and those of the login, in the order of the documentation.
func Routes() []Route {
	const get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	blind := Access{Open: true, Blind: true}
	open, login_, admin := Access{Open: true}, Access{Login: true}, Access{}
	scope := func(s Scope) Access { return Access{Scope: s} }
	self := func(s Scope) Access { return Access{Scope: s, Self: true} }
	figures := Access{Scope: ScopeStatistics, Self: true, Owned: true}
	owned := func(s Scope) Access { return Access{Scope: s, Owned: true} }
	groups := func(d Deps) bool { return d.Groups != nil }
	tokens := func(d Deps) bool { return d.Tokens != nil }
	grants := func(d Deps) bool { return d.Grants != nil }
	priced := func(d Deps) bool { return d.Tariffs != nil }
	sold := func(d Deps) bool { return d.Vouchers != nil }
	limited := func(d Deps) bool { return d.Limits != nil }
	rerated := func(d Deps) bool { return d.Rerates != nil && d.Tariffs != nil }
	routed := func(d Deps) bool { return d.Routing != nil && d.Tariffs != nil }
	counted := func(d Deps) bool { return d.Stats != nil }
	account := Access{Scope: ScopeStatistics, Login: true, Owned: true, Crossbar: true}
	accounts := func(d Deps) bool { return d.Stats != nil && d.Accounts != nil }
	noted := func(d Deps) bool { return d.Notices != nil }
	queued := func(d Deps) bool { return d.Queues != nil }
	queueStats := Access{Scope: ScopeStatistics, Login: true, Basic: true}
	queuesNamed := func(d Deps) bool { return d.Queues != nil && d.QueueNames != nil }
	queuesFed := func(d Deps) bool { return d.Queues != nil && d.QueueFeed != nil }
	queuesRecorded := func(d Deps) bool { return d.Queues != nil && d.Recordings != nil }
	queuesLive := func(d Deps) bool { return d.LiveQueues != nil }
	pbxed := func(d Deps) bool { return d.PBX != nil }
	return []Route{
		{get, "/healthz", "whether the server runs", blind, false, false, healthz, nil},
		{get, "/readyz", "whether the server can do its work", blind, false, false, readyz, nil},
		{get, "/metrics", "numbers for Prometheus", Access{Scope: ScopeRead, Near: true, Basic: true}, false, false, showMetrics, nil},
		{get, "/openapi.json", "this API as an OpenAPI document", blind, false, false, openAPI, nil},
		{get, "/docs", "this API as a page", blind, false, false, docs, nil},
		{get, "/docs/style.css", "what that page looks like", blind, false, false, docsStyleSheet, nil},

		{get, "/", "greets whoever is logged in", open, true, false, home, nil},
		{get, "/login", "the form", open, true, false, loginForm, nil},
		{post, "/login", "begins a session", open, true, false, login, nil},
		{get, "/logout", "ends the session", open, true, false, logout, nil},
		{post, "/logout", "ends the session", open, true, false, logout, nil},
		{get, "/check", "says who is logged in", login_, true, false, check, nil},

		{get, "/api/users", "lists users", owned(ScopeRead), true, false, listUsers, nil},
		{post, "/api/users", "makes a user", scope(ScopeUsers), true, true, createUser, nil},
		{patch, "/api/users", "changes the users that a query finds", scope(ScopeUsers), true, true, changeUsers, nil},
		{get, "/api/users/:username", "a user", Access{Scope: ScopeRead, Self: true, Owned: true}, true, false, getUser, nil},
		{patch, "/api/users/:username", "changes a user", self(ScopeUsers), true, true, changeUser, nil},
		{del, "/api/users/:username", "deletes a user", scope(ScopeUsers), true, false, deleteUser, nil},

		{get, "/api/groups", "lists groups", scope(ScopeRead), true, false, listGroups, groups},
		{post, "/api/groups", "makes a group with refill dates", scope(ScopeUsers), true, true, createGroup, groups},
		{get, "/api/groups/:name", "a group", scope(ScopeRead), true, false, getGroup, groups},
		{patch, "/api/groups/:name", "changes a group, or refills it", scope(ScopeUsers), true, true, changeGroup, groups},
		{del, "/api/groups/:name", "deletes a group; its members keep their credit", scope(ScopeUsers), true, false, deleteGroup, groups},

		{get, "/api/balance", "lists ledger entries of users", owned(ScopeRead), true, false, listBalance, nil},
		{post, "/api/balance", "adds or takes money", scope(ScopeMoney), true, true, createBalance, nil},
		{get, "/api/balance/:id", "a ledger entry", owned(ScopeRead), true, false, getBalance, nil},
		{patch, "/api/balance/:id", "not allowed: the ledger is never changed", admin, true, false, notAllowed("GET"), nil},
		{del, "/api/balance/:id", "not allowed: the ledger is never changed", admin, true, false, notAllowed("GET"), nil},

		{get, "/api/cdr", "lists records of answered calls", owned(ScopeCDR), true, false, listCDR, nil},
		{post, "/api/cdr", "writes a record by hand, which charges nobody", admin, true, true, createCDR, nil},
		{get, "/api/cdr/:id", "the record of an answered call", owned(ScopeCDR), true, false, getCDR, nil},
		{patch, "/api/cdr/:id", "changes a record that was written by hand", admin, true, true, changeCDR, nil},
		{del, "/api/cdr/:id", "deletes a record that was written by hand", admin, true, false, deleteCDR, nil},

		{get, "/check_voice_balance", "what the owner of a SIM may spend; for telephone systems", open, true, false, voiceBalance, nil},
		{post, "/check_voice_balance", "the same", open, true, true, voiceBalance, nil},
		{get, "/check_data_balance", "none: no data is sold here", open, true, false, dataBalance, nil},
		{post, "/check_data_balance", "the same", open, true, true, dataBalance, nil},
		{post, "/api/voice_balance", "adds or takes money, as a later version of the original did", scope(ScopeMoney), true, true, createVoiceBalance, nil},

		{get, "/api/calls", "lists calls in any state, newest first", owned(ScopeRead), false, false, listCalls, nil},
		{get, "/api/calls/:id", "a call", owned(ScopeRead), false, false, getCall, nil},
		{get, "/api/calls/:id/explain", "how the charge of a call came about", owned(ScopeRead), false, false, explainCall, nil},
		{get, "/api/holds", "lists calls that hold money", owned(ScopeRead), false, false, listHolds, nil},
		{get, "/api/holds/:id", "a call that holds money", owned(ScopeRead), false, false, getHold, nil},
		{del, "/api/holds/:id", "gives back the money that a call holds", scope(ScopeMoney), false, false, releaseHold, nil},
		{get, "/api/ledger", "lists ledger entries of users, newest first", owned(ScopeRead), false, false, listLedger, nil},
		{post, "/api/transfers", "moves money from one user to another", scope(ScopeMoney), false, true, createTransfer, nil},
		{get, "/api/tariffs", "lists tariffs", scope(ScopeRead), false, false, tariffs(listTariffs), priced},
		{post, "/api/tariffs", "makes a tariff, which has no rates yet", scope(ScopeAdmin), false, true, tariffs(createTariff), priced},
		{get, "/api/tariffs/:tariff", "a tariff", scope(ScopeRead), false, false, tariffs(getTariff), priced},
		{patch, "/api/tariffs/:tariff", "makes a tariff the default of its currency, or not", scope(ScopeAdmin), false, true, tariffs(changeTariff), priced},
		{del, "/api/tariffs/:tariff", "removes a tariff with all its versions", scope(ScopeAdmin), false, false, tariffs(deleteTariff), priced},
		{get, "/api/tariffs/:tariff/versions", "lists the versions of a tariff, newest first", scope(ScopeRead), false, false, tariffs(listVersions), priced},
		{post, "/api/tariffs/:tariff/versions", "makes a version of a file of rates", scope(ScopeAdmin), false, false, tariffs(importVersion), priced},
		{post, "/api/tariffs/:tariff/activations", "lets a version count, now or later", scope(ScopeAdmin), false, true, tariffs(activateVersion), priced},
		{post, "/api/tariffs/:tariff/rollback", "takes a version back", scope(ScopeAdmin), false, false, tariffs(rollBack), priced},
		{get, "/api/tariffs/:tariff/rates", "lists the rates of a version", scope(ScopeRead), false, false, tariffs(listRates), priced},
		{get, "/api/rates/explain", "what a call would cost, and why", self(ScopeRead), false, false, tariffs(explainRate), priced},
		{get, "/api/users/:username/tariff", "the tariff that is a user's own", scope(ScopeRead), false, false, tariffs(getUserTariff), priced},
		{put, "/api/users/:username/tariff", "gives a user a tariff of his own, or none", scope(ScopeUsers), false, true, tariffs(putUserTariff), priced},
		{get, "/api/groups/:name/tariff", "the tariff of a group", scope(ScopeRead), false, false, tariffs(getGroupTariff), priced},
		{put, "/api/groups/:name/tariff", "gives a group a tariff, or none", scope(ScopeUsers), false, true, tariffs(putGroupTariff), priced},
		{get, "/api/rerates", "lists re-ratings, newest first", scope(ScopeAdmin), false, false, tariffs(listRerates), rerated},
		{post, "/api/rerates/preview", "what calls would have cost by another version of a tariff", scope(ScopeAdmin), false, true, tariffs(previewRerate), rerated},
		{post, "/api/rerates", "posts that difference for each call", scope(ScopeAdmin), false, true, tariffs(postRerate), rerated},
		{get, "/api/rerates/:rerate", "a re-rating", scope(ScopeAdmin), false, false, tariffs(getRerate), rerated},
		{get, "/api/carriers", "lists carriers", scope(ScopeRead), false, false, tariffs(listCarriers), routed},
		{post, "/api/carriers", "makes a carrier, to whom routes may give calls", scope(ScopeAdmin), false, true, tariffs(createCarrier), routed},
		{get, "/api/carriers/:carrier", "a carrier", scope(ScopeRead), false, false, tariffs(getCarrier), routed},
		{patch, "/api/carriers/:carrier", "changes a carrier", scope(ScopeAdmin), false, true, tariffs(changeCarrier), routed},
		{del, "/api/carriers/:carrier", "removes a carrier that no route names", scope(ScopeAdmin), false, false, tariffs(deleteCarrier), routed},
		{get, "/api/routes", "lists routes", scope(ScopeRead), false, false, tariffs(listRoutes), routed},
		{post, "/api/routes", "gives calls to numbers with a prefix to carriers", scope(ScopeAdmin), false, true, tariffs(createRoute), routed},
		{get, "/api/routes/explain", "which carriers are tried for a call, and why others are not", scope(ScopeRead), false, false, tariffs(explainRoute), routed},
		{get, "/api/routes/:route", "a route", scope(ScopeRead), false, false, tariffs(getRoute), routed},
		{patch, "/api/routes/:route", "changes the carriers of a route, their order or its loss guard", scope(ScopeAdmin), false, true, tariffs(changeRoute), routed},
		{del, "/api/routes/:route", "removes a route", scope(ScopeAdmin), false, false, tariffs(deleteRoute), routed},
		{get, "/api/vouchers", "lists batches of vouchers, newest first", scope(ScopeRead), false, false, ofKind(models.BatchVouchers, listBatches), sold},
		{post, "/api/vouchers", "makes vouchers, whose codes are in the answer and nowhere else", scope(ScopeMoney), false, true, ofKind(models.BatchVouchers, createBatch), sold},
		{post, "/api/vouchers/redeem", "puts a voucher's amount on a user's account", Access{Scope: ScopeMoney, Login: true}, false, true, redeemVoucher, sold},
		{get, "/api/vouchers/:batch", "a batch of vouchers", scope(ScopeRead), false, false, ofKind(models.BatchVouchers, getBatch), sold},
		{patch, "/api/vouchers/:batch", "blocks, unblocks or ends a batch of vouchers or a series", scope(ScopeMoney), false, true, ofKind(models.BatchVouchers, changeBatch), sold},
		{get, "/api/cards", "lists batches of calling cards, newest first", scope(ScopeRead), false, false, ofKind(models.BatchCards, listBatches), sold},
		{post, "/api/cards", "makes calling cards, whose PINs are in the answer and nowhere else", scope(ScopeMoney), false, true, ofKind(models.BatchCards, createBatch), sold},
		{get, "/api/cards/:batch", "a batch of calling cards", scope(ScopeRead), false, false, ofKind(models.BatchCards, getBatch), sold},
		{patch, "/api/cards/:batch", "blocks, unblocks or ends a batch of calling cards or a series", scope(ScopeMoney), false, true, ofKind(models.BatchCards, changeBatch), sold},
		{get, "/api/limits", "the limits of everybody who has none", scope(ScopeRead), false, false, getSiteLimits, limited},
		{put, "/api/limits", "replaces the limits of everybody who has none", scope(ScopeAdmin), false, true, putSiteLimits, limited},
		{del, "/api/limits", "takes the limits of everybody away", scope(ScopeAdmin), false, false, deleteSiteLimits, limited},
		{get, "/api/groups/:name/limits", "the limits of a group", scope(ScopeRead), false, false, getGroupLimits, limited},
		{put, "/api/groups/:name/limits", "replaces the limits of a group", scope(ScopeUsers), false, true, putGroupLimits, limited},
		{del, "/api/groups/:name/limits", "takes the limits of a group away", scope(ScopeUsers), false, false, deleteGroupLimits, limited},
		{get, "/api/users/:username/limits", "the limits of a user, and where they come from", self(ScopeRead), false, false, getUserLimits, limited},
		{put, "/api/users/:username/limits", "replaces the limits that a user has himself", scope(ScopeUsers), false, true, putUserLimits, limited},
		{del, "/api/users/:username/limits", "takes the limits away that a user has himself", scope(ScopeUsers), false, false, deleteUserLimits, limited},
		{get, "/api/refusals", "lists the calls that users were refused, newest first", owned(ScopeRead), false, false, listRefusals, limited},
		{get, "/api/v1/:token/callstat", "how much each extension called", Access{Open: true, Blind: true, Scope: ScopeStatistics, InPath: true}, true, false, v1, counted},
		{get, "/api/v1/:token/asrstat", "which share of the calls to each country was answered", Access{Open: true, Blind: true, Scope: ScopeStatistics, InPath: true}, true, false, v1, counted},
		{get, "/v2/accounts/:account/call_statistics/countries", "lists the countries that have zones", account, true, false, countries, accounts},
		{get, "/v2/accounts/:account/call_statistics/countries/:list", "the zones of some countries, by region", account, true, false, regions, accounts},
		{get, "/v2/accounts/:account/call_statistics/csv", "lists the calls of an account", account, true, false, callsCSV, accounts},
		{get, "/v2/accounts/:account/call_statistics/:period", "how many calls an account had by hour, day, week or month, and how long they lasted", account, true, false, periods, accounts},
		{get, "/stats/rest/index.php", "statistics of queues and agents, as Asternic Call Center Stats had them", queueStats, true, false, callCenter, queued},
		{get, "/qstats/rest/index.php", "the same", queueStats, true, false, callCenter, queued},
		{get, "/rest/index.php", "the same", queueStats, true, false, callCenter, queued},
		{get, "/api/queues", "lists queues, with today's figures", queueStats, false, false, listQueues, queued},
		{patch, "/api/queues/:queue", "gives a queue the name by which people know it", scope(ScopeAdmin), false, true, renameQueue, queuesNamed},
		{get, "/api/queues/agents", "lists agents", queueStats, false, false, listQueueAgents, queued},
		{patch, "/api/queues/agents/:agent", "gives an agent the name by which people know him", scope(ScopeAdmin), false, true, renameQueueAgent, queuesNamed},
		{get, "/api/queues/summary", "figures of queues, by what calls have in common", queueStats, false, false, queueStatistics(showQueueSummary), queued},
		{get, "/api/queues/waits", "how long callers waited", queueStats, false, false, queueStatistics(showQueueWaits), queued},
		{get, "/api/queues/agents/times", "how long agents were logged in, paused and busy", queueStats, false, false, queueStatistics(showAgentTimes), queued},
		{get, "/api/queues/calls", "lists calls that came to queues, oldest first", queueStats, false, false, queueStatistics(listQueueCalls), queued},
		{get, "/api/queues/calls/:uniqueid", "a call with its ways through queues and its events", queueStats, false, false, getQueueCall, queued},
		{get, "/api/queues/calls/:uniqueid/recording", "the recording of a call", scope(ScopeRecordings), false, false, sendRecording, queuesRecorded},
		{get, "/api/queues/abandoned", "callers who gave up, and whether they were called back", queueStats, false, false, queueStatistics(showAbandoned), queued},
		{get, "/api/queues/import", "how far the queue_log was read", scope(ScopeAdmin), false, false, showQueueImport, queuesFed},
		{get, "/api/queues/live", "how the queues are now, and today's figures", queueStats, false, false, showLive, queuesLive},
		{get, "/api/queues/live/events", "the same as server-sent events, whenever it changes", queueStats, false, false, streamLive, queuesLive},
		{get, keptPBXPath, "peers, extensions, calls and the state of the telephone system, as elastix-api answered; the command is in the query as cmd", blind, true, false, keptPBX, pbxed},
		{post, keptPBXPath, "the same, and what changes the telephone system", blind, true, false, keptPBX, pbxed},
		{get, pbxRecordingsPath, "lists recordings, newest first", scope(ScopeRecordings), false, false, listRecordings, pbxed},
		{get, pbxRetentionPath, "how long recordings are kept, and what is due", scope(ScopeRecordings), false, false, showRetention, pbxed},
		{get, pbxRecordingPath, "a recording", scope(ScopeRecordings), false, false, getRecording, pbxed},
		{del, pbxRecordingPath, "deletes a recording", scope(ScopeWrite), false, false, deleteRecording, pbxed},
		{get, pbxSystemPath, "how the machine and Asterisk are doing", scope(ScopeRead), false, false, showPBXSystem, pbxed},
		{get, "/api/pbx/extensions", "lists extensions, by their numbers", scope(ScopeRead), false, false, ofBackend(extensions().listAll), pbxed},
		{post, "/api/pbx/extensions", "makes an extension", scope(ScopeWrite), false, true, ofBackend(extensions().create), pbxed},
		{get, "/api/pbx/extensions/:extension", "an extension", scope(ScopeRead), false, false, ofBackend(extensions().getOne), pbxed},
		{patch, "/api/pbx/extensions/:extension", "changes an extension", scope(ScopeWrite), false, true, ofBackend(extensions().change), pbxed},
		{del, "/api/pbx/extensions/:extension", "removes an extension and its follow-me", scope(ScopeWrite), false, false, ofBackend(extensions().delete), pbxed},
		{get, "/api/pbx/followme", "lists follow-mes, by the numbers of their extensions", scope(ScopeRead), false, false, ofBackend(followMes().listAll), pbxed},
		{post, "/api/pbx/followme", "makes the follow-me of an extension", scope(ScopeWrite), false, true, ofBackend(followMes().create), pbxed},
		{get, "/api/pbx/followme/:extension", "the follow-me of an extension", scope(ScopeRead), false, false, ofBackend(followMes().getOne), pbxed},
		{patch, "/api/pbx/followme/:extension", "changes a follow-me", scope(ScopeWrite), false, true, ofBackend(followMes().change), pbxed},
		{del, "/api/pbx/followme/:extension", "removes a follow-me", scope(ScopeWrite), false, false, ofBackend(followMes().delete), pbxed},
		{get, "/api/pbx/trunks", "lists trunks, by their names, with how they are now", scope(ScopeRead), false, false, ofTrunks(pbxKind[extension.Trunk].listAll), pbxed},
		{post, "/api/pbx/trunks", "makes a trunk", scope(ScopeWrite), false, true, ofTrunks(pbxKind[extension.Trunk].create), pbxed},
		{get, "/api/pbx/trunks/:trunk", "a trunk, with how it is now", scope(ScopeRead), false, false, ofTrunks(pbxKind[extension.Trunk].getOne), pbxed},
		{patch, "/api/pbx/trunks/:trunk", "changes a trunk", scope(ScopeWrite), false, true, ofTrunks(pbxKind[extension.Trunk].change), pbxed},
		{del, "/api/pbx/trunks/:trunk", "removes a trunk, and ends its registration", scope(ScopeWrite), false, false, ofTrunks(pbxKind[extension.Trunk].delete), pbxed},
		{get, "/api/pbx/changes", "lists changes of extensions and follow-mes, newest first", scope(ScopeRead), false, false, ofBackend(listPBXChanges), pbxed},
		{post, "/api/pbx/changes/:change/undo", "takes a change back", scope(ScopeWrite), false, false, ofBackend(undoPBXChange), pbxed},
		{post, "/api/pbx/undo", "takes your latest change back", scope(ScopeWrite), false, false, ofBackend(undoLatestPBXChange), pbxed},
		{get, "/api/pbx/channels", "lists the channels of Asterisk, with the calls of ours that they belong to", scope(ScopeRead), false, false, listChannels, pbxed},
		{get, "/api/pbx/channels/:channel", "a channel", scope(ScopeRead), false, false, getChannel, pbxed},
		{del, "/api/pbx/channels/:channel", "hangs a channel up", scope(ScopeWrite), false, false, switched(deleteChannel), pbxed},
		{post, "/api/pbx/channels/:channel/redirect", "sends a channel to another place of the dialplan", scope(ScopeWrite), false, true, switched(redirectChannel), pbxed},
		{get, "/api/pbx/calls", "the calls that hold money now, with what they cost so far", scope(ScopeRead), false, false, listLiveCalls, pbxed},
		{get, "/api/pbx/calls/events", "the same as server-sent events, whenever it changes", scope(ScopeRead), false, false, streamCalls, pbxed},
		{post, "/api/pbx/originate", "makes a call: a telephone rings, and when it is answered the dialplan goes on", scope(ScopeWrite), false, true, switched(originate), pbxed},
		{get, "/api/pbx/queues/:queuename/members", "lists who answers calls of a queue, as Asterisk has them now", scope(ScopeRead), false, false, switched(listMembers), pbxed},
		{post, "/api/pbx/queues/:queuename/members", "makes somebody a member of a queue", scope(ScopeWrite), false, true, switched(addMember), pbxed},
		{patch, "/api/pbx/queues/:queuename/members/:member", "pauses a member of a queue, or ends that", scope(ScopeWrite), false, true, switched(changeMember), pbxed},
		{del, "/api/pbx/queues/:queuename/members/:member", "takes a member off a queue", scope(ScopeWrite), false, false, switched(deleteMember), pbxed},
		{get, "/api/pbx/peers", "lists telephones and trunks, with what Asterisk knows of them now", scope(ScopeRead), false, false, switched(listPeers), pbxed},
		{get, "/health", "whether the server runs, as balancers before CallStatApp asked", blind, false, false, health, nil},
		{get, "/api/stats/summary", "figures of calls with money, by time and by what they have in common", figures, false, false, statistics(showSummary), summed},
		{get, "/api/stats/destinations", "the destinations of most calls, most talk or most revenue", figures, false, false, statistics(showDestinations), summed},
		{get, "/api/stats/heatmap", "calls by weekday and hour", figures, false, false, statistics(showHeatMap), summed},
		{get, "/api/stats/concurrent", "how many calls there were at once", figures, false, false, statistics(showConcurrent), summed},
		{get, "/api/notices", "lists notices with what was done to tell of them, newest first", scope(ScopeAdmin), false, false, listNotices, noted},
		{get, "/api/webhooks", "lists the addresses to which notices are sent", scope(ScopeAdmin), false, false, tariffs(listWebhooks), noted},
		{post, "/api/webhooks", "makes a webhook, whose secret is shown once", scope(ScopeAdmin), false, true, tariffs(createWebhook), noted},
		{get, "/api/webhooks/:webhook", "a webhook, without its secret", scope(ScopeAdmin), false, false, tariffs(getWebhook), noted},
		{patch, "/api/webhooks/:webhook", "changes a webhook", scope(ScopeAdmin), false, true, tariffs(changeWebhook), noted},
		{del, "/api/webhooks/:webhook", "removes a webhook", scope(ScopeAdmin), false, false, tariffs(deleteWebhook), noted},
		{post, "/api/webhooks/:webhook/test", "has a notice sent to this webhook alone", scope(ScopeAdmin), false, false, tariffs(testWebhook), noted},
		{get, "/api/tokens", "lists tokens", scope(ScopeAdmin), false, false, listTokens, tokens},
		{get, "/api/tokens/:id", "a token, without its secret", scope(ScopeAdmin), false, false, getToken, tokens},
		{post, "/api/tokens", "makes a token, whose secret is shown once", scope(ScopeAdmin), false, true, createToken, tokens},
		{get, "/api/users/:username/grants", "what a user may see of the statistics", owned(ScopeUsers), false, false, getGrants, grants},
		{put, "/api/users/:username/grants", "replaces what a user may see of the statistics", scope(ScopeUsers), false, true, putGrants, grants},
		{del, "/api/tokens/:id", "revokes a token", scope(ScopeAdmin), false, false, revokeToken, tokens},
		{get, "/api/audit", "lists who did what, newest first", scope(ScopeAdmin), false, false, listAudit, nil},
	}
}

// Pages is every further path for people with a browser. What goes wrong there is shown as a page.
func Pages() []Route {
	blind, login, admin, self := Access{Open: true, Blind: true}, Access{Login: true}, Access{}, Access{Self: true}
	groups := func(d Deps) bool { return d.Groups != nil }
	get := func(path, does string, access Access, handle handler) Route {
		return Route{Method: http.MethodGet, Path: path, Does: does, Access: access, handle: handle}
	}
	post := func(path, does string, access Access, handle handler) Route {
		return Route{Method: http.MethodPost, Path: path, Does: does, Access: access, handle: posted(handle)}
	}
	ofGroups := func(r Route) Route { r.needs = groups; return r }
	ofStats := func(r Route) Route { r.needs = summed; return r }
	ofQueues := func(r Route) Route { r.needs = func(d Deps) bool { return d.LiveQueues != nil }; return r }
	ofLive := func(r Route) Route { r.needs = seesLive; return r }
	ofLimits := func(r Route) Route { r.needs = func(d Deps) bool { return d.Limits != nil }; return r }
	return []Route{
		get("/static/:file", "styles and pictures", blind, static),
		get("/favicon.ico", "nothing: the pages name their icon", blind, noIcon),

		get("/users", "users", admin, usersPage),
		get("/new-user", "the form for a user", admin, newUserPage),
		post("/new-user", "makes a user", admin, makeUserPage),
		get("/users/:username", "a user", self, showUserPage),
		get("/users/:username/entries", "his ledger", self, userEntriesPage),
		get("/users/:username/calls", "his calls", self, userCallsPage),
		get("/users/:username/money", "the form for money", admin, moneyPage),
		post("/users/:username/money", "tops up, or takes money", admin, bookPage),
		get("/users/:username/edit", "the form for what is known of him", self, editUserPage),
		post("/users/:username/edit", "changes that", self, saveUserPage),
		get("/users/:username/password", "the form for a password", self, passwordPage),
		post("/users/:username/password", "changes it", self, savePasswordPage),
		post("/users/:username/block", "blocks him from new calls, or ends that", admin, blockUserPage),
		get("/users/:username/delete", "asks whether he is to be deleted", admin, deleteUserPage),
		post("/users/:username/delete", "deletes him", admin, removeUserPage),

		ofLive(get("/live", "the calls that go on, with what they cost", admin, livePage)),
		ofLive(get("/live/now", "the part of that page that changes", admin, livePart)),
		ofLive(get("/live/:uniqueid/hangup", "asks whether a call is to be ended", admin, askHangUpPage)),
		ofLive(post("/live/:uniqueid/hangup", "ends it", admin, hangUpPage)),
		get("/calls", "calls, newest first", admin, allCallsPage),
		ofStats(get("/statistics", "figures of calls", login, statistics(statisticsPage))),
		ofQueues(get("/queues", "how the queues are now, and what happened in them today", login, queuesPage)),
		ofQueues(get("/queues/now", "the part of that page that changes", login, queuesPart)),
		ofLimits(get("/refused", "calls that users were refused", admin, refusedPage)),
		get("/calls/:id", "how the charge of a call came about", login, callPage),
		get("/holds", "calls that hold money", admin, holdsPage),
		get("/holds/:id/release", "asks whether a hold is to be released", admin, releasePage),
		post("/holds/:id/release", "releases it", admin, releaseHoldPage),

		ofGroups(get("/groups", "groups", admin, groupsPage)),
		ofGroups(get("/new-group", "the form for a group", admin, newGroupPage)),
		ofGroups(post("/new-group", "makes a group", admin, makeGroupPage)),
		ofGroups(get("/groups/:name", "a group", admin, showGroupPage)),
		ofGroups(post("/groups/:name", "adds or removes members", admin, saveMembersPage)),
		ofGroups(get("/groups/:name/edit", "the form for what it is", admin, editGroupPage)),
		ofGroups(post("/groups/:name/edit", "changes that", admin, saveGroupPage)),
		ofGroups(get("/groups/:name/refill", "asks whether to refill now", admin, refillPage)),
		ofGroups(post("/groups/:name/refill", "refills now", admin, refillNowPage)),
		ofGroups(get("/groups/:name/delete", "asks whether it is to be deleted", admin, deleteGroupPage)),
		ofGroups(post("/groups/:name/delete", "deletes it", admin, removeGroupPage)),
	}
}
