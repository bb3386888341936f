// Package dialplan carries the Asterisk side of Talktime: ready configuration samples, embedded, and
// the names of the channel variables that the dialplan and the agi package share.
//
// The samples are what an operator copies to /etc/asterisk; a test holds the names in them and the
// constants here together, in both directions, so that neither side can rename one alone. The package
// must never talk to Asterisk, and never decide anything about a call.
//
//	text, err := dialplan.Read("extensions-talktime.conf")
package dialplan
