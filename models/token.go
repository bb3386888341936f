package models

import "time"

// Token is what a program shows in place of a login.
type Token struct {
	ID        int64
	Name      string // unique
	Scopes    []string
	Account   string // the only account whose figures it may read; empty: it is bound to none
	Owner     Owner  // of that account; the zero value when there is none, or he has been deleted
	CreatedAt time.Time
	ExpiresAt *time.Time // nil: never
	LastUsed  *time.Time // to the minute; nil: never
}

// Owner is a user, or all who are members of a group at the moment. The zero value says neither.
type Owner struct{ User, Group int64 }

// Only is whose figures the token may see; the zero value: everybody's. One whose account has gone may see nobody's.
func (t Token) Only() Owner {
	if t.Account != "" && t.Owner == (Owner{}) {
		return Owner{User: -1} // no user has such an id
	}
	return t.Owner
}

// NewToken is what is needed to make one.
type NewToken struct {
	Name      string
	Scopes    []string
	Account   string // empty, or an account_id or id of a user or a group
	ExpiresAt *time.Time
}

// Scopes are what tokens may be good for. None implies another.
func Scopes() []string {
	return []string{"read", "cdr", "recordings", "write", "secrets", "statistics", "users", "money", "admin"}
}

// ScopePermits says for people what a scope permits.
func ScopePermits(scope string) string {
	switch scope {
	case "read":
		return "users with their balances and calls, groups, the ledger, holds, tariffs and what calls would cost, batches of vouchers and cards, metrics; peers, extensions and live calls of the telephone system, and its host"
	case "cdr":
		return "call records; of the users beside them the names and numbers only"
	case "users":
		return "making and changing users, which tariff they and groups have, and what they may see of statistics; the answers and the searches leave money and calls out"
	case "money":
		return "top-ups, removals, transfers, release of holds, vouchers and calling cards; with users: groups, their members and refills, and deleting"
	case "statistics":
		return "call statistics: callstat, asrstat, call_statistics, /api/stats; those of queues: /stats/rest/index.php, /api/queues"
	case "write":
		return "changes of the telephone system: extensions, follow-mes, trunks, live calls, members of queues; the answers show what was changed, passwords masked"
	case "secrets":
		return "with read: passwords of telephones and trunks, which are masked without it"
	case "recordings":
		return "recordings of calls"
	case "admin":
		return "tokens, the audit log, making and changing tariffs and their rates, names of queues and agents, how far the queue_log was read; with users: making and changing administrators"
	}
	return "nothing yet"
}
