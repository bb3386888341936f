// Package agitest plays Asterisk to a FastAGI server: what httptest is to HTTP.
//
// A [Peer] is one call. It sends a greeting, keeps channel variables, simulates Dial and answers every command
// as Asterisk 22 was seen to do, hang-ups included. [Replay] holds a server to a recorded dialogue word for
// word. Both serve tests, the load generator and the call simulator alike, so nothing here waits, and
// nothing imports package testing or the server.
//
//	address := agitest.Start(t, &agi.Server{Handler: mux})
//	call := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", Extension: "59899123000"}}
//	call.Dial = func(d *agitest.Dial) { d.Talk = 3900 * time.Millisecond; d.CallerHungUp = true }
//	agitest.Call(t, address, call)             // the caller's leg
//	agitest.Call(t, address, call.H("reducer")) // the h extension
//	if call.Vars["TALKTIME_STATUS"] != "OK" { … }
package agitest
