// Package pbx talks to Asterisk: to its manager interface, its REST interface and the command that reloads FreePBX. It knows channels,
// queues and telephones, not money.
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
//
// What changes something says whether it was done, was not, or nobody knows:
//
//	err := client.Hangup(ctx, "PJSIP/204-000000bf", 16)
//	switch {
//	case errors.Is(err, models.ErrNotFound): // it had gone
//	case errors.Is(err, pbx.ErrUncertain): // Asterisk went away in the middle of it
//	}
package pbx
