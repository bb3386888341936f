package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/e2e/lab"
	"talktime/models"
	"talktime/money"
	"talktime/pbx"
	"talktime/pbx/extension"
)

// shownChannel is a channel as our interface shows it.
type shownChannel struct {
	Channel string
	State   string
	Call    *struct {
		User    struct{ Username string }
		Number  string
		Cost    *money.Amount `json:"cost_so_far"`
		Left    *int64        `json:"seconds_left"`
		Limit   int64         `json:"limit_seconds"`
		Talked  *int64        `json:"talked_seconds"`
		Channel *string       `json:"caller_channel"`
	}
}

func (o *office) channels(t *testing.T) (all []shownChannel) {
	t.Helper()
	var list struct{ Objects []shownChannel }
	o.must(t, http.StatusOK, http.MethodGet, "/api/pbx/channels", nil, &list)
	return list.Objects
}

// concise are the channels as Asterisk's console has them: name and state.
func (o *office) concise(t *testing.T) (all []string) {
	t.Helper()
	text, err := o.CLI(t.Context(), "core show channels concise")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if fields := strings.Split(line, "!"); len(fields) > 5 {
			all = append(all, fields[0]+" "+fields[4])
		}
	}
	slices.Sort(all)
	return all
}

// channelBy is the name of an extension's one channel.
func (o *office) channelBy(t *testing.T, account string) (name string) {
	t.Helper()
	lab.Eventually(t, 5*time.Second, func() bool {
		channels, err := o.client.CoreShowChannels(t.Context())
		for _, c := range channels {
			if strings.HasPrefix(c.Name, "PJSIP/"+account+"-") {
				name = c.Name
			}
		}
		return err == nil && name != ""
	}, "a channel of %s", account)
	return name
}

// live: what Asterisk has, and what it costs. Nobody else calls meanwhile.
func (o *office) live(t *testing.T) {
	o.user("2301", 100)
	var phones []*lab.Telephone
	for i := range 4 {
		phones = append(phones, o.extension(t, fmt.Sprint(2301+i)))
	}
	if all := o.channels(t); len(all) != 0 {
		t.Errorf("channels of nobody: %v", all)
	}
	begun := time.Now()
	outside := phones[0].Dial(answers)
	isUp(t, outside)
	up := time.Now()
	phones[3].Does(lab.Rings)
	ringing := phones[1].Dial("2304")
	rings(t, phones[3], 1)
	var want, got []string
	lab.Eventually(t, 5*time.Second, func() bool {
		want, got = o.concise(t), nil
		for _, c := range o.channels(t) {
			got = append(got, c.Channel+" "+c.State)
		}
		slices.Sort(got)
		return len(want) == 4 && slices.Equal(want, got)
	}, "the list of Asterisk: %s", later(func() string { return cmp.Diff(want, got) }))
	o.keptCalls(t)

	var c shownChannel
	lab.Eventually(t, 10*time.Second, func() bool {
		for _, one := range o.channels(t) {
			if strings.HasPrefix(one.Channel, "PJSIP/2301-") {
				c = one
			}
		}
		return c.Call != nil && c.Call.Cost != nil && *c.Call.Cost > 0
	}, "what the call costs")
	talked := int64(time.Since(up)/time.Second) + 1
	if l := c.Call; l.User.Username != "user-2301" || l.Number != answers || *l.Cost > money.Amount(talked)*money.Unit || *l.Left+*l.Talked != l.Limit || *l.Talked > talked {
		t.Errorf("%+v after %d s", *c.Call, talked)
	}
	cost := *c.Call.Cost
	// Who is called stays where the call ends in time and is charged.
	for _, one := range o.channels(t) {
		if one.Call == nil || one.Channel == c.Channel {
			continue
		}
		status, _, text := o.do(t, http.MethodPost, "/api/pbx/channels/"+url.PathEscape(one.Channel)+"/redirect", map[string]any{"exten": "2302"})
		if status != http.StatusConflict || !strings.Contains(string(text), "nobody would pay") {
			t.Errorf("%s is sent elsewhere: %d %s", one.Channel, status, text)
		}
	}
	o.must(t, http.StatusNoContent, http.MethodDelete, "/api/pbx/channels/"+url.PathEscape(c.Channel), nil, nil)
	isOver(t, outside)
	most := int64(time.Since(begun) / time.Second)
	status, _, text := o.do(t, http.MethodDelete, "/api/pbx/channels/"+url.PathEscape(c.Channel), nil)
	if status != http.StatusNotFound {
		t.Errorf("the channel that has gone: %d %s", status, text)
	}
	u, err := o.db.UserByName(t.Context(), "user-2301")
	if err != nil {
		t.Fatal(err)
	}
	var settled models.Call
	lab.Eventually(t, 5*time.Second, func() bool {
		list, err := o.db.ListCalls(t.Context(), models.ListRequest{User: u.ID, Number: 1, Size: 2})
		if err != nil || len(list.Items) != 1 {
			t.Fatalf("%v %v", list.Items, err)
		}
		settled = list.Items[0]
		return settled.Seconds > 0
	}, "the settlement")
	if settled.Seconds > most || money.Amount(settled.Seconds)*money.Unit < cost {
		t.Errorf("%d seconds are charged, of at most %d; %v before", settled.Seconds, most, cost)
	}
	o.settles(t, "2301", 100-settled.Seconds)
	hangUp(t, ringing)
	isOver(t, ringing)
}

// keptCalls compares the old interface with Asterisk's console, while nothing changes.
func (o *office) keptCalls(t *testing.T) {
	t.Helper()
	console, err := o.CLI(t.Context(), "core show channels")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(console) {
		if line[0] >= '0' && line[0] <= '9' {
			want = append(want, strings.TrimSpace(line))
		}
	}
	var all []any
	if err := json.Unmarshal(o.kept(t, 200, "activecall"), &all); err != nil {
		t.Fatal(err)
	}
	var tail, names []string
	for _, one := range all {
		switch one := one.(type) {
		case string:
			tail = append(tail, one)
		case map[string]any:
			names = append(names, fmt.Sprint(one["Channel"], " ", one["State"]))
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff(want, tail); diff != "" {
		t.Errorf("the ends of activecall and of core show channels: %s", diff)
	}
	if diff := cmp.Diff(o.concise(t), names); diff != "" {
		t.Errorf("activecall: %s", diff)
	}
	var peers []map[string]string
	if err := json.Unmarshal(o.kept(t, 200, "sippeers"), &peers); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(peers, func(p map[string]string) bool { return p["ObjectName"] == "2301" })
	if i < 0 || peers[i]["IPaddress"] != "127.0.0.6" || !strings.HasPrefix(peers[i]["Status"], "OK (") || peers[i]["Channeltype"] != "PJSIP" {
		t.Errorf("sippeers: %v", peers)
	}
}

// recording: what Asterisk has recorded is what is downloaded.
func (o *office) recording(t *testing.T) {
	ana, ben := o.extension(t, "2401"), o.extension(t, "2402")
	caller, callee := calls(t, ana, ben)
	channel := o.channelBy(t, "2401")
	const name = "2026/11/21/out-2402-2401-20261121-101500-1795255000.7.wav"
	if _, err := o.client.MixMonitor(t.Context(), channel, name); err != nil {
		t.Fatal(err)
	}
	if err := o.client.SetRecordingFile(t.Context(), channel, name); err != nil {
		t.Error(err)
	}
	path := o.Path("spool/monitor", name)
	lab.Eventually(t, 10*time.Second, func() bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() > 30_000
	}, "two seconds of sound")
	hangUp(t, caller)
	isOver(t, callee)
	lab.Eventually(t, 5*time.Second, func() bool {
		log, err := os.ReadFile(o.Path("log/full"))
		return err == nil && strings.Contains(string(log), "End MixMonitor Recording "+channel)
	}, "the end of the recording")
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want[:4]) != "RIFF" || bytes.Count(want[44:], []byte{0}) > len(want)/2 {
		t.Error("nothing was recorded")
	}
	last := len(want) - 1
	for _, where := range []string{"/api/pbx/recordings/" + name, "/api/api.php?cmd=getwavfile&name=" + url.QueryEscape("/"+name)} {
		if status, _, got := o.do(t, http.MethodGet, where, nil); status != http.StatusOK || !bytes.Equal(got, want) {
			t.Errorf("%s: %d, %d bytes of %d", where, status, len(got), len(want))
		}
		status, header, got := o.do(t, http.MethodGet, where, nil, "Range", fmt.Sprintf("bytes=1000-%d", last))
		if status != http.StatusPartialContent || !bytes.Equal(got, want[1000:]) || header.Get("Content-Range") != fmt.Sprintf("bytes 1000-%d/%d", last, len(want)) {
			t.Errorf("%s from 1000 on: %d %v, %d bytes", where, status, header, len(got))
		}
	}
	var list struct{ Objects []struct{ Name string } }
	o.must(t, http.StatusOK, http.MethodGet, "/api/pbx/recordings", nil, &list)
	if len(list.Objects) != 1 || list.Objects[0].Name != name {
		t.Errorf("%v", list.Objects)
	}
	var kept string
	lab.Eventually(t, 5*time.Second, func() bool {
		return o.cdr.QueryRowContext(t.Context(), "SELECT recordingfile FROM cdr WHERE src = '2401'").Scan(&kept) == nil
	}, "the call record")
	if kept != name {
		t.Errorf("the call record has %q", kept)
	}
}

// queue: a member that comes, pauses and goes.
func (o *office) queue(t *testing.T) {
	iva, caller := o.extension(t, "2501"), o.extension(t, "2502")
	const all, one = "/api/pbx/queues/desk/members", "/api/pbx/queues/desk/members/PJSIP%2F2501"
	member := func() *pbx.QueueMember {
		queues, err := o.client.QueueStatus(t.Context())
		for _, q := range queues {
			for _, m := range q.Members {
				if q.Name == "desk" && m.Interface == "PJSIP/2501" {
					return &m
				}
			}
		}
		if err != nil {
			t.Error(err)
		}
		return nil
	}
	o.must(t, http.StatusCreated, http.MethodPost, all, map[string]any{"interface": "PJSIP/2501", "name": "Iva Moss", "penalty": 2}, nil)
	if m := member(); m == nil || m.Name != "Iva Moss" || m.Penalty != 2 || m.Paused {
		t.Errorf("%+v", m)
	}
	o.must(t, http.StatusConflict, http.MethodPost, all, map[string]any{"interface": "PJSIP/2501"}, nil)
	o.must(t, http.StatusOK, http.MethodPatch, one, map[string]any{"paused": true, "reason": "lunch"}, nil)
	if m := member(); m == nil || !m.Paused || m.PausedReason != "lunch" {
		t.Errorf("%+v", m)
	}
	o.must(t, http.StatusOK, http.MethodPatch, one, map[string]any{"paused": false}, nil)
	line := caller.Dial("6500") // rings who has registered just now
	callee := rings(t, iva, 1)
	isUp(t, line)
	hangUp(t, line)
	isOver(t, callee)
	o.must(t, http.StatusNoContent, http.MethodDelete, one, nil, nil)
	o.must(t, http.StatusNotFound, http.MethodDelete, one, nil, nil)
	if m := member(); m != nil {
		t.Errorf("%+v", m)
	}
	for _, want := range []string{"|desk|Iva Moss|ADDMEMBER|", "|desk|Iva Moss|PAUSE|lunch", "|desk|Iva Moss|UNPAUSE|", "|desk|Iva Moss|CONNECT|", "|desk|Iva Moss|REMOVEMEMBER|"} {
		lab.Eventually(t, 5*time.Second, func() bool {
			log, err := os.ReadFile(o.Path("log/queue_log"))
			return err == nil && strings.Contains(string(log), want)
		}, "%s in the queue_log", want)
	}
}

// originate: click to call rings the extension and then connects, and the extension pays.
func (o *office) originate(t *testing.T) {
	o.user("2601", 100)
	ana, ben := o.extension(t, "2601"), o.extension(t, "2602")
	var made struct {
		ID       string
		Answered *bool
		Reason   *string
	}
	call := func(exten string) {
		t.Helper()
		o.must(t, http.StatusOK, http.MethodPost, "/api/pbx/originate", map[string]any{"extension": "2601", "exten": exten, "variables": map[string]any{"CTC_ID": "42"}, "timeout_seconds": 5, "wait": true}, &made)
	}
	call("2602")
	if made.Answered == nil || !*made.Answered {
		t.Errorf("%+v", made)
	}
	callee, first := rings(t, ben, 1), rings(t, ana, 1)
	says(t, callee, `"Nora 2601" <sip:2601`)
	isUp(t, callee)
	hangUp(t, callee)
	isOver(t, first)
	var row string
	lab.Eventually(t, 5*time.Second, func() bool {
		return o.cdr.QueryRowContext(t.Context(), "SELECT CONCAT(src, ' ', dst, ' ', disposition) FROM cdr WHERE uniqueid = ? AND dst = '2602'", made.ID).Scan(&row) == nil
	}, "the record of %s", made.ID)
	if row != "2601 2602 ANSWERED" {
		t.Error(row)
	}

	call(hangsUp3)
	isOver(t, rings(t, ana, 2))
	o.settles(t, "2601", 97)

	// Who pays is who calls, whatever his telephone says of itself.
	thief := ben.Dial(answers, "P-Asserted-Identity: <sip:2601@127.0.0.1>", "Remote-Party-ID: <sip:2601@127.0.0.1>")
	isOver(t, thief)
	if thief.Code() == 200 {
		t.Error("a call was connected for somebody else's money")
	}
	o.settles(t, "2601", 97)

	ana.Does(lab.Refuses)
	call("2602")
	if made.Answered == nil || *made.Answered || made.Reason == nil {
		t.Errorf("%+v", made)
	}
}

// trunk: a provider at whom Asterisk registers for as long as there is the trunk.
func (o *office) trunk(t *testing.T) {
	provider := o.Provider("line-7", "secret-of-line-7")
	body := map[string]any{"name": "line7", "host": provider.Host(), "port": provider.Port(), "username": "line-7", "secret": "secret-of-line-7", "register": true}
	o.must(t, http.StatusCreated, http.MethodPost, "/api/pbx/trunks", body, nil)
	lab.Eventually(t, 5*time.Second, func() bool { contact, _, _ := provider.Registered(); return strings.Contains(contact, "sip:line-7@") }, "a registration")
	var shown struct{ Registration *struct{ Status string } }
	lab.Eventually(t, 5*time.Second, func() bool {
		o.must(t, http.StatusOK, http.MethodGet, "/api/pbx/trunks/line7", nil, &shown)
		return shown.Registration != nil && shown.Registration.Status == "Registered"
	}, "Asterisk knows")
	o.must(t, http.StatusOK, http.MethodPatch, "/api/pbx/trunks/line7", map[string]any{"secret": "the-wrong-secret"}, nil)
	lab.Eventually(t, 5*time.Second, func() bool { _, _, refused := provider.Registered(); return refused > 0 }, "a refusal")
	o.must(t, http.StatusOK, http.MethodPatch, "/api/pbx/trunks/line7", map[string]any{"secret": "secret-of-line-7"}, nil)
	lab.Eventually(t, 5*time.Second, func() bool { _, accepted, _ := provider.Registered(); return accepted > 1 }, "another registration")
	status, _, text := o.do(t, http.MethodPatch, "/api/pbx/trunks/line7", map[string]any{"codecs": []string{"nosuch"}})
	if status != http.StatusBadRequest || !strings.Contains(string(text), "Asterisk refuses") {
		t.Errorf("%d %s", status, text)
	}
	o.must(t, http.StatusNoContent, http.MethodDelete, "/api/pbx/trunks/line7", nil, nil)
	lab.Eventually(t, 5*time.Second, func() bool { contact, _, _ := provider.Registered(); return contact == "" }, "the end of the registration")
	registrations, err := o.client.PJSIPShowRegistrationsOutbound(t.Context())
	if err != nil || len(registrations) != 0 {
		t.Errorf("%v %v", registrations, err)
	}
	o.gone(t, "line7")
}

// redirect: a caller is sent to another extension.
func (o *office) redirect(t *testing.T) {
	ana, ben, eve := o.extension(t, "2801"), o.extension(t, "2802"), o.extension(t, "2803")
	caller, callee := calls(t, ana, ben)
	path := "/api/pbx/channels/" + url.PathEscape(o.channelBy(t, "2801")) + "/redirect"
	o.must(t, http.StatusNoContent, http.MethodPost, path, map[string]any{"context": "from-internal", "exten": "2803"}, nil)
	isOver(t, callee)
	callee = rings(t, eve, 1)
	isUp(t, callee)
	hangUp(t, caller)
	isOver(t, callee)
	lab.Eventually(t, 5*time.Second, func() bool {
		status, _, _ := o.do(t, http.MethodPost, path, map[string]any{"context": "from-internal", "exten": "2803"})
		return status == http.StatusNotFound
	}, "the channel that has gone is not found")
}

// words: what Asterisk says of what is not there is understood.
func (o *office) words(t *testing.T) {
	c, ctx := o.client, t.Context()
	o.extension(t, "2701")
	ignore := func(_ any, err error) error { return err }
	for _, one := range []struct {
		name string
		err  error
		want error
	}{
		{"Hangup", c.Hangup(ctx, "PJSIP/nobody-00000001", 16), models.ErrNotFound},
		{"Hangup by unique id", c.Hangup(ctx, "1795211573.4711", 16), models.ErrNotFound},
		{"Redirect", c.Redirect(ctx, "PJSIP/nobody-00000001", "from-internal", "2701", 1), models.ErrNotFound},
		{"Redirect by unique id", c.Redirect(ctx, "1795211573.4711", "from-internal", "2701", 1), models.ErrNotFound},
		{"QueueAdd to no queue", c.QueueAdd(ctx, "nosuch", pbx.NewMember{Interface: "PJSIP/2701"}), models.ErrNotFound},
		{"QueueAdd again", c.QueueAdd(ctx, "support", pbx.NewMember{Interface: "PJSIP/agent6"}), models.ErrConflict},
		{"QueuePause in no queue", c.QueuePause(ctx, "nosuch", "PJSIP/2701", true, ""), models.ErrNotFound},
		{"QueuePause of no member", c.QueuePause(ctx, "desk", "PJSIP/2701", true, ""), models.ErrNotFound},
		{"QueuePause of nobody in all", c.QueuePause(ctx, "", "PJSIP/2701", true, ""), models.ErrNotFound},
		{"QueueRemove from no queue", c.QueueRemove(ctx, "nosuch", "PJSIP/2701"), models.ErrNotFound},
		{"QueueRemove of no member", c.QueueRemove(ctx, "desk", "PJSIP/2701"), models.ErrNotFound},
		{"QueueRemove of a file's member", c.QueueRemove(ctx, "support", "PJSIP/agent6"), models.ErrConflict},
		{"MixMonitor", ignore(c.MixMonitor(ctx, "PJSIP/nobody-00000001", "a.wav")), models.ErrNotFound},
		{"StopMixMonitor", c.StopMixMonitor(ctx, "PJSIP/nobody-00000001", ""), models.ErrNotFound},
		{"SetRecordingFile", c.SetRecordingFile(ctx, "PJSIP/nobody-00000001", "a.wav"), models.ErrNotFound},
		{"PJSIPQualify", c.PJSIPQualify(ctx, "nosuch"), models.ErrNotFound},
		{"PJSIPQualify of one", c.PJSIPQualify(ctx, "2701"), nil},
		{"PJSIPSync", c.PJSIPSync(ctx, "nosuch"), models.ErrNotFound},
		{"PJSIPRegister", c.PJSIPRegister(ctx, "nosuch"), models.ErrNotFound},
		{"PJSIPShowEndpoint", ignore(c.PJSIPShowEndpoint(ctx, "nosuch")), models.ErrNotFound},
		{"SIPpeers", ignore(c.SIPPeers(ctx)), errors.ErrUnsupported},
		{"DBDelTree", pbx.AstDB{Client: c}.DeleteTree(ctx, "AMPUSER/2701/followme"), nil},
		{"DBPut", pbx.AstDB{Client: c}.Put(ctx, extension.DBEntry{Family: "AMPUSER/2701/followme", Key: "ddial", Value: "DIRECT"}), nil},
		{"DBDelTree of one", pbx.AstDB{Client: c}.DeleteTree(ctx, "AMPUSER/2701/followme"), nil},
	} {
		if !errors.Is(one.err, one.want) {
			t.Errorf("%s: %v, want %v", one.name, one.err, one.want)
		}
	}
	var unanswered *pbx.UnansweredError
	err := c.Originate(ctx, pbx.Originate{ChannelID: "words-1", Channel: "PJSIP/nosuch", Context: "from-internal", Exten: "2701", Ring: time.Second})
	if !errors.As(err, &unanswered) {
		t.Errorf("Originate of nobody: %v", err)
	}
	contacts, err := c.PJSIPShowContacts(ctx)
	i := slices.IndexFunc(contacts, func(one pbx.Contact) bool { return one.AOR == "2701" })
	if err != nil || i < 0 || contacts[i].Expires.IsZero() {
		t.Fatalf("%v %v", contacts, err)
	}
	rest, err := pbx.NewREST(pbx.ARI{URL: o.ARIURL, User: lab.Talktime, Password: lab.TalktimeSecret})
	if err != nil {
		t.Fatal(err)
	}
	if err := rest.Kick(ctx, contacts[i].ID); err != nil {
		t.Error(err)
	}
	contacts, err = c.PJSIPShowContacts(ctx)
	if err != nil || slices.ContainsFunc(contacts, func(one pbx.Contact) bool { return one.AOR == "2701" }) {
		t.Errorf("%v %v", contacts, err)
	}
}
