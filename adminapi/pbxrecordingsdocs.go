package adminapi

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// recordingOperations say of recordings, and of the state of the telephone system, what their lines do not.
func recordingOperations() map[string]operation {
	const ok = http.StatusOK
	shown := func(about string, v any, headers ...string) map[int]answer {
		return map[int]answer{ok: {about, map[string]any{typeJSON: v, typeScript: nil}, headers}}
	}
	missing := []int{http.StatusNotImplemented}
	return map[string]operation{
		"GET " + pbxRecordingsPath: {
			tag: tagPBX, about: "The latest day first, and of a day the file that was changed last. A file in a folder such as 2026/03/14 is of that day, another one of that which its name tells by a unique id or a date, or else of that when it was last changed. " +
				"Days are looked at from the latest on until the page is full; with more files than one search looks at, or a folder that may not be read, complete is false: ask for fewer days then. No link is followed.",
			query:   []string{"recordings-from", "recordings-to", "recordings-name", "recordings-number", "page", "results_per_page", "callback"},
			answers: shown("A page of the list.", pbxRecordingListJSON{}, "Link", "X-Count", "X-Truncated"), refusals: append(missing, http.StatusBadRequest),
		},
		"GET " + pbxRecordingPath: {
			tag: tagPBX, about: "It is sent whole or in parts, as Range and If-Range say; HEAD tells its size. The first GET of somebody in ten minutes is a line of the audit log, `recording.read`. What is not there and what is no recording, every link among them, " +
				"are answered alike. 256 are sent at a time, 16 of them to one user or program; others wait some seconds and are refused with 503. A connection that takes nothing for 30 seconds is cut.",
			answers: map[int]answer{
				ok:                                      {"The recording.", recordingContent(), []string{"Content-Disposition", "ETag"}},
				http.StatusPartialContent:               {"The part that was asked for.", recordingContent(), []string{"Content-Disposition", "ETag"}},
				http.StatusNotModified:                  {about: "It has not changed since If-Modified-Since, or is that of If-None-Match."},
				http.StatusPreconditionFailed:           {about: "It is not that of If-Match, or has changed since If-Unmodified-Since."},
				http.StatusRequestedRangeNotSatisfiable: {"The recording has no such part.", map[string]any{typeText: nil}, nil},
			},
			refusals: append(missing, http.StatusNotFound),
		},
		"DELETE " + pbxRecordingPath: {
			tag: tagPBX, about: "The file has gone then, and nobody can bring it back. The audit log has its name, size and age. A link is not deleted. What was changed within the last minute is refused with 409, since its call goes on, and so is what lies in a folder of Asterisk's own, such as voicemail or sounds.",
			answers: map[int]answer{http.StatusNoContent: {about: "The recording is deleted."}}, refusals: append(missing, http.StatusNotFound, http.StatusConflict),
		},
		"GET " + pbxRetentionPath: {
			tag: tagPBX, about: "Once an hour the server deletes recordings that were last changed longer ago than TALKTIME_KEEP_RECORDINGS_DAYS, up to 10000 at a time: those in folders of days such as 2026/03/14, and directly in the folder those whose name tells when they were made. Nothing is deleted by this request.",
			query: []string{"recordings-dry-run", "callback"}, answers: shown("How long recordings are kept, and what is due.", recordingRetentionJSON{}), refusals: missing,
		},
		"GET " + pbxSystemPath: {
			tag: tagPBX, about: "What cannot be found out is null; the server's log says why. The sizes of folders are at most five minutes old, and may take a while.",
			query: []string{"system-folders", "callback"}, answers: shown("The state of the machine and of Asterisk.", pbxSystemJSON{}),
		},
	}
}

func recordingParameters() map[string]*huma.Param {
	query := func(name, about string, s *huma.Schema) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: about, Schema: s}
	}
	text := func(example string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Examples: []any{example}}
	}
	return map[string]*huma.Param{
		"path-file": {
			Name: "file", In: "path", Required: true, Description: "The path of the recording below the folder, with its slashes.", Schema: text("2026/03/14/out-0551234567-204-1804596131.52.wav"),
		},
		"recordings-from":    query("from", "Only recordings of this day or later ones.", text("2026-03-01")),
		"recordings-to":      query("to", "Only recordings of days before this one.", text("2026-04-01")),
		"recordings-name":    query("name", "Only recordings with this in their path, in small letters or capitals.", text("q-sales")),
		"recordings-number":  query("number", "Only recordings with this number in their path, and no digit beside it.", text("0551234567")),
		"recordings-dry-run": query("dry_run", "1: the first 100 files that are due are named.", &huma.Schema{Type: huma.TypeString, Enum: []any{"1", "true"}}),
		"system-folders":     query("folders", "1: the sizes of folders are told.", &huma.Schema{Type: huma.TypeString, Enum: []any{"1", "true"}}),
	}
}

func recordingSchemas() map[string]string {
	return map[string]string{
		"PbxRecording": "A file in which Asterisk recorded a call.", "PbxRecordingList": "A page of recordings.",
		"RecordingRetention": "How long recordings are kept.", "RecordingSweep": "Recordings that were kept for long enough.", "RecordingRun": "What was deleted at one time.",
		"PbxSystem": "The state of the machine and of Asterisk.", "PbxHost": "The machine.", "PbxDisk": "A file system.", "PbxFolder": "A folder.", "PbxFirewall": "The firewall of the machine.", "PbxAsterisk": "Asterisk.",
		"PbxManager": "Our connection to Asterisk's manager interface.",
	}
}

func recordingWords() map[string]word {
	const instant = "2026-03-14T09:26:53+01:00"
	return map[string]word{
		"PbxRecording.name": {about: "its path below the folder", example: "2026/03/14/out-0551234567-204-1804596131.52.wav"}, "PbxRecording.day": {about: "of its folder; else the one that its name tells by a unique id or a date, or that of modified_at", example: "2026-03-14"},
		"PbxRecording.modified_at": {about: "when the file was last changed", example: instant}, "PbxRecording.size_bytes": {about: "of the file", example: 960044}, "PbxRecording.format": {about: "the ending of its name", example: "wav"},
		"PbxRecording.uniqueid": {about: "of the channel, where the name ends with one; else empty", example: "1804596131.52"}, "PbxRecording.href": {about: "where it is heard", example: "/api/pbx/recordings/2026/03/14/out-0551234567-204-1804596131.52.wav"},

		"PbxRecordingList.complete": {about: "false: not everything was looked at, so that some may be missing; ask for fewer days", example: true},

		"RecordingRetention.keep_days": {about: "for how many days after the last change; 0: for ever", example: 365}, "RecordingRetention.due": {about: "what would be deleted now"}, "RecordingRetention.names": {about: "with dry_run the first files that are due", example: []any{"2025/03/14/a.wav"}},
		"RecordingRetention.last_run": {about: "the latest of this process; null: there was none since it was started"}, "RecordingSweep.files": {about: "how many", example: 12}, "RecordingSweep.size_bytes": {about: "of them all", example: 11520528},
		"RecordingSweep.complete": {about: "false: there may be more, since not everything was looked at", example: true}, "RecordingRun.at": {about: "when it began", example: instant}, "RecordingRun.files": {about: "that were deleted", example: 12},
		"RecordingRun.size_bytes": {about: "of them all", example: 11520528}, "RecordingRun.folders": {about: "of days, months and years, that were empty then and were removed", example: 1}, "RecordingRun.failed": {about: "files that could not be deleted", example: 0},
		"RecordingRun.complete": {about: "false: the next run, a minute later, goes on", example: true}, "RecordingRun.error": {about: "null: nothing went wrong"},

		"PbxSystem.at": {about: "when", example: instant}, "PbxSystem.talktime_version": {about: "of this program", example: "1.0.0"}, "PbxSystem.host": {about: "null: not known"}, "PbxSystem.disks": {about: "those of the system and of the recordings"},
		"PbxSystem.folders": {about: "none unless they were asked for"}, "PbxSystem.firewall": {about: "null: we may not know"}, "PbxSystem.asterisk": {about: "null: not known, see manager"}, "PbxSystem.manager": {about: "the connection by which Asterisk is asked"},
		"PbxHost.uptime_seconds": {about: "since the machine was started", example: 770640}, "PbxHost.users": {about: "who are logged in", example: 1}, "PbxHost.load": {about: "processes that run or want to, on average over 1, 5 and 15 minutes", example: []any{0.19, 0.22, 0.25}},
		"PbxDisk.of": {about: "whose disk it is", example: "recordings", among: []any{"system", "recordings"}}, "PbxDisk.device": {about: "empty: not known", example: "/dev/sda2"}, "PbxDisk.mount": {about: "where it is mounted", example: "/"},
		"PbxDisk.size_bytes": {about: "in all", example: 55834574848}, "PbxDisk.used_bytes": {about: "that are used", example: 18253611008}, "PbxDisk.available_bytes": {about: "that are left to us", example: 34712059904}, "PbxDisk.used_percent": {about: "100 × used_bytes ÷ (used_bytes + available_bytes), rounded up", example: 35},
		"PbxFolder.name": {about: "what getharddrivers calls it", example: "logs"}, "PbxFolder.path": {about: "where it is", example: "/var/log"}, "PbxFolder.size_bytes": {about: "that its files take on the disk; null: it takes too long, ask again later", example: 432013312},
		"PbxFirewall.program": {about: "that listed the rules", example: "iptables"}, "PbxFirewall.running": {about: "there is a rule, or a policy that is not to accept", example: true}, "PbxFirewall.rules": {about: "how many", example: 14}, "PbxFirewall.text": {about: "the rules; null unless TALKTIME_ELASTIX_SHOW_FIREWALL_RULES is on"},
		"PbxAsterisk.version": {about: "as Asterisk tells it", example: "22.10.1"}, "PbxAsterisk.started_at": {about: "by the clock of the settings; null: it does not tell", example: instant}, "PbxAsterisk.uptime_seconds": {about: "since then; null: not known", example: 86400},
		"PbxAsterisk.reloaded_at": {about: "when it last read its files; null: it does not tell", example: instant}, "PbxAsterisk.channels": {about: "now; a call between two telephones has two", example: 4}, "PbxAsterisk.calls_processed": {about: "since it was started; null: it does not count them", example: 1207},
		"PbxManager.configured": {about: "whether TALKTIME_AMI_ADDR is set", example: true}, "PbxManager.connected": {about: "now", example: true}, "PbxManager.connects": {about: "logins that succeeded; all but the first are reconnects", example: 1}, "PbxManager.losses": {about: "connections that ended by themselves", example: 0},
		"PbxManager.error": {about: "why nothing is known of Asterisk; null: it is", example: "set TALKTIME_AMI_ADDR"},
	}
}
