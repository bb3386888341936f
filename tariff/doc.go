// Package tariff knows which rate a number has: it finds the longest prefix in rate decks, keeps those that count in
// memory, reads them from files and tells what a new version changes. What a call at a rate costs is the business of
// package billing.
//
// A [Deck] is one version of a rate deck, a [Decks] all that count at one moment. Neither changes; a [Tariffs] holds the
// newest ones and takes others in their place, so that a call never sees half of a change.
package tariff
