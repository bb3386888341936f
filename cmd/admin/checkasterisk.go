package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/dialplan"
	"talktime/internal/config"
	"talktime/internal/spool"
	"talktime/internal/wiring"
	"talktime/pbx"
)

// probeTimeout bounds each question to another machine.
const probeTimeout = 5 * time.Second

func checkFastAGI(ctx context.Context, f config.FastAGI) []finding {
	return []finding{probeFastAGI(ctx, f), checkExposure(f)}
}

// probeFastAGI asks for the balance of a caller who cannot exist. The honest answer, that he is unknown, takes the
// whole way through fastagi to its database and back, and changes nothing.
func probeFastAGI(ctx context.Context, f config.FastAGI) finding {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	addr := wiring.DialAddr(f.Listen)
	p := &agitest.Peer{Greeting: agitest.Greeting{
		Script: "balance", Channel: "Doctor/probe", Type: "Doctor", CallerID: "doctor", AccountCode: "/doctor", UniqueID: "doctor-0.0",
	}}
	err := p.Call(ctx, addr)
	status, reason := p.Vars[dialplan.VarStatus], p.Vars[dialplan.VarReason]
	switch {
	case err != nil:
		return fine("fastagi", "%s: %s", addr, err).fail("start fastagi, or correct TALKTIME_FASTAGI_LISTEN")
	case status == agi.StatusUnknownCaller:
		return fine("fastagi", "%s answers, and reaches its database", addr)
	case status != "":
		return fine("fastagi", "%s answers %s: %s", addr, status, reason).fail("see the log of fastagi")
	case !allowsLoopback(f.Allow):
		return fine("fastagi", "%s accepts no questions from this machine", addr).
			warn("allow 127.0.0.0/8 in TALKTIME_FASTAGI_ALLOW, too, so that doctor and simulate can ask")
	}
	return fine("fastagi", "%s accepts connections, but does not speak as fastagi does", addr).
		fail("see what listens there; TALKTIME_FASTAGI_LISTEN must be the address of fastagi")
}

func allowsLoopback(allow []netip.Prefix) bool {
	return slices.ContainsFunc(allow, func(p netip.Prefix) bool {
		return p.Contains(netip.MustParseAddr("127.0.0.1")) || p.Contains(netip.IPv6Loopback())
	})
}

// checkExposure compares where fastagi listens with who may call from there. FastAGI has no login.
func checkExposure(f config.FastAGI) finding {
	host, _, _ := net.SplitHostPort(f.Listen)
	ip, err := netip.ParseAddr(host)
	local := err == nil && ip.IsLoopback() || host == "localhost"
	onlyLocal := !slices.ContainsFunc(f.Allow, func(p netip.Prefix) bool { return !p.Addr().IsLoopback() })
	switch {
	case !local && onlyLocal:
		return fine("fastagi network", "it listens on %s, but allows only this machine", f.Listen).
			warn("set TALKTIME_FASTAGI_LISTEN=127.0.0.1:4573, or allow Asterisk's address in TALKTIME_FASTAGI_ALLOW")
	case local && !onlyLocal:
		return fine("fastagi network", "it allows other machines, which cannot reach %s", f.Listen).
			warn("set TALKTIME_FASTAGI_LISTEN to an address that Asterisk reaches, or allow only 127.0.0.0/8")
	}
	return fine("fastagi network", "listens on %s, allows %s", f.Listen, joined(f.Allow))
}

func joined(prefixes []netip.Prefix) string {
	texts := make([]string, len(prefixes))
	for i, p := range prefixes {
		texts[i] = p.String()
	}
	return strings.Join(texts, ", ")
}

func checkCDRs(ctx context.Context, cfg config.Config) []finding {
	databases, closeAll, err := wiring.OpenCDRs(cfg)
	if err != nil {
		return []finding{fine("CDR database", "%s", err).fail("correct the settings DBn_…")}
	}
	defer closeAll()
	if len(databases) == 0 {
		return []finding{fine("CDR database", "none is configured: an answered call whose end nobody reports is listed as unreconciled, not charged").
			warn("set DB1_HOST and so on, where Asterisk writes its call records; see docs/operations.md, section 2")}
	}
	var findings []finding
	for _, d := range databases {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		if err := d.Ping(ctx); err != nil {
			findings = append(findings, fine("CDR database", "%s", err).
				fail(fmt.Sprintf("see that the database of %s_HOST answers and its user may read the table cdr", d.Name())))
		} else {
			findings = append(findings, fine("CDR database", "%s answers", d.Name()))
		}
		cancel()
	}
	return findings
}

// checkAsterisks asks all our Asterisks.
func checkAsterisks(ctx context.Context, cfg config.Config) []finding {
	var findings []finding
	for _, a := range cfg.Asterisks() {
		findings = append(findings, checkAMI(ctx, a)...)
		if cfg.Slices() > 0 {
			findings = append(findings, checkSlices(ctx, a, cfg.Calls.Warn > 0)...)
		}
	}
	return findings
}

func checkAMI(ctx context.Context, a config.AMI) []finding {
	ctx, cancel := context.WithTimeout(ctx, 2*probeTimeout)
	defer cancel()
	manager := wiring.Manager(a)
	live, err := manager.Live(ctx)
	if err != nil {
		return []finding{fine("AMI", "%s: %s", a.Addr, err).fail(adviseAMI(err))}
	}
	queues, err := manager.QueueStatus(ctx)
	if err != nil {
		return []finding{
			fine("AMI", "%s answers, %d channels are up", a.Addr, len(live)),
			fine("AMI", "%s does not say how its queues are: %s", a.Addr, err).warn("if there are queues, see that app_queue is loaded, and give the user the rights of admin dialplan manager.conf; else mind nothing"),
		}
	}
	return []finding{fine("AMI", "%s answers, %d channels are up, %d queues", a.Addr, len(live), len(queues))}
}

// adviseAMI says what to do when the manager interface does not answer a question.
func adviseAMI(err error) string {
	var refused *pbx.RefusedError
	switch {
	case !errors.As(err, &refused):
		return "correct TALKTIME_AMI_ADDR, or see manager.conf of Asterisk (enabled, bindaddr, port)"
	case refused.Action == "Login":
		return "see the user in manager.conf of Asterisk (secret, permit), and TALKTIME_AMI_USER and _SECRET"
	}
	return "give the user the rights of admin dialplan manager.conf; to look at calls and queues alone, write = reporting (calls are held whole then)"
}

// checkSlices looks whether our user may extend and cut calls, and warn callers: each right by an order about nobody. That there is no answer
// is told by checkAMI.
func checkSlices(ctx context.Context, a config.AMI, warn bool) []finding {
	const check = "slices"
	orders := []pbx.Action{
		{Name: "AbsoluteTimeout", Fields: []pbx.Field{{Key: "Channel", Value: nobody}, {Key: "Timeout", Value: "1"}}},
		{Name: "Hangup", Fields: []pbx.Field{{Key: "Channel", Value: nobody}}},
		{Name: "Getvar", Fields: []pbx.Field{{Key: "Channel", Value: nobody}, {Key: "Variable", Value: "CHANNEL(name)"}}},
	}
	const originate = "Originate" // which without a channel calls nobody
	if warn {
		orders = append(orders, pbx.Action{Name: originate})
	}
	var denied []string
	var hears, known bool
	if err := askManager(ctx, a, func(ctx context.Context, c *pbx.Client) error {
		denied = nil
		for _, order := range orders {
			_, err := c.Do(ctx, order)
			var refused *pbx.RefusedError
			switch {
			case errors.As(err, &refused) && refused.Reason == "Permission denied":
				denied = append(denied, order.Name)
			case err != nil && refused == nil:
				return err
			}
		}
		var err error
		hears, known, err = mayRead(ctx, c, a.User, "call")
		return err
	}); err != nil {
		return []finding{fine(check, "%s does not say what our user may do: %s", a.Addr, err).warn("see that it answers, and ask again")}
	}
	var findings []finding
	switch {
	case len(denied) > 0 && denied[0] != originate:
		what := strings.Join(denied, ", ")
		findings = append(findings, fine(check, "%s does not let our user carry out %s, so that calls are neither extended nor cut", a.Addr, what).
			fail("give our user call among what he may write in manager.conf, or set TALKTIME_SLICE_SECONDS=0"))
	case len(denied) > 0:
		findings = append(findings, fine(check, "%s does not let our user carry out %s, so that callers are not warned of the end", a.Addr, originate).
			warn("give our user originate among what he may write in manager.conf, or set TALKTIME_WARN_SECONDS=0"))
	}
	switch {
	case known && !hears:
		findings = append(findings, fine(check, "%s does not tell our user who answers, so that calls are held whole", a.Addr).
			fail("give our user call among what he may read in manager.conf, or set TALKTIME_SLICE_SECONDS=0"))
	case len(findings) > 0:
	case !known:
		findings = append(findings, fine(check, "%s lets our user extend and cut calls; whether he may read call it tells only those who may write command", a.Addr))
	default:
		findings = append(findings, fine(check, "%s lets our user extend and cut calls", a.Addr))
	}
	return findings
}

// mayRead asks Asterisk whether a user gets the events of a class. It is not known where our own user may not ask.
func mayRead(ctx context.Context, c *pbx.Client, user, class string) (may, known bool, err error) {
	lines, err := c.Command(ctx, "manager show user "+user)
	var refused *pbx.RefusedError
	if err != nil && !errors.As(err, &refused) {
		return false, false, err
	}
	for _, line := range lines {
		if classes, ok := strings.CutPrefix(strings.TrimSpace(line), "read perm:"); ok {
			return slices.Contains(strings.Split(strings.TrimSpace(classes), ","), class), true, nil
		}
	}
	return false, false, nil
}

// askManager asks a manager interface over a connection of its own, for which it waits a while: pbx.ErrAway when there is none.
func askManager(ctx context.Context, a config.AMI, ask func(context.Context, *pbx.Client) error) error {
	client, err := pbx.Open(wiring.Manager(a), pbx.Options{})
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	for {
		err := ask(ctx, client)
		if !errors.Is(err, pbx.ErrAway) || !wiring.Pause(ctx, 50*time.Millisecond) { // it connects in the background
			return err
		}
	}
}

// checkTransports asks Asterisk whether it has the transports that telephones are given: it takes an endpoint with one that there is
// not, and never reaches the telephone. Why it cannot be asked is told by checkPBXOrders.
func checkTransports(ctx context.Context, cfg config.Config) []finding {
	const check = "PBX transports"
	names := slices.Sorted(maps.Values(cfg.PBX.Transports))
	if cfg.PBX.Backend != config.PBXRealtime || len(names) == 0 || cfg.AMI.Addr == "" {
		return nil
	}
	var missing []string
	asked := checkPBXOrders(ctx, cfg.AMI, "pjsip show transport", "command", func(ctx context.Context, c *pbx.Client) error {
		missing = nil
		for _, name := range slices.Compact(names) {
			lines, err := c.Command(ctx, "pjsip show transport "+name)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(lines, func(line string) bool {
				words := strings.Fields(line)
				return len(words) > 1 && words[0] == "Transport:" && words[1] == name
			}) {
				missing = append(missing, name)
			}
		}
		return nil
	})
	switch {
	case asked.Grade != gradeOK:
		return nil
	case len(missing) > 0:
		return []finding{fine(check, "Asterisk has no transport %s", strings.Join(missing, ", ")).
			warn("correct TALKTIME_PBX_TRANSPORTS: pjsip show transports of Asterisk lists their names; telephones that were given one that there is not cannot be called")}
	}
	return []finding{fine(check, "Asterisk has %s", strings.Join(names, ", "))}
}

// checkRecordings looks whether we may read the folder of the recordings. The usual one, which nobody has named, need not be there.
func checkRecordings(folder string, named bool) []finding {
	const check = "recordings"
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) && !named {
		return nil
	}
	dir, err := os.Open(folder) //nolint:gosec // a setting of the operator's
	if err == nil {
		defer func() { _ = dir.Close() }()
		_, err = dir.Readdirnames(1)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return []finding{fine(check, "%s", err).warn("correct TALKTIME_RECORDINGS, or let our user read that folder: put him into the group of Asterisk")}
	}
	return []finding{fine(check, "%s can be read", folder)}
}

// namesRecordings reports whether recordings are meant to be where the settings say.
func namesRecordings(cfg config.Config, getenv func(string) (string, bool)) bool {
	const name = "TALKTIME_RECORDINGS"
	_, set := getenv(name)
	usual := slices.ContainsFunc(config.Describe(), func(s config.Setting) bool { return s.Name == name && s.Default == cfg.Recordings })
	return set || !usual || cfg.KeepRecordings > 0
}

// soundFolders are where distributions and Asterisk itself keep recordings.
func soundFolders() []string {
	return []string{"/usr/share/asterisk/sounds", "/var/lib/asterisk/sounds", "/usr/local/share/asterisk/sounds"}
}

// checkSounds looks for the recordings that our scripts play, if Asterisk is on this machine.
func checkSounds(folder, prompts string) []finding {
	folders := []string{folder}
	if folder == "" {
		folders = slices.DeleteFunc(soundFolders(), func(dir string) bool {
			_, err := os.Stat(dir)
			return err != nil
		})
	}
	if len(folders) == 0 {
		return []finding{fine("sounds", "there is no Asterisk on this machine")}
	}
	wanted := agi.Sounds()
	if prompts != "" {
		for _, name := range refusalPrompts() {
			wanted = append(wanted, prompts+"/"+name)
		}
	}
	var missing []string
	for _, name := range wanted {
		if !slices.ContainsFunc(folders, func(dir string) bool { return hasSound(dir, name) }) {
			missing = append(missing, name)
		}
	}
	where := strings.Join(folders, ", ")
	if len(missing) > 0 {
		return []finding{fine("sounds", "%s are missing below %s", strings.Join(missing, ", "), where).
			warn("install Asterisk's core sounds (Debian: asterisk-core-sounds-en), and your own recordings for TALKTIME_PROMPTS")}
	}
	return []finding{fine("sounds", "all that is played is below %s", where)}
}

// refusalPrompts are the recordings of TALKTIME_PROMPTS, one for each status but OK.
func refusalPrompts() []string {
	var names []string
	for _, status := range []string{
		agi.StatusNoCredit, agi.StatusUnknownCaller, agi.StatusUnknownCallee, agi.StatusBlocked, agi.StatusLimit, agi.StatusNoRate, agi.StatusError,
	} {
		names = append(names, strings.ToLower(status))
	}
	return names
}

// hasSound reports whether a recording is there, in any language and format.
func hasSound(folder, name string) bool {
	for _, pattern := range []string{
		filepath.Join(folder, name+".*"),
		filepath.Join(folder, "*", name+".*"),
		filepath.Join(folder, "*", filepath.Dir(name), "*", filepath.Base(name)+".*"), // sounds/en/digits/f/1
	} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

// checkSpool looks for evidence that waits to be settled.
func checkSpool(dir string) []finding {
	waiting, err := spool.New(dir).Len()
	if err != nil {
		return []finding{fine("spool", "%s", err).fail("let our user read and write the folder of TALKTIME_SPOOL")}
	}
	if err := wiring.TryWriting(dir); err != nil {
		return []finding{fine("spool", "%s", err).fail("let our user read and write the folder of TALKTIME_SPOOL, and see that the disk has room")}
	}
	useless, _ := filepath.Glob(filepath.Join(dir, "*.bad")) // the pattern is good
	found := fine("spool", "%s: %d records wait, %d were set aside", dir, waiting, len(useless))
	switch {
	case waiting > 0:
		return []finding{found.warn("see that fastagi runs and reaches its database: it settles them")}
	case len(useless) > 0:
		return []finding{found.warn("look at the files *.bad: calls whose end could not be settled; then remove them")}
	}
	return []finding{found}
}
