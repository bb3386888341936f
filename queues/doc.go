// Package queues makes the statistics of Asterisk's queues out of its queue_log: it reads lines, puts calls together from them, knows
// when agents were logged in and paused, and does the arithmetic of the reports. It is pure: no database, no file, no clock. Who keeps
// events or reads files hands them in, and keeps what comes out.
//
//	block of a file ─ Lines ─▶ line ─ Parser ─▶ Event ─┬─ of one call ──▶ Assemble ─▶ Call ─ AddItem ─▶ Facts, Waits ─▶ tables, figures
//	row of the table ──────────────── Parser ─▶        └─ of one agent ─▶ Presence ─▶ Spans ─ Attend ─▶ Attendance ───┘
//
// Nothing depends on the order in which events come, nor on how often: the same set of events makes the same books (Compare is the
// order in which they count, Key and == tell whether one is there already). So an importer may stop at any byte, go on, and read
// a file twice; when events of a call are added, Assemble makes all its books anew.
//
// # What a passage is
//
// Each ENTERQUEUE begins a [Passage], which ends in exactly one [Outcome] or is still open. Where lines are missing it is made from
// what is there: a CONNECT, an ABANDON or a COMPLETECALLER by itself is a passage too, whose beginning is counted back from the
// times it names. So "entered = outcomes + still waiting or talking" holds always, and Facts.Check proves it for what was stored.
//
// An end finds its passage by queue, agent and the times it names, not by its place: Asterisk writes transfers a little late, often
// behind the entry into the next queue, and a file does not tell what came first within a second.
//
// # Days
//
// A passage belongs to the day on which it was connected, else to that on which it ended (Passage.Moment), with everything that is
// counted of it. Only open passages may change their day: roll-ups have none of those.
package queues
