package agi_test

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
)

// A script dials and asks afterwards how long they talked. Asterisk is played by agitest.
func Example() {
	mux := agi.NewMux()
	mux.Handle("dial", agi.HandlerFunc(func(_ context.Context, ch *agi.Channel) error {
		_, sent, err := ch.Dial("PJSIP/"+ch.Request().Extension+"@trunk,40,L(60000)", 0)
		if err != nil {
			return fmt.Errorf("dialled: %t: %w", sent, err)
		}
		talk, _, err := ch.GetFull("${ANSWEREDTIME}")
		if err != nil {
			return err
		}
		seconds, err := strconv.Atoi(talk)
		if err != nil {
			return err
		}
		ch.SetStatus("OK")
		return ch.Set("CHARGED", strconv.Itoa(2*seconds))
	}))
	server := &agi.Server{Handler: mux}

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ln, err := agi.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan error)
	go func() { done <- server.Serve(ctx, ln) }()

	call := &agitest.Peer{Greeting: agitest.Greeting{Script: "dial", Extension: "59899123000"}}
	call.Dial = func(d *agitest.Dial) {
		fmt.Println("ringing", d.Target, "for", d.Ring, "s, at most", d.Limit)
		d.Talk, d.CallerHungUp = 3900*time.Millisecond, true
	}
	if err := call.Call(ctx, ln.Addr().String()); err != nil {
		fmt.Println(err)
	}
	fmt.Println("charged", call.Vars["CHARGED"])

	stop()
	if err := <-done; err != nil {
		fmt.Println(err)
	}
	fmt.Println(server.Stats().Calls[agi.CallKind{Script: "dial", Status: "OK"}].Count, "call")
	// Output:
	// ringing PJSIP/59899123000@trunk for 40 s, at most 1m0s
	// charged 6
	// 1 call
}
