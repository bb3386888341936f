package adminapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/adminapi/elastix"
	ami "talktime/pbx"
	"talktime/pbx/host"
)

// knownHost is a host of which everything is known, or nothing.
type knownHost struct{ err error }

func (m knownHost) Resources(context.Context) (host.Resources, error) {
	return host.Resources{Up: 25 * time.Hour, Users: 2, Load: [3]float64{0.19, 0.2, 1.5}}, m.err
}

func (m knownHost) Disk(_ context.Context, path string) (host.Disk, error) {
	return host.Disk{Device: "/dev/sda2", Mount: path, Size: 1000, Used: 300, Avail: 600, Percent: 34}, m.err
}

func (m knownHost) FolderSize(_ context.Context, path string) (int64, error) {
	return int64(len(path)), m.err
}

func (m knownHost) Firewall(context.Context) (host.Firewall, error) {
	return host.Firewall{Program: "iptables", Text: "-A INPUT -j DROP\n", Rules: 1, Running: true}, m.err
}

// core is what Asterisk says of itself.
type core struct {
	core ami.Core
	err  error
}

func (c core) Core(context.Context, *time.Location) (ami.Core, error) { return c.core, c.err }

// TestPBXSystem: what is known of the machine and of Asterisk is told, and what is not is null.
func TestPBXSystem(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		const path = "/api/pbx/system"
		now := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
		processed := int64(1207)
		who := s.program("read")
		at := func(m knownHost, c adminapi.PBXCore, rules bool) *client {
			s.start(func(d *adminapi.Deps) {
				d.PBX.Kept.Host, d.PBX.Kept.ShowRules, d.PBX.Core, d.Now = m, rules, c, func() time.Time { return now }
				d.PBX.Kept.Folders = []elastix.Folder{{Key: "logs", Path: "/var/log"}, {Key: "recording", Path: "/srv/monitor"}}
				if c != nil {
					d.Manager = func() ami.Stats { return ami.Stats{Connected: true, Connects: 2, Losses: 1} }
				}
			})
			return who
		}
		up := core{core: ami.Core{Version: "22.10.1", Started: now.Add(-time.Hour), Reloaded: now.Add(-time.Minute), Channels: 4, Processed: &processed}}
		const begin = `{"at":"2026-03-14T09:00:00Z","talktime_version":"v1.2.3","host":{"uptime_seconds":90000,"users":2,"load":[0.19,0.2,1.5]},` +
			`"disks":[{"of":"system","device":"/dev/sda2","mount":"/","size_bytes":1000,"used_bytes":300,"available_bytes":600,"used_percent":34},{"of":"recordings","device":"/dev/sda2","mount":"/srv/monitor","size_bytes":1000,"used_bytes":300,"available_bytes":600,"used_percent":34}],"folders":`
		const end = `"asterisk":{"version":"22.10.1","started_at":"2026-03-14T08:00:00Z","uptime_seconds":3600,"reloaded_at":"2026-03-14T08:59:00Z","channels":4,"calls_processed":1207},` +
			`"manager":{"configured":true,"connected":true,"connects":2,"losses":1,"error":null}}`
		at(knownHost{}, up, false).get(path).says(http.StatusOK, begin+`[],"firewall":{"program":"iptables","running":true,"rules":1,"text":null},`+end)
		s.program("recordings", "write", "admin").get(path).is(http.StatusForbidden)
		at(knownHost{}, up, true).get(path+"?folders=1").says(http.StatusOK,
			begin+`[{"name":"logs","path":"/var/log","size_bytes":8},{"name":"recording","path":"/srv/monitor","size_bytes":12}],"firewall":{"program":"iptables","running":true,"rules":1,"text":"-A INPUT -j DROP\n"},`+end)
		const nothing = `{"at":"2026-03-14T09:00:00Z","talktime_version":"v1.2.3","host":null,"disks":[],"folders":[],"firewall":null,"asterisk":null,`
		unknown := knownHost{errors.New("secret detail")}
		at(unknown, nil, false).get(path).says(http.StatusOK, nothing+`"manager":{"configured":false,"connected":false,"connects":0,"losses":0,"error":"set TALKTIME_AMI_ADDR"}}`)
		if a := who.get(path + "?folders=true").is(http.StatusOK); !strings.Contains(a.body, `{"name":"logs","path":"/var/log","size_bytes":null}`) || strings.Contains(a.body, "secret") {
			t.Errorf("%s", a.body)
		}
		for why, err := range map[string]error{
			"the manager interface of Asterisk is away":      fmt.Errorf("%w: dial tcp 10.9.8.7:5038: connect: connection refused", ami.ErrAway), // where it is, is nobody's business
			"Asterisk refused CoreStatus: Permission denied": &ami.RefusedError{Action: "CoreStatus", Reason: "Permission denied"},
			"Asterisk did not answer in time":                context.DeadlineExceeded,
		} {
			at(unknown, core{err: err}, false).get(path).says(http.StatusOK, nothing+`"manager":{"configured":true,"connected":true,"connects":2,"losses":1,"error":"`+why+`"}}`)
		}
		old := core{core: ami.Core{Version: "1.6"}}
		if a := at(unknown, old, false).get(path).is(http.StatusOK); !strings.Contains(a.body, `"asterisk":{"version":"1.6","started_at":null,"uptime_seconds":null,"reloaded_at":null,"channels":0,"calls_processed":null}`) {
			t.Errorf("%s", a.body)
		}
	})
}
