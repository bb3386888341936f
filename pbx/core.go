package pbx

import (
	"context"
	"strconv"
	"time"
)

// Core is how Asterisk itself is doing.
type Core struct {
	Version   string
	Started   time.Time // zero: Asterisk does not tell
	Reloaded  time.Time // when its settings were last read
	Channels  int       // now; a call of two telephones has two
	Processed *int64    // calls since it was started; nil: this Asterisk does not count them
}

// Core asks how Asterisk is doing. It tells times by its own clock on the wall, which is in a zone. The user needs the right to write
// "system" or "reporting". Errors are those of Do.
func (c *Client) Core(ctx context.Context, zone *time.Location) (Core, error) {
	settings, err := c.Do(ctx, Action{Name: "CoreSettings"})
	if err != nil {
		return Core{}, err
	}
	status, err := c.Do(ctx, Action{Name: "CoreStatus"})
	if err != nil {
		return Core{}, err
	}
	at := func(which string) time.Time {
		t, err := time.ParseInLocation(time.DateTime, status.Get("Core"+which+"Date")+" "+status.Get("Core"+which+"Time"), zone)
		if err != nil { // older ones tell no date
			return time.Time{}
		}
		return t
	}
	core := Core{Version: settings.Get("AsteriskVersion"), Started: at("Startup"), Reloaded: at("Reload")}
	core.Channels, _ = strconv.Atoi(status.Get("CoreCurrentCalls")) // it counts channels, whatever it is called
	if n, err := strconv.ParseInt(status.Get("CoreProcessedCalls"), 10, 64); err == nil {
		core.Processed = &n
	}
	return core, nil
}
