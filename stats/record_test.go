package stats_test

import (
	"testing"

	"talktime/stats"
)

func TestWarningsAreNoCalls(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		context, channel string
		want             bool
	}{
		{"talktime-warning", "Local/whisper@talktime-warning-00000001;2", true},
		{"talktime-warning", "", true},
		{"", "Local/whisper@talktime-warning-00000001;1", true},
		{"", "", false},
		{"talktime-caller", "PJSIP/204-00000001", false},
		{"talktime-caller", "PJSIP/x@talktime-warning-00000001", false},
		{"talktime-caller", "Local/1@talktime-warnings-00000001;1", false},
		{"Talktime-warning", "local/whisper@talktime-warning-00000001;1", false},
	} {
		if r := (&stats.Record{Context: []byte(tt.context), Channel: []byte(tt.channel)}); r.Warning() != tt.want {
			t.Errorf("%q %q is a warning: %v", tt.context, tt.channel, r.Warning())
		}
	}
}
