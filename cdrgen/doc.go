// Package cdrgen invents call records, as a busy FreePBX would have written them into its table cdr: for tests, measurements and
// demonstrations. The same [Config] gives the same rows, in the order of calldate, about a million a second.
//
//	err := cdrgen.Each(cdrgen.Config{Seed: 1, From: march, To: april, Rows: 1_000_000}, func(r *cdrgen.Row) error {
//		line = r.AppendCSV(line[:0])
//		_, err := w.Write(line)
//		return err
//	})
//
// # What is in them
//
// When: an hour of a working day has its share of the day (5 in 1000 between 3 and 4, 101 between 10 and 11), Saturdays have 35 % of
// that and Sundays 20 %. Clocks are set as in the zone: no row bears an hour that a clock skips, and the hour that comes twice has
// the calls of one. Within an hour calls come by chance.
//
// Who: extensions 2000 and on, of which the busiest has the share of Zipf's law (exponent 0.8). One in 30 has no name; names have
// commas, quotes and letters beyond ASCII. One in three has an account code.
//
// What, of 100 calls: 54 go out, 16 are internal (four digits), 14 come in to one extension, 4 to a group of telephones that ring
// together, 8 to a queue, 4 end in a menu, at voicemail or at a service of the telephone system itself. Of those that go out, 8 are to
// national numbers that begin with 0, 2 to short ones, the others to 40 countries of very different weight: half of them spelt as
// plain digits, 30 % with + and 20 % with 00. Few numbers are called often, many once.
//
// How it ends, of 100 calls that go out: 55 ANSWERED, 25 NO ANSWER, 10 BUSY, 6 FAILED, 4 CONGESTION. Ringing (median 9 s) and talk
// (median 75 s, mean near 170 s, at most four hours) are log-normal, so that some calls last over midnight.
//
// More rows than calls, each with the caller's uniqueid:
//   - the twin with dst=h that Asterisk leaves of an answered call, at its end: 35 % of the answered calls that go out or are internal
//   - a second way out when the first was busy, congested or failed: 30 % of these, mostly answered
//   - ForkCDR: 3 % of the answered calls that go out have a row more, from somewhere in the middle on
//   - a row for each telephone of a group (two to four), one of which answers
//   - a row for each member whom a queue rings in turn; one in five callers gives up, NO ANSWER with a billsec
//
// together about 1.3 rows a call. Unique ids are second.counter, and grow with time as Asterisk's do.
package cdrgen
