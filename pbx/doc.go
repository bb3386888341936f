// Package pbx talks to Asterisk's manager interface. It knows channels and queues, not money.
//
// A [Client] keeps one connection, over which any number of questions go at a time; it reconnects by itself, and while
// Asterisk is away every question fails at once and says so.
//
//	client, err := pbx.Open(pbx.AMI{Addr: "127.0.0.1:5038", User: "talktime", Secret: secret}, pbx.Options{Logger: log})
//	defer client.Close()
//	picture, err := client.Snapshot(ctx)
//
// Who asks once in a while needs no client:
//
//	live, err := pbx.AMI{Addr: "127.0.0.1:5038", User: "talktime", Secret: secret}.Live(ctx)
package pbx
