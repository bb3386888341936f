// Package queuegen invents queue_logs, as a call centre's Asterisk would have written them: for tests, measurements and demonstrations.
// The same [Config] gives the same lines, in the order of their time, about a million a second.
//
//	lines, err := queuegen.Write(file, queuegen.Config{Seed: 1, From: march, To: april, Lines: 1_000_000})
//
// # What is in it
//
// Calls come by chance, as many in an hour as that hour of that weekday usually has: 101 of 1000 between 10 and 11, 5 between 3 and 4,
// Saturdays 35 % and Sundays 20 % of a working day. They are given to agents as Asterisk gives them: whoever has waited longest in a
// queue is put through to an agent who is logged in, in no pause and on no other call; so waits, abandoned calls and the occupancy
// of agents come out of how many there are, and no agent talks to two callers. By default there are enough for one caller in twenty to give up.
//
// Agents work eight hours from 6, 8, 10, 13 or 22 o'clock, for one or two queues. One in four is logged in by AGENTLOGIN, the others by
// ADDMEMBER. They make pauses: Break, Lunch, Training, Email, or without saying why; half of them for each queue by itself, half by PAUSEALL.
// One in three is a channel (SIP/204-0000a1b2), the others have names.
//
// A call ends with COMPLETECALLER or COMPLETEAGENT, ABANDON, EXITWITHTIMEOUT, EXITEMPTY, EXITWITHKEY, BLINDTRANSFER, ATTENDEDTRANSFER or
// TRANSFER; after half of the timeouts and keys and a third of the transfers the caller enters another queue, where he may be connected
// a second time. Six in a hundred telephones ring in vain. A third of the calls have a line DID, some a TAG or a URL.
//
// Asterisk starts again each Sunday at four: what was open ends without a word. Together 3.6 to 3.9 lines a call.
package queuegen
