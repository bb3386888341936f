// Package pbx talks to Asterisk's manager interface. It knows channels, not money.
//
//	live, err := pbx.AMI{Addr: "127.0.0.1:5038", User: "talktime", Secret: secret}.Live(ctx)
package pbx
