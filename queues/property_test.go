package queues_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"talktime/queues"
)

// told is what a passage that was made up is meant to come to.
type told struct {
	queue, agent, outcome, end string
	wait, ring, talk           int64
}

// plausible makes up a call as Asterisk would write it, and what it comes to.
func plausible(t *rapid.T, id string, second int64) (lines []string, want []told) {
	write := func(queue, agent, event string, params ...any) {
		line := fmt.Sprintf("%d|%s|%s|%s|%s|", 1812528000+second, id, queue, agent, event)
		for i, p := range params {
			if i > 0 {
				line += "|"
			}
			line += fmt.Sprint(p)
		}
		lines = append(lines, line)
	}
	short := rapid.Int64Range(0, 20)
	if rapid.Bool().Draw(t, "did") {
		write("NONE", "NONE", "DID", "5550100")
	}
	left := map[string]int64{}
	for n := rapid.IntRange(1, 4).Draw(t, "queues"); n > 0; n-- {
		queue := rapid.SampledFrom([]string{"sales", "support", "slow"}).Draw(t, "queue")
		agent := rapid.SampledFrom([]string{"Iva Moss", "Bob", "PJSIP/204"}).Draw(t, "agent")
		if at, before := left[queue]; before && at == second { // in one second the log may have one line for two
			second++
		}
		entered := second
		write(queue, "NONE", "ENTERQUEUE", "", "5550177", 1)
		second += short.Draw(t, "wait")
		for range rapid.IntRange(0, 2).Draw(t, "no answers") {
			millis := min(second-entered, 5) * 1000
			write(queue, "Eve", "RINGNOANSWER", millis)
			second += short.Draw(t, "wait")
		}
		wait := second - entered
		end := rapid.SampledFrom([]string{
			"ABANDON", "WITHDRAW", "EXITWITHTIMEOUT", "EXITEMPTY", "EXITWITHKEY", "COMPLETEAGENT", "COMPLETECALLER", "TRANSFER", "BLINDTRANSFER", "ATTENDEDTRANSFER", "",
		}).Draw(t, "end")
		switch end {
		case "":
			if n == 1 {
				want = append(want, told{queue, "NONE", "waiting", "", 0, 0, 0})
				return lines, want
			}
			second++
			write(queue, "NONE", "ABANDON", 1, 1, wait+1)
			want = append(want, told{queue, "NONE", "abandoned", "ABANDON", wait + 1, 0, 0})
			left[queue] = second
			continue
		case "EXITWITHKEY":
			write(queue, "NONE", end, 5, 1, 1, wait)
		case "ABANDON", "WITHDRAW", "EXITWITHTIMEOUT", "EXITEMPTY":
			write(queue, "NONE", end, 1, 1, wait)
		default:
			ring := min(wait, 4)
			write(queue, agent, "CONNECT", wait, id+"9", ring)
			talk := short.Draw(t, "talk")
			second += talk
			want = append(want, told{queue, agent, "answered", end, wait, ring, talk})
			left[queue] = second
			switch end {
			case "TRANSFER", "BLINDTRANSFER":
				write(queue, agent, end, "700", "internal", wait, talk, 1)
			case "ATTENDEDTRANSFER":
				write(queue, agent, end, "BRIDGE", "9f3c", wait, talk, 1)
			default:
				write(queue, agent, end, wait, talk, 1)
			}
			continue
		}
		left[queue] = second
		outcome := map[string]string{"ABANDON": "abandoned", "EXITWITHTIMEOUT": "timeout", "EXITEMPTY": "empty", "EXITWITHKEY": "key", "WITHDRAW": "withdrawn"}[end]
		want = append(want, told{queue, "NONE", outcome, end, wait, 0, 0})
	}
	return lines, want
}

// TestPlausibleCalls: what was made up comes out again, from lines in any order and some of them twice.
func TestPlausibleCalls(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines, want := plausible(t, "1812528000.1", 0)
		events := shuffled(t, parsed(t, lines))
		call := queues.Assemble(events, time.UnixMicro(at(3000)))
		checkBooks(t, &call)
		var got []told
		for _, p := range call.Passages {
			got = append(got, told{p.Queue, p.Agent, p.Outcome.String(), p.End, p.Wait, p.Ring, p.Talk})
		}
		if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
			t.Fatalf("%s\n%s", strings.Join(lines, "\n"), diff)
		}
		var waits, talk int64
		for _, p := range want {
			waits += p.wait
			talk += p.talk
		}
		if call.Waits != waits || call.Talk != talk || call.Caller != "5550177" || call.First != "ENTERQUEUE" {
			t.Fatalf("%s\n%+v", strings.Join(lines, "\n"), call)
		}
	})
}

// sorted are passages by queue: of those that begin and end within one second the log does not tell the order.
func sorted(passages []told) []string {
	var texts []string
	for _, p := range passages {
		texts = append(texts, fmt.Sprintf("%+v", p))
	}
	slices.Sort(texts)
	return texts
}

func parsed(t *rapid.T, lines []string) []queues.Event {
	var p queues.Parser
	events := make([]queues.Event, 0, len(lines))
	for _, line := range lines {
		e, err := p.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// shuffled are events in any order, some of them twice.
func shuffled(t *rapid.T, events []queues.Event) []queues.Event {
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
	twice := slices.Clone(events)
	for _, e := range events {
		if random.IntN(3) == 0 {
			twice = append(twice, e)
		}
	}
	random.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
	return twice
}

// implausible makes up events that no Asterisk would write together: anything in any order, with any parameters.
func implausible() *rapid.Generator[queues.Event] {
	names := []string{
		"ENTERQUEUE", "ENTERQUEUE", "CONNECT", "CONNECT", "COMPLETEAGENT", "COMPLETECALLER", "TRANSFER", "BLINDTRANSFER", "ATTENDEDTRANSFER", "ABANDON",
		"EXITWITHTIMEOUT", "EXITEMPTY", "EXITWITHKEY", "RINGNOANSWER", "RINGCANCELED", "AGENTDUMP", "SYSCOMPAT", "WITHDRAW", "TAG", "DID", "NEWS", "PAUSE",
	}
	param := rapid.SampledFrom([]string{"", "", "0", "1", "2", "5", "30", "LINK", "x", "-1", "99999", "8640000", "9999999999", "4|1"})
	return rapid.Custom(func(t *rapid.T) queues.Event {
		e := queues.Event{
			At:     at(rapid.Int64Range(0, 40).Draw(t, "second")) + rapid.SampledFrom([]int64{0, 0, 0, 1, 500000}).Draw(t, "fraction"),
			CallID: "1.1",
			Queue:  rapid.SampledFrom([]string{"a", "a", "b", "NONE"}).Draw(t, "queue"),
			Agent:  rapid.SampledFrom([]string{"Iva", "Bob", "NONE", "SIP/1-0000000a"}).Draw(t, "agent"),
			Name:   rapid.SampledFrom(names).Draw(t, "event"),
		}
		for i := range e.Params {
			e.Params[i] = param.Draw(t, "parameter")
		}
		if rapid.IntRange(0, 30).Draw(t, "start") == 0 {
			e = queues.Event{At: e.At, CallID: queues.None, Queue: queues.None, Agent: queues.None, Name: "QUEUESTART"}
		}
		e.Kind = queues.KindOf(e.Name)
		return e
	})
}

// TestImplausibleCalls: whatever the events are, their order and number of copies do not matter, and the books add up.
func TestImplausibleCalls(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(implausible(), 0, 80).Draw(t, "events")
		now := time.UnixMicro(at(rapid.SampledFrom([]int64{0, 40, 86420, 1000000}).Draw(t, "now")))
		call := queues.Assemble(events, now)
		checkBooks(t, &call)
		if again := queues.Assemble(shuffled(t, events), now); !reflect.DeepEqual(call, again) {
			t.Fatal(cmp.Diff(call, again))
		}
		different := map[queues.Event]bool{}
		entries, begun := 0, 0
		for _, e := range events {
			if e.Kind == queues.EnterQueue && !different[e] {
				entries++
			}
			different[e] = true
		}
		for _, p := range call.Passages {
			if !p.Counted {
				begun++
			}
			if p.Outcome.Open() && now.UnixMicro()-max(p.Entered, p.Connected) > queues.Lifetime.Microseconds() {
				t.Fatalf("open for too long: %+v", p)
			}
		}
		if begun != entries {
			t.Fatalf("%d entries made %d passages", entries, begun)
		}
	})
}

// TestFileCutAnywhere: an importer that is stopped at any byte, goes on from what it had kept, and reads parts of the file twice,
// has the same books as one that read the file in one go. In between the file holds half a line.
func TestFileCutAnywhere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []string
		for n := range rapid.IntRange(1, 6).Draw(t, "calls") {
			lines, _ := plausible(t, fmt.Sprintf("1812528000.%d", n), int64(n)*7)
			all = append(all, lines...)
		}
		for range rapid.IntRange(0, 5).Draw(t, "strange lines") {
			e := implausible().Draw(t, "event")
			all = append(all, e.String())
		}
		all = append(all, rapid.SliceOfN(rapid.SampledFrom([]string{"", "hello", "1812528000|1.1|a", "\x00\x00", "1812528000|1.1|a|b|NEWS|\xff"}), 0, 3).Draw(t, "malformed")...)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 1))
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		file := []byte(strings.Join(all, rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end of line")) + "\n")

		clean := newImporter()
		clean.read(file, len(file))
		importer := newImporter()
		for importer.offset < int64(len(file)) {
			size := random.IntN(len(file)) + 1
			written := min(int(importer.offset)+random.IntN(len(file)+1), len(file)) // so far the file is this long
			kept := importer.offset
			importer.read(file[:written], size)
			if random.IntN(3) == 0 {
				importer.offset = kept // it was killed before it kept where it was
			}
		}
		if !reflect.DeepEqual(clean.books(), importer.books()) {
			t.Fatal(cmp.Diff(clean.books(), importer.books()))
		}
	})
}

// importer keeps events as a store does: by key, each once.
type importer struct {
	offset int64
	kept   map[int64][]queues.Event
}

func newImporter() *importer { return &importer{kept: map[int64][]queues.Event{}} }

func (i *importer) read(file []byte, block int) {
	lines := queues.NewLines(i.offset)
	var p queues.Parser
	for at := int(i.offset); at < len(file); at += block {
		_, _ = lines.Write(file[at:min(at+block, len(file))])
		for lines.Next() {
			if e, err := p.Parse(lines.Line()); err == nil && !slices.Contains(i.kept[e.Key()], e) {
				i.kept[e.Key()] = append(i.kept[e.Key()], e)
			}
		}
	}
	i.offset = lines.End()
}

func (i *importer) books() map[string]queues.Call {
	calls, starts := map[string][]queues.Event{}, []queues.Event(nil)
	for _, events := range i.kept {
		for _, e := range events {
			if e.Kind == queues.QueueStart {
				starts = append(starts, e)
				continue
			}
			calls[e.CallID] = append(calls[e.CallID], e)
		}
	}
	books := map[string]queues.Call{}
	for id, events := range calls {
		books[id] = queues.Assemble(append(events, starts...), time.UnixMicro(at(3000)))
	}
	return books
}

// TestEndlessCall: somebody makes up a call of a hundred thousand queues. The work grows with the events, not with their square.
func TestEndlessCall(t *testing.T) {
	t.Parallel()
	var events []queues.Event
	for i := range int64(100_000) {
		e := queues.Event{At: at(i / 4), CallID: "1.1", Queue: fmt.Sprint("q", i%7), Agent: "Iva", Params: [5]string{"", "1", fmt.Sprint(i)}}
		e.Name = [...]string{"ENTERQUEUE", "RINGNOANSWER", "CONNECT"}[i%3]
		e.Kind = queues.KindOf(e.Name)
		events = append(events, e)
	}
	call := queues.Assemble(events, time.UnixMicro(at(30000)))
	checkBooks(t, &call)
	if len(call.Passages) < 33_000 {
		t.Errorf("%d passages", len(call.Passages))
	}
}

// FuzzAssemble reads lines as a call and an agent, forwards and backwards.
func FuzzAssemble(f *testing.F) {
	f.Add("1812528000|1.1|a|NONE|ENTERQUEUE||1|1\n1812528009|1.1|a|Iva|CONNECT|9||2\n1812528019|1.1|a|Iva|ATTENDEDTRANSFER|LINK|x|y|9|10|1")
	f.Add("1812528000|1.1|a|Iva|PAUSE|x\n1812528000|1.1|a|Iva|UNPAUSE|\n1812528000|1.1|NONE|Iva|PAUSEALL|")
	f.Add("1812528000|1.1|a|Iva|RINGNOANSWER|9\n1812528000|1.1|a|Iva|AGENTDUMP|\n1812528000|NONE|NONE|NONE|QUEUESTART|")
	f.Fuzz(func(t *testing.T, text string) {
		var p queues.Parser
		var events []queues.Event
		for line := range strings.Lines(text) {
			if e, err := p.Parse(line); err == nil {
				e.CallID, e.Agent = "1.1", "Iva"
				events = append(events, e)
			}
		}
		backwards := slices.Clone(events)
		slices.Reverse(backwards)
		now := time.UnixMicro(p.Last)
		call := queues.Assemble(events, now)
		checkBooks(t, &call)
		if again := queues.Assemble(backwards, now); !reflect.DeepEqual(call, again) {
			t.Fatal(cmp.Diff(call, again))
		}
		if spans := queues.Presence(nil, events); !slices.Equal(spans, queues.Presence(nil, backwards)) {
			t.Fatalf("%+v", spans)
		}
	})
}
