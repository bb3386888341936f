// Package callcenter answers as Asternic Call Center Stats did at rest/index.php: lists of queues and agents, reports of answered calls,
// the events of a call, a search, and how queues are now. It reads the query of a URL, asks [talktime/queues/reports] and
// [talktime/queues/live], and writes what they say in the words and the order of keys of that program's clients, where every value is a
// text. It counts nothing itself. Who asks, and what he may see, is found out by whoever serves it.
//
//	a, err := callcenter.API{Service: service, Location: zone, Now: time.Now, Who: scope, Base: "/stats"}.Get(ctx, "entity=queues")
//	w.WriteHeader(a.Status)
//	_, err = a.WriteTo(w)
package callcenter
