package main

import (
	"context"
	"io"
	"os"
	"time"

	"talktime/adminapi/elastix"
	"talktime/internal/config"
	"talktime/pbx"
	"talktime/pbx/host"
	"talktime/store"
)

// keptPBX is what the old interface api.php stands on.
func keptPBX(db *store.Store, manager *pbx.Client, counts *statistics, cfg config.Config) elastix.API {
	a := elastix.API{
		SIPFile: sipFile(cfg), CDRs: db.OwnRecords(cfg.Location),
		Host: &host.Machine{Folders: host.Folders{Now: time.Now}}, Folders: measured(cfg), NoPJSIPPeers: !cfg.Elastix.PJSIPPeers,
		IncludeS: cfg.CDR.IncludeS, AllColumns: cfg.CDR.AllColumns, ShowRules: cfg.Elastix.ShowFirewallRules, Code: cfg.Elastix.AsTheCode,
	}
	if manager != nil {
		a.Asterisk = manager
	}
	if len(counts.foreign) > 0 && cfg.CDR.Databases[0].Slot == 1 {
		a.CDRs = counts.foreign[0]
	}
	if cfg.Elastix.ExposeManagerSecret {
		a.Manager = managerAccount(cfg.AMI)
	}
	return a
}

// usualSIPFile is where FreePBX writes the settings of telephones.
const usualSIPFile = "/etc/asterisk/sip_additional.conf"

// sipFile opens the file that sipextensions reads; nil: it asks the back end. PJSIP reads no such file, so that one that lies about
// would say nothing of it.
func sipFile(cfg config.Config) func() (io.ReadCloser, error) {
	name := cfg.Elastix.SIPAdditional
	switch {
	case cfg.PBX.Backend == config.PBXRealtime, name == "" && cfg.PBX.Backend != config.PBXOff:
		return nil
	case name == "":
		name = usualSIPFile
	}
	return func() (io.ReadCloser, error) { return os.Open(name) } //nolint:gosec // it is the operator who names it
}

// measured are the folders of getharddrivers, as the settings have them.
func measured(cfg config.Config) []elastix.Folder {
	folders := elastix.DefaultFolders()
	for i, folder := range folders {
		if folder.Key == "recording" {
			folders[i].Path = cfg.Recordings
		}
		if path := cfg.Elastix.Folders[folder.Key]; path != "" {
			folders[i].Path = path
		}
	}
	return folders
}

// managerAccount is our own account at the manager interface: what another one in manager.conf may is none of our clients' business.
type managerAccount config.AMI

// Account implements elastix.Manager.
func (a managerAccount) Account(context.Context) (user, secret string, err error) {
	return a.User, a.Secret.Reveal(), nil
}
