package elastix_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"talktime/adminapi/elastix"
	"talktime/pbx/host"
)

// machine is a host that says what it was given.
type machine struct {
	resources host.Resources
	disk      host.Disk
	sizes     map[string]int64
	firewall  host.Firewall
	err       error
}

func (m machine) Resources(context.Context) (host.Resources, error) { return m.resources, m.err }

func (m machine) Disk(_ context.Context, path string) (host.Disk, error) {
	m.disk.Mount = path
	return m.disk, m.err
}

func (m machine) FolderSize(_ context.Context, path string) (int64, error) {
	return m.sizes[path], nil
}

func (m machine) Firewall(context.Context) (host.Firewall, error) { return m.firewall, m.err }

func TestSystemResources(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		up    time.Duration
		users int
		want  string
	}{
		{12 * time.Minute, 0, `{"datetime":"11:55:42 up 12 min","users":"0","usage":"0.19, 0.19, 0.25"}`},
		{3*time.Hour + 25*time.Minute, 5, `{"datetime":"11:55:42 up  3:25","users":"5","usage":"0.19, 0.19, 0.25"}`},
		{26*time.Hour + 4*time.Minute, 1, `{"datetime":"11:55:42 up 1 day,  2:04","users":"1","usage":"0.19, 0.19, 0.25"}`},
		{213*time.Hour + 44*time.Minute, 1, `{"datetime":"11:55:42 up 8 days, 21:44","users":"1","usage":"0.19, 0.19, 0.25"}`},
	} {
		m := machine{resources: host.Resources{Up: tt.up, Users: tt.users, Load: [3]float64{0.19, 0.19, 0.25}}}
		says(t, tt.up.String(), post(t, elastix.API{Host: m}, "systemresources", ""), 200, tt.want)
	}
	const unknown = `{"status":"HOST UNAVAILABLE","code":503}`
	says(t, "unknown", post(t, elastix.API{Host: machine{err: os.ErrNotExist}}, "systemresources", ""), 503, unknown)
	says(t, "unknown", post(t, elastix.API{Host: machine{err: os.ErrNotExist}}, "getharddrivers", ""), 503, unknown)
	says(t, "none", post(t, elastix.API{}, "systemresources", ""), 501, noCommand)
}

func TestGetHardDrivers(t *testing.T) {
	t.Parallel()
	m := machine{
		disk: host.Disk{Device: "/dev/sda2", Size: 52_000_000_000, Used: 17_000_000_000, Avail: 33_000_000_000, Percent: 34},
		sizes: map[string]int64{
			"/var/log": 412 << 20, "/opt": 11 << 30 / 10, "/var/spool/asterisk/voicemail": 88 << 10, "/etc": 41 << 20, "/var/spool/asterisk/monitor": 96 << 30 / 10,
		},
	}
	says(t, "flat", post(t, elastix.API{Host: m}, "getharddrivers", ""), 200,
		`{"size":"52G","used":"17G","avail":"33G","usepercent":"34%","mount":"/","harddisk":"/dev/sda2","logs":"412M","thirdparty":"1.1G","voicemails":"88K","backups":"0","configuration":"41M","recording":"9.6G"}`)
	says(t, "of the code", post(t, elastix.API{Host: m, Code: true}, "getharddrivers", ""), 200,
		`{"harddisk":{"size":"52G","used":"17G","avail":"33G","usepercent":"34%","mount":"/"},"logs":["412M","/var/log"],"thirdparty":["1.1G","/opt"],"voicemails":["88K","/var/spool/asterisk/voicemail"],"backups":["0","/var/www/backup"],"configuration":["41M","/etc"],"recording":["9.6G","/var/spool/asterisk/monitor"]}`)
	says(t, "other folders", post(t, elastix.API{Host: m, Folders: []elastix.Folder{{Key: "logs", Path: "/opt"}}}, "getharddrivers", ""), 200,
		`{"size":"52G","used":"17G","avail":"33G","usepercent":"34%","mount":"/","harddisk":"/dev/sda2","logs":"1.1G"}`)
}

// measured is a machine whose folders are real.
type measured struct {
	machine
	*host.Folders
}

func (m measured) FolderSize(ctx context.Context, path string) (int64, error) {
	return m.Size(ctx, path)
}

// TestHardLinksCountOnce, and a folder that is not there takes nothing.
func TestHardLinksCountOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "a")
	if err := errors.Join(os.WriteFile(file, make([]byte, 5<<20), 0o600), os.Link(file, filepath.Join(dir, "b"))); err != nil {
		t.Fatal(err)
	}
	m := measured{Folders: &host.Folders{Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}}
	for folder, want := range map[string]string{dir: "5.1M", "/nowhere/at/all": "0"} {
		says(t, folder, post(t, elastix.API{Host: m, Folders: []elastix.Folder{{Key: "logs", Path: folder}}}, "getharddrivers", ""), 200,
			`{"size":"0","used":"0","avail":"0","usepercent":"0%","mount":"/","harddisk":"","logs":"`+want+`"}`)
	}
}

func TestGetIPTablesStatus(t *testing.T) {
	t.Parallel()
	on := host.Firewall{Program: "iptables", Text: "-P INPUT DROP\n-A INPUT -m comment --comment \"a\\b\" -j ACCEPT\n", Rules: 1, Running: true}
	off := host.Firewall{Program: "nft"}
	for _, tt := range []struct {
		name string
		a    elastix.API
		want string
	}{
		{"on", elastix.API{Host: machine{firewall: on}}, `{"pid":"iptables: 1 rule","is_exist":"true"}`},
		{"with rules", elastix.API{Host: machine{firewall: on}, ShowRules: true}, `{"pid":"-P INPUT DROP\n-A INPUT -m comment --comment \"a\\b\" -j ACCEPT\n","is_exist":"true"}`},
		{"of the code", elastix.API{Host: machine{firewall: on}, ShowRules: true, Code: true}, `{"pid":"-P INPUT DROP\n-A INPUT -m comment --comment \"a\\b\" -j ACCEPT\n","is_exist":true}`},
		{"off", elastix.API{Host: machine{firewall: off}}, `{"pid":"nft: 0 rules","is_exist":"false"}`},
		{"off, with rules", elastix.API{Host: machine{firewall: off}, ShowRules: true}, `{"pid":"","is_exist":"false"}`},
		{"off, of the code", elastix.API{Host: machine{firewall: off}, Code: true}, `{"pid":"nft: 0 rules","is_exist":false}`},
		{"no permission", elastix.API{Host: machine{firewall: on, err: os.ErrPermission}, ShowRules: true}, `{"pid":"","is_exist":"false"}`},
	} {
		answer := post(t, tt.a, "getiptablesstatus", "")
		says(t, tt.name, answer, 200, tt.want)
		if (answer.Cause != nil) != (tt.name == "no permission") {
			t.Errorf("%s: the log says %v", tt.name, answer.Cause)
		}
	}
}
