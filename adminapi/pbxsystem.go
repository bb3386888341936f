package adminapi

import (
	"context"
	"net/http"
	"time"

	"talktime/pbx"
)

// pbxSystemPath is where the state of the telephone system is told. To measure its folders may take long.
const pbxSystemPath = "/api/pbx/system"

// corePatience is how long Asterisk may take to tell how it is doing.
const corePatience = 3 * time.Second

// PBXCore says how Asterisk itself is doing. It is pbx.Client.
type PBXCore interface {
	// Core tells times by a clock on the wall in a zone.
	Core(ctx context.Context, zone *time.Location) (pbx.Core, error)
}

type pbxSystemJSON struct {
	At       time.Time        `json:"at"`
	Version  string           `json:"talktime_version"`
	Host     *pbxHostJSON     `json:"host"`
	Disks    []pbxDiskJSON    `json:"disks"`
	Folders  []pbxFolderJSON  `json:"folders"`
	Firewall *pbxFirewallJSON `json:"firewall"`
	Asterisk *pbxAsteriskJSON `json:"asterisk"`
	Manager  pbxManagerJSON   `json:"manager"`
}

type pbxHostJSON struct {
	Up    int64     `json:"uptime_seconds"`
	Users int       `json:"users"`
	Load  []float64 `json:"load"`
}

type pbxDiskJSON struct {
	Of      string `json:"of"`
	Device  string `json:"device"`
	Mount   string `json:"mount"`
	Size    uint64 `json:"size_bytes"`
	Used    uint64 `json:"used_bytes"`
	Avail   uint64 `json:"available_bytes"`
	Percent int    `json:"used_percent"`
}

type pbxFolderJSON struct {
	Name string `json:"name"`
	Path string `json:"path"`
	Size *int64 `json:"size_bytes"`
}

type pbxFirewallJSON struct {
	Program string  `json:"program"`
	Running bool    `json:"running"`
	Rules   int     `json:"rules"`
	Text    *string `json:"text"`
}

type pbxAsteriskJSON struct {
	Version   string     `json:"version"`
	Started   *time.Time `json:"started_at"`
	Up        *int64     `json:"uptime_seconds"`
	Reloaded  *time.Time `json:"reloaded_at"`
	Channels  int        `json:"channels"`
	Processed *int64     `json:"calls_processed"`
}

type pbxManagerJSON struct {
	Configured bool    `json:"configured"`
	Connected  bool    `json:"connected"`
	Connects   uint64  `json:"connects"`
	Losses     uint64  `json:"losses"`
	Why        *string `json:"error"`
}

// showPBXSystem tells how the machine and Asterisk are doing. What cannot be found out is null, and the log says why.
func showPBXSystem(r *request) error {
	shown := pbxSystemJSON{At: r.api.Now().In(r.api.Location), Version: r.api.Version, Disks: []pbxDiskJSON{}, Folders: []pbxFolderJSON{}}
	r.askHost(&shown)
	r.askAsterisk(&shown)
	r.answer(http.StatusOK, shown)
	return nil
}

// missing logs why something is not known.
func (r *request) missing(what string, err error) {
	r.api.log.Warn("the state of the telephone system is not known in full", "request_id", r.GetString(keyRequestID), "what", what, "err", err)
}

func (r *request) askHost(shown *pbxSystemJSON) {
	kept := r.api.PBX.Kept
	if kept.Host == nil {
		return
	}
	if found, err := kept.Host.Resources(r.ctx()); err != nil {
		r.missing("host", err)
	} else {
		shown.Host = &pbxHostJSON{int64(found.Up.Seconds()), found.Users, found.Load[:]}
	}
	folders := map[string]string{"system": "/"}
	for _, f := range kept.Folders {
		if f.Key == "recording" {
			folders["recordings"] = f.Path
		}
	}
	for _, of := range []string{"system", "recordings"} {
		if folders[of] == "" {
			continue
		}
		d, err := kept.Host.Disk(r.ctx(), folders[of])
		if err != nil {
			r.missing("disk of "+folders[of], err)
			continue
		}
		shown.Disks = append(shown.Disks, pbxDiskJSON{of, d.Device, d.Mount, d.Size, d.Used, d.Avail, d.Percent})
	}
	if f, err := kept.Host.Firewall(r.ctx()); err != nil {
		r.missing("firewall", err)
	} else {
		shown.Firewall = &pbxFirewallJSON{Program: f.Program, Running: f.Running, Rules: f.Rules}
		if kept.ShowRules {
			shown.Firewall.Text = &f.Text
		}
	}
	if v := r.Query("folders"); v != "1" && v != "true" {
		return
	}
	for _, f := range kept.Folders {
		folder := pbxFolderJSON{Name: f.Key, Path: f.Path}
		if size, err := kept.Host.FolderSize(r.ctx(), f.Path); err == nil { // else there was no time left: what was measured is remembered
			folder.Size = &size
		}
		shown.Folders = append(shown.Folders, folder)
	}
}

func (r *request) askAsterisk(shown *pbxSystemJSON) {
	if r.api.Manager != nil {
		s := r.api.Manager()
		shown.Manager = pbxManagerJSON{Configured: true, Connected: s.Connected, Connects: s.Connects, Losses: s.Losses}
	}
	if r.api.PBX.Core == nil {
		why := "set TALKTIME_AMI_ADDR"
		shown.Manager.Why = &why
		return
	}
	ctx, cancel := context.WithTimeout(r.ctx(), corePatience)
	defer cancel()
	core, err := r.api.PBX.Core.Core(ctx, r.api.Location)
	if err != nil {
		why := whyAway(err)
		shown.Manager.Why = &why
		return
	}
	known := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.In(r.api.Location)
		return &t
	}
	shown.Asterisk = &pbxAsteriskJSON{Version: core.Version, Started: known(core.Started), Reloaded: known(core.Reloaded), Channels: core.Channels, Processed: core.Processed}
	if !core.Started.IsZero() {
		up := max(0, int64(shown.At.Sub(core.Started).Seconds()))
		shown.Asterisk.Up = &up
	}
}
