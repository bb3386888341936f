package adminapi

import "net/http"

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

// Routes is every path for programs, and those of the login, in the order of the documentation.
func Routes() []Route {
	const get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	blind := Access{Open: true, Blind: true}
	open, login_, admin := Access{Open: true}, Access{Login: true}, Access{}
	scope := func(s Scope) Access { return Access{Scope: s} }
	self := func(s Scope) Access { return Access{Scope: s, Self: true} }
	owned := func(s Scope) Access { return Access{Scope: s, Owned: true} }
	groups := func(d Deps) bool { return d.Groups != nil }
	tokens := func(d Deps) bool { return d.Tokens != nil }
	grants := func(d Deps) bool { return d.Grants != nil }
	priced := func(d Deps) bool { return d.Tariffs != nil }
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

		get("/calls", "calls, newest first", admin, allCallsPage),
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
