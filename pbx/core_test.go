package pbx

import (
	"errors"
	"testing"
	"time"
)

// TestCore: what Asterisk says of itself, as versions 16 and 22 say it.
func TestCore(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("there", -3*3600)
	settings := func(version string) func(*peer, action) {
		return func(p *peer, a action) {
			p.ok(a, "AMIversion: 11.0.0", "AsteriskVersion: "+version, "SystemName: lab", "CoreMaxCalls: 0")
		}
	}
	s := &server{answers: map[string]func(*peer, action){
		"CoreSettings": settings("22.10.1"),
		"CoreStatus": func(p *peer, a action) {
			p.ok(a, "CoreStartupDate: 2026-11-21", "CoreStartupTime: 08:00:01", "CoreReloadDate: 2026-11-21", "CoreReloadTime: 09:30:00", "CoreCurrentCalls: 4", "CoreProcessedCalls: 1207")
		},
	}}
	bubble(t, s, func(t *testing.T, c *Client) {
		got, err := c.Core(t.Context(), zone)
		if err != nil {
			t.Fatal(err)
		}
		if got.Version != "22.10.1" || !got.Started.Equal(time.Date(2026, 11, 21, 11, 0, 1, 0, time.UTC)) || !got.Reloaded.Equal(time.Date(2026, 11, 21, 12, 30, 0, 0, time.UTC)) ||
			got.Channels != 4 || got.Processed == nil || *got.Processed != 1207 {
			t.Errorf("%+v", got)
		}
		s.setAnswer("CoreSettings", settings("1.6.2"))
		s.setAnswer("CoreStatus", func(p *peer, a action) { p.ok(a, "CoreStartupTime: 08:00:01", "CoreCurrentCalls: x") })
		if got, err := c.Core(t.Context(), zone); err != nil || got != (Core{Version: "1.6.2"}) {
			t.Errorf("of an old one: %+v, %v", got, err)
		}
		s.setAnswer("CoreStatus", func(p *peer, a action) { p.no(a, "Permission denied") })
		var refused *RefusedError
		if _, err := c.Core(t.Context(), zone); !errors.As(err, &refused) {
			t.Errorf("refused: %v", err)
		}
	})
}
