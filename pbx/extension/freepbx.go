package extension

import (
	"slices"
	"strconv"
)

// SIPRow is a row of FreePBX's table sip, whose id is the account.
type SIPRow struct {
	Keyword string
	Data    string
	Flags   int
}

// SIPRows are the rows that FreePBX makes sip_additional.conf of, by their flags.
func (e Extension) SIPRows() []SIPRow {
	rows := []SIPRow{{"accountcode", "", 27}}
	for _, f := range extensionFields {
		if f.flags > 0 {
			rows = append(rows, SIPRow{f.name, text(f.at(&e)), f.flags})
		}
	}
	slices.SortFunc(rows, func(a, b SIPRow) int { return a.Flags - b.Flags })
	return rows
}

// OfSIPRows is the extension that FreePBX's tables have: the data of its rows in sip by their keywords, and its name in users.
func OfSIPRows(account, name string, data map[string]string) Extension {
	e := Extension{}
	for _, f := range extensionFields {
		load(f.at(&e), data[f.name])
	}
	e.Account, e.Name = account, name
	return e
}

// FreePBXUser is its row in users, by columns. Other columns of text that the table has are empty.
func (e Extension) FreePBXUser() map[string]string {
	return map[string]string{
		"extension": e.Account, "password": "", "name": e.Name, "voicemail": "novm", "ringtimer": "0", "noanswer": "", "recording": "",
		"outboundcid": "", "sipname": e.Account, "mohclass": "default",
	}
}

// FreePBXDevice is its row in devices, by columns.
func (e Extension) FreePBXDevice() map[string]string {
	return map[string]string{
		"id": e.Account, "tech": "sip", "dial": e.Dial, "devicetype": "fixed", "user": e.Account, "description": e.Account, "emergency_cid": "",
	}
}

// DBEntry is an entry of Asterisk's own database, as the action DBPut takes it.
type DBEntry struct{ Family, Key, Value string }

// AstDB are the entries of a follow-me in Asterisk's database: FreePBX's dialplan looks there, and not in the table.
func (f FollowMe) AstDB() []DBEntry {
	columns := f.Values()
	var entries []DBEntry
	for _, e := range [][2]string{
		{"changecid", "default"},
		{"ddial", "DIRECT"}, // follow-me is on
		{"fixedcid", ""},
		{"grpconf", "ENABLED"},
		{"grplist", columns["grplist"]},
		{"grptime", strconv.Itoa(f.GrpTime)},
		{"prering", strconv.Itoa(f.PreRing)},
	} {
		entries = append(entries, DBEntry{"AMPUSER", f.GrpNum + "/followme/" + e[0], e[1]})
	}
	return entries
}

// AstDBTree is the family with all of them, as the action DBDelTree takes it.
func (f FollowMe) AstDBTree() string { return "AMPUSER/" + f.GrpNum + "/followme" }
