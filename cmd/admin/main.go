package main

import (
	"context"
	"os"
	"os/signal"

	"talktime/internal/wiring"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), wiring.StopSignals()...)
	context.AfterFunc(ctx, stop) // a second signal ends us at once
	os.Exit(run(ctx, os.Args[1:], system{os.LookupEnv, os.Environ(), os.Stdin, os.Stdout, os.Stderr}))
}
