package host

import (
	"context"
	"fmt"
	"time"

	gohost "github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/load"
)

// Resources is what the command uptime says.
type Resources struct {
	Up    time.Duration // since the machine was started
	Users int           // who are logged in
	Load  [3]float64    // processes that run or want to, on average over 1, 5 and 15 minutes
}

// ReadResources asks the kernel. Who is logged in is read from utmp; a machine that keeps none has nobody.
func ReadResources(ctx context.Context) (Resources, error) {
	seconds, err := gohost.UptimeWithContext(ctx)
	if err != nil {
		return Resources{}, fmt.Errorf("how long the machine has been up: %w", err)
	}
	average, err := load.AvgWithContext(ctx)
	if err != nil {
		return Resources{}, fmt.Errorf("the load of the machine: %w", err)
	}
	r := Resources{Up: time.Duration(seconds) * time.Second, Load: [3]float64{average.Load1, average.Load5, average.Load15}} //nolint:gosec // centuries fit
	if users, err := gohost.UsersWithContext(ctx); err == nil {
		r.Users = len(users)
	}
	return r, nil
}

// UpText is how long the machine has been up, as the command uptime writes it: "12 min", " 3:25", "8 days, 21:44".
func (r Resources) UpText() string {
	minutes := int(r.Up / time.Minute)
	days, hours := minutes/60/24, minutes/60%24
	minutes %= 60
	text := ""
	switch days {
	case 0:
	case 1:
		text = "1 day, "
	default:
		text = fmt.Sprintf("%d days, ", days)
	}
	if hours == 0 {
		return text + fmt.Sprintf("%d min", minutes)
	}
	return text + fmt.Sprintf("%2d:%02d", hours, minutes)
}

// LoadText is the load, as the command uptime writes it: "0.19, 0.19, 0.25".
func (r Resources) LoadText() string {
	return fmt.Sprintf("%.2f, %.2f, %.2f", r.Load[0], r.Load[1], r.Load[2])
}
