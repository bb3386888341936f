// Package stats computes call statistics from records of calls, wherever these are kept: Asterisk's CDR databases, records that
// were imported, our own calls. It is the only place that counts: a report of an old program, a figure of the page and a roll-up
// of last year come from the same code.
//
// A [Source] hands out records in the order of their start. Counters take them one by one (Extensions, Countries, Buckets,
// Summary), can be written down for a day and put together again, and give the figures. So a report over raw records and one over
// roll-ups differ in nothing but in who had counted.
package stats
