package pbx

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestQueueStatus(t *testing.T) {
	t.Parallel()
	s := &server{}
	bubble(t, s, func(t *testing.T, c *Client) {
		got, err := c.QueueStatus(t.Context())
		want := []QueueState{
			{
				Name: "support", Strategy: "leastrecent", Max: 5, Calls: 1, HoldTime: 3 * time.Second, TalkTime: 11 * time.Second,
				Completed: 1, Abandoned: 2, ServiceLevel: 20 * time.Second, ServiceLevelPerf: "100.0", ServiceLevelPerf2: "33.3", Weight: 7,
				Members: []QueueMember{{
					Name: "Agent One", Interface: "Local/1@agents/n", StateInterface: "PJSIP/agent1", Membership: "dynamic", Penalty: 2, CallsTaken: 4,
					LastCall: time.Unix(1795211543, 0).UTC(), LastPause: time.Unix(1795211500, 0).UTC(), LoginTime: time.Unix(1795211403, 0).UTC(),
					InCall: true, Status: DeviceInUse, Paused: true, PausedReason: "lunch", WrapUp: 5 * time.Second,
				}},
				Entries: []QueueEntry{{
					Position: 1, Channel: "PJSIP/caller-000000bc", UniqueID: "1795211573.188", CallerIDNum: "59899000003", Wait: 17 * time.Second,
				}},
			},
			{Name: "slow", Strategy: "ringall", Abandoned: 1, ServiceLevel: 20 * time.Second, ServiceLevelPerf: "0.0", ServiceLevelPerf2: "100.0"},
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
		channels, err := c.CoreShowChannels(t.Context())
		if err != nil || len(channels) != 2 {
			t.Fatalf("got %v, %v", channels, err)
		}
		if want := (Channel{
			Name: "PJSIP/caller-000000ba", State: 6, StateDesc: "Up", CallerIDNum: "59899000003", ConnectedLineNum: "600", ConnectedLineName: "Agent One",
			AccountCode: "acc42", Context: "from-caller", Priority: 3, UniqueID: "1795211573.187", LinkedID: "1795211572.1", Application: "Dial",
			ApplicationData: "PJSIP/59899123000@carrier,30,gL(60000)", Duration: time.Hour + time.Second, BridgeID: "a62cd65d",
		}); channels[0] != want {
			t.Errorf("got %+v", channels[0])
		}
		if got := c.Stats(); got.Malformed > 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestOddQueues: fields that lie are counted and are 0, queues of which only members come are there.
func TestOddQueues(t *testing.T) {
	t.Parallel()
	s := &server{}
	s.setAnswer("QueueStatus", func(p *peer, a action) {
		p.list(a, "Event: QueueMember\r\nQueue: q\r\nName: x\r\nPenalty: 99999999999999999999\r\nLastCall: -5\r\nWrapuptime: -1",
			"Event: QueueEntry\r\nQueue: q\r\nWait: 9223372036854775807\r\nPosition: one")
	})
	s.setAnswer("CoreShowChannels", func(p *peer, a action) {
		p.list(a, "Event: CoreShowChannel\r\nDuration: 1:2", "Event: CoreShowChannel\r\nDuration: a:b:c", "Event: CoreShowChannel\r\nDuration: 65535:65535:65535")
	})
	bubble(t, s, func(t *testing.T, c *Client) {
		queues, err := c.QueueStatus(t.Context())
		if err != nil || len(queues) != 1 || len(queues[0].Members) != 1 || len(queues[0].Entries) != 1 {
			t.Fatalf("got %+v, %v", queues, err)
		}
		if m := queues[0].Members[0]; m != (QueueMember{Name: "x"}) {
			t.Errorf("got %+v", m)
		}
		if e := queues[0].Entries[0]; e.Wait <= 0 || e.Position != 0 {
			t.Errorf("got %+v", e)
		}
		channels, err := c.CoreShowChannels(t.Context())
		if err != nil || channels[0].Duration != 0 || channels[1].Duration != 0 || channels[2].Duration <= 0 {
			t.Errorf("got %+v, %v", channels, err)
		}
		if got := c.Stats().Malformed; got != 4 {
			t.Errorf("%d malformed", got)
		}
		s.setAnswer("QueueStatus", func(p *peer, a action) {
			p.ok(a, "EventList: start")
			p.items(a, queueStatus[:2]...)
			p.complete(a, len(queueStatus))
		})
		if queues, err := c.QueueStatus(t.Context()); err == nil || queues != nil || c.Stats().Short != 1 {
			t.Errorf("half a list gives %v, %v", queues, err)
		}
	})
}

// TestSnapshot: many readers, one query, at most two seconds old; when nobody knows, it says since when.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	s := &server{}
	bubble(t, s, func(t *testing.T, c *Client) {
		read := func(n int) {
			var all sync.WaitGroup
			for range n {
				all.Go(func() {
					got, err := c.Snapshot(t.Context())
					if err != nil || len(got.Queues) != 2 || len(got.Channels) != 2 || time.Since(got.At) >= maxAge {
						t.Errorf("got %v, %v", got, err)
					}
				})
			}
			all.Wait()
		}
		began := time.Now()
		for range 100 { // ten seconds
			read(20)
			time.Sleep(100 * time.Millisecond)
		}
		if a, b := s.count("QueueStatus"), s.count("CoreShowChannels"); a != 5 || b != 5 {
			t.Errorf("asked %d and %d times", a, b)
		}
		lastGood := began.Add(8 * time.Second)

		// One reader that goes away does not end the query of the others; a stalled Asterisk has two seconds.
		s.setAnswer("QueueStatus", nothing)
		ctx, cancel := context.WithCancel(t.Context())
		stalled := time.Now()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := c.Snapshot(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		all.Go(func() {
			_, err := c.Snapshot(t.Context())
			if stale := (*StaleError)(nil); !errors.As(err, &stale) || !stale.LastGood.Equal(lastGood) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		all.Wait()
		if got := time.Since(stalled); got != maxAge {
			t.Errorf("waited %s", got)
		}
		if got := s.count("QueueStatus"); got != 6 {
			t.Errorf("asked %d times", got)
		}

		s.setAway(errors.New("connection refused"))
		s.last().conn.Close()
		synctest.Wait()
		_, err := c.Snapshot(t.Context())
		if stale := (*StaleError)(nil); !errors.As(err, &stale) || !stale.LastGood.Equal(lastGood) || !errors.Is(err, ErrAway) {
			t.Errorf("got %v", err)
		}

		s.setAnswer("QueueStatus", usual)
		s.setAway(nil)
		time.Sleep(longestPause)
		synctest.Wait()
		read(3)
	})
	t.Run("never known", func(t *testing.T) {
		t.Parallel()
		bubble(t, &server{away: errors.New("connection refused")}, func(t *testing.T, c *Client) {
			_, err := c.Snapshot(t.Context())
			if stale := (*StaleError)(nil); !errors.As(err, &stale) || !stale.LastGood.IsZero() || !errors.Is(err, ErrAway) {
				t.Errorf("got %v", err)
			}
		})
	})
}
