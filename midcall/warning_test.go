package midcall

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"talktime/pbx"
)

// orders is an Asterisk that answers every order alike.
type orders struct {
	Manager

	err  error
	sent []pbx.Action
}

func (o *orders) Do(_ context.Context, a pbx.Action) (pbx.Message, error) {
	o.sent = append(o.sent, a)
	return nil, o.err
}

func newTestWarner(o *orders, sound string) (*warner, *bytes.Buffer) {
	var log bytes.Buffer
	return newWarner(Asterisk{Name: "127.0.0.1:5038", Manager: o}, sound, slog.New(slog.NewTextHandler(&log, nil))), &log
}

func TestWarning(t *testing.T) {
	t.Parallel()
	o := &orders{}
	w, log := newTestWarner(o, "custom/nearly-over")
	if err := w.warn(t.Context(), "PJSIP/204-0000001a"); err != nil || log.Len() != 0 {
		t.Fatal(err, log)
	}
	want := []pbx.Action{{Name: "Originate", Fields: []pbx.Field{
		{Key: "Channel", Value: "Local/whisper@talktime-warning/n"},
		{Key: "Context", Value: "talktime-warning"},
		{Key: "Exten", Value: "sound"},
		{Key: "Priority", Value: "1"},
		{Key: "Timeout", Value: "5000"},
		{Key: "Async", Value: "true"},
		{Key: "Variable", Value: "TALKTIME_WARN_CHANNEL=PJSIP/204-0000001a"},
		{Key: "Variable", Value: "TALKTIME_WARN_SOUND=custom/nearly-over"},
	}}}
	if diff := cmp.Diff(want, o.sent); diff != "" {
		t.Error(diff)
	}
}

// TestWarningOfWhom: nothing reaches a dialplan that means something there.
func TestWarningOfWhom(t *testing.T) {
	t.Parallel()
	for _, channel := range []string{
		"PJSIP/204-0000001a", "PJSIP/a.b+c@example.org-0000001a", "Local/1@agents-0000001a;2", "DAHDI/i1/59899123000-1f", "1795314395.0", "lab-1795314395.0",
	} {
		o := &orders{}
		if w, _ := newTestWarner(o, "beep"); w.warn(t.Context(), channel) != nil || len(o.sent) != 1 {
			t.Errorf("who has the channel %s is not warned", channel)
		}
	}
	bad := []string{"a,b", "a)", "(a", "${X}", "a$", "a\"", "a\\", "a|b", "a&b", "a b", "a\r\nb", "a\n", "a\x00", "a=b", "a[1]", "ü", "{a", "'a"}
	for _, channel := range append([]string{"", "-a", "/", strings.Repeat("a", 129)}, bad...) {
		o := &orders{}
		if w, _ := newTestWarner(o, "beep"); w.warn(t.Context(), channel) == nil || len(o.sent) != 0 {
			t.Errorf("the channel %.20q goes into the dialplan", channel)
		}
	}
	for _, sound := range append([]string{"", "a:b", "/a", "a/", "../a", "a.wav"}, bad...) {
		o := &orders{}
		if w, _ := newTestWarner(o, sound); w.warn(t.Context(), "PJSIP/204-0000001a") == nil || len(o.sent) != 0 {
			t.Errorf("the sound %.20q goes into the dialplan", sound)
		}
	}
}

// TestWarningRefused: what does not change by itself is told once, what does is each caller's own matter.
func TestWarningRefused(t *testing.T) {
	t.Parallel()
	o := &orders{err: &pbx.RefusedError{Action: "Originate", Reason: "Extension does not exist."}}
	w, log := newTestWarner(o, "beep")
	for range 3 {
		if err := w.warn(t.Context(), "PJSIP/204-0000001a"); err != nil {
			t.Error(err)
		}
	}
	text := log.String()
	told := strings.Count(text, "level=WARN") == 1 && strings.Contains(text, "Extension does not exist") && strings.Contains(text, "127.0.0.1:5038")
	if len(o.sent) != 3 || !told {
		t.Errorf("%d orders, %s", len(o.sent), text)
	}
	o.err = pbx.ErrAway
	if err := w.warn(t.Context(), "PJSIP/204-0000001a"); !errors.Is(err, pbx.ErrAway) {
		t.Error(err)
	}
}
