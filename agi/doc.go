// Package agi answers Asterisk's FastAGI connections: one connection, one script, one call.
//
// [Server] owns the connections (who may connect, how many, how long, how they end), [Mux] picks the script
// by the path of the agi:// URL, and [Channel] is what a script may ask of the phone. The rest of Talktime
// never sees the protocol: only this package imports the AGI library, and only reader.go and channel.go know
// what it gets wrong.
//
// The package must never let text from a caller reach a command unquoted, wait for a peer without a
// deadline (a Dial excepted, which Asterisk ends), or write a caller's number to the log.
//
//	mux := agi.NewMux()
//	mux.Handle("balance", agi.HandlerFunc(func(ctx context.Context, ch *agi.Channel) error {
//		return ch.SayNumber(7)
//	}))
//	server := &agi.Server{Handler: mux, Allow: allow, Logger: logger}
//	err := server.Serve(ctx, listener)
package agi
