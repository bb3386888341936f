// Command fastagi answers Asterisk's FastAGI questions: who may call, where and how long, and what was talked.
package main

import (
	"context"
	"os"
	"os/signal"

	"talktime/internal/wiring"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), wiring.StopSignals()...)
	defer stop()
	os.Exit(run(ctx, stop, os.Args[1:], environment{os.LookupEnv, os.Environ, os.Stdin, os.Stdout, os.Stderr}))
}
