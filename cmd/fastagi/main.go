// Command fastagi answers Asterisk's FastAGI questions: who may call, where and how long, and what was talked.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, stop, os.Args[1:], environment{os.LookupEnv, os.Environ, os.Stdin, os.Stdout, os.Stderr}))
}
