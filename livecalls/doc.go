// Package livecalls joins the channels that Asterisk has now with our open calls, into a Picture that all readers share: who talks to whom,
// since when, what it has cost so far and how long it may still last.
//
//	calls := livecalls.New(livecalls.Options{Asterisk: client, Store: db})
//	go calls.Run(ctx)
//	picture, err := calls.Now(ctx)
//
// However many ask, Asterisk and the database are asked at most once a second. What is not known is nil, never invented. The package must
// never change anything: calls end and are settled by the scripts of the call.
package livecalls
