package queues_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"talktime/queues"
)

// TestOnly: all of a call is the call, nothing of it is none, and two parts are the whole.
func TestOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines, _ := plausible(t, "1812528000.1", 0)
		call := queues.Assemble(parsed(t, lines), time.UnixMicro(at(3000)))
		if whole, some := call.Only(func(string, string) bool { return true }); !some || !reflect.DeepEqual(whole, call) {
			t.Fatal(cmp.Diff(call, whole))
		}
		if _, some := call.Only(func(string, string) bool { return false }); some {
			t.Fatal("something is left of nothing")
		}
		sales, _ := call.Only(func(queue, _ string) bool { return queue == "sales" })
		rest, _ := call.Only(func(queue, _ string) bool { return queue != "sales" })
		if sales.Talk+rest.Talk != call.Talk || sales.Waits+rest.Waits != call.Waits || len(sales.Passages)+len(rest.Passages) != len(call.Passages) ||
			len(sales.NoAnswers)+len(rest.NoAnswers) != len(call.NoAnswers) {
			t.Fatalf("%+v and %+v are not %+v", sales, rest, call)
		}
		for _, part := range []queues.Call{sales, rest} {
			if len(part.Passages) == 0 {
				continue
			}
			last := part.Passages[len(part.Passages)-1]
			if part.Queue != last.Queue || part.Final != last.End || part.Wait != last.Wait || part.Start < call.Start || part.End > call.End || part.First != "ENTERQUEUE" {
				t.Fatalf("%+v", part)
			}
		}
	})
}

// TestOnlyNotes: what was written down for a queue or an agent that somebody may not see is not told to him, what was written for no
// queue is, and of what he may see the latest.
func TestOnlyNotes(t *testing.T) {
	t.Parallel()
	call := queues.Assemble(script(t, `
		-1|NONE|NONE|DID|5550100
		0|support|NONE|ENTERQUEUE||5550177|1||first
		5|support|Bob|TAG|second
		10|support|NONE|EXITWITHTIMEOUT|1|1|10
		11|vip|NONE|ENTERQUEUE||5550177|1
		12|vip|Boss|CONNECT|1|1.12|1
		13|vip|Boss|TAG|secret deal
		14|vip|Boss|DID|5550199
		20|vip|Boss|COMPLETECALLER|1|8|1
		21|board|NONE|TAG|top secret`), time.UnixMicro(at(3000)))
	if call.Tag != "top secret" || call.DID != "5550199" {
		t.Fatalf("%+v", call)
	}
	for name, test := range map[string]struct {
		seen     func(queue, agent string) bool
		tag, did string
	}{
		"the queue":                     {func(queue, _ string) bool { return queue == "support" }, "second", "5550100"},
		"the other queue":               {func(queue, _ string) bool { return queue == "vip" }, "secret deal", "5550199"},
		"the agent":                     {func(_, agent string) bool { return agent == "Boss" }, "secret deal", "5550199"},
		"the queue, of nobody's agents": {func(queue, agent string) bool { return queue == "support" && agent == queues.None }, "first", "5550100"},
		"all queues that it was in":     {func(queue, _ string) bool { return queue != "board" }, "secret deal", "5550199"},
	} {
		if part, some := call.Only(test.seen); !some || part.Tag != test.tag || part.DID != test.did {
			t.Errorf("%s: %q and %q, %+v", name, part.Tag, part.DID, part.Notes)
		}
	}
}
