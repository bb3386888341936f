package elastix

import (
	"context"
	"strconv"
	"time"

	"talktime/pbx/host"
)

// Folder is one whose size is told.
type Folder struct {
	Key  string // in the answer
	Path string
}

// DefaultFolders are those of a FreePBX host, in the order of the documentation.
func DefaultFolders() []Folder {
	return []Folder{
		{"logs", "/var/log"},
		{"thirdparty", "/opt"},
		{"voicemails", "/var/spool/asterisk/voicemail"},
		{"backups", "/var/www/backup"},
		{"configuration", "/etc"},
		{"recording", "/var/spool/asterisk/monitor"},
	}
}

func (a API) systemResources(ctx context.Context, _ *params, _ Key) Answer {
	if a.Host == nil {
		return notConfigured()
	}
	r, err := a.Host.Resources(ctx)
	if err != nil {
		return hostFailed(err)
	}
	return answered(object{
		"datetime", a.Now().In(a.Location).Format(time.TimeOnly) + " up " + r.UpText(), "users", strconv.Itoa(r.Users), "usage", r.LoadText(),
	})
}

// getHardDrivers says how full the disk is, and what takes the room.
func (a API) getHardDrivers(ctx context.Context, _ *params, _ Key) Answer {
	if a.Host == nil {
		return notConfigured()
	}
	disk, err := a.Host.Disk(ctx, "/")
	if err != nil {
		return hostFailed(err)
	}
	size, used, avail := host.DecimalText(disk.Size), host.DecimalText(disk.Used), host.DecimalText(disk.Avail)
	percent := strconv.Itoa(disk.Percent) + "%"
	flat := object{"size", size, "used", used, "avail", avail, "usepercent", percent, "mount", disk.Mount, "harddisk", disk.Device}
	of := []any{"harddisk", object{"size", size, "used", used, "avail", avail, "usepercent", percent, "mount", disk.Mount}}
	folders := a.Folders
	if folders == nil {
		folders = DefaultFolders()
	}
	for _, folder := range folders {
		bytes, err := a.Host.FolderSize(ctx, folder.Path)
		if err != nil {
			return hostFailed(err)
		}
		text := host.HumanText(uint64(max(bytes, 0)))
		flat = append(flat, folder.Key, text)
		of = append(of, folder.Key, []string{text, folder.Path})
	}
	if !a.Code {
		return answered(flat)
	}
	body := []byte("{")
	for i, part := range of {
		switch {
		case i%2 == 1:
			body = append(body, ':')
		case i > 0:
			body = append(body, ',')
		}
		body = append(body, encode(part)...)
	}
	answer := answered(nil)
	answer.Body = append(body, '}')
	return answer
}

// getIPTablesStatus tells whether there is a firewall. Where we may not know, there is none as far as clients are concerned.
func (a API) getIPTablesStatus(ctx context.Context, _ *params, _ Key) Answer {
	if a.Host == nil {
		return notConfigured()
	}
	f, err := a.Host.Firewall(ctx)
	text := ""
	switch {
	case err != nil:
		f.Running = false
	case a.ShowRules:
		text = f.Text
	default:
		text = f.Program + ": " + counted(int64(f.Rules), "rule", "rules")
	}
	body := any(object{"pid", text, "is_exist", strconv.FormatBool(f.Running)})
	if a.Code {
		body = struct {
			PID     string `json:"pid"`
			IsExist bool   `json:"is_exist"`
		}{text, f.Running}
	}
	answer := answered(body)
	answer.Cause = err
	return answer
}
