// Package extension knows extensions, their follow-me, and trunks: what is in them, what may be in them, and how the tables of FreePBX and of
// Asterisk's PJSIP realtime hold them. It is pure; who keeps them is a [Backend].
//
// Fields have the names and the texts of the old interface, whoever keeps them, so that one [Patch] serves a form, a JSON body and
// the command line:
//
//	made, err := extension.Rules{}.New(extension.Patch{"account": "204", "name": "Nora", "secret": "keep-it-long"})
//	after, err := extension.Rules{}.Change(made, extension.Patch{"context": "from-office"})
//	extension.Diff(made, after) // [{context from-internal from-office}]
//
// A value that is not well formed never gets as far as a table: Asterisk reads some of them from files and from its dialplan, where
// a newline, a bracket or a variable would be a command.
package extension
