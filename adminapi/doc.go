// Package adminapi serves the administration of Talktime over HTTP: users, balances, calls, holds and tokens, for people
// with a session cookie and for programs with a token.
//
// Every path stands in one table, [Routes], with who may use it. A handler decodes the request, calls one service and
// encodes the answer; it returns an error, and one function turns errors into answers. The paths that are kept from
// celcombiller answer exactly as its clients expect; newer ones answer errors as RFC 9457 says.
//
// The package must never speak SQL, read settings, or move money by itself: [Deps] hands in what it needs.
//
//	handler, err := adminapi.New(adminapi.Deps{Users: store, Money: service, Logger: logger})
package adminapi
