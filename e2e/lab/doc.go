// Package lab runs a real Asterisk with real phone calls, for tests and benchmarks. It must never be imported by the
// commands.
//
// A [Lab] is an Asterisk of its own, in a chroot that e2e/setup.sh has built, on loopback addresses and ports that no
// other lab on the machine uses. A carrier (SIPp) is always there for it to call, and [Lab.Call] has phones (SIPp too)
// call in. Everything ends with the test, and with the test process at the latest.
//
//	l := lab.Start(t, lab.Options{FastAGI: server.Addr().String()})
//	result, err := l.Call(ctx, lab.CallSpec{From: "59899000001", To: "59899123000", Talk: 3 * time.Second})
//
// How the called party behaves is in the last three digits of the number that Asterisk dials:
//
//	0xx  rings and answers at once, talks until the other side hangs up
//	1TT  the same, but hangs up by itself after TT seconds
//	2xx  486 Busy Here
//	3xx  rings for ever
//	4xx  503 Service Unavailable
//	5xx  404 Not Found
//	6xx  603 Decline
//	7TT  rings for TT seconds, then answers
//
// Dial targets: PJSIP/{number}@trunk, PJSIP/IMSI{digits}@openbts, and PJSIP/{number}@deadtrunk, where nobody listens.
// Queues: support, whose two agents answer, and slow, whose agent never does; a test that brings its own finds agents 1 to 6 in pjsip.conf. Asterisk's clock is on UTC.
//
// With Options.Realtime Asterisk runs on our own samples, and reads telephones from tables. A [Telephone] registers, calls and is called, and a
// [Provider] is one at whom Asterisk registers:
//
//	phone := l.Telephone("2001", secret)
//	code, err := phone.Register(ctx)
//	line := phone.Dial("2002")
//
// Without it a telephone needs no password: it calls with its number, in the context of the calling phones, and whoever registers as
// "telephone" is called as PJSIP/telephone.
package lab
