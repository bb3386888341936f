package adminapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"talktime/adminapi"
	"talktime/livecalls"
	ami "talktime/pbx"
)

// troubledAsterisk does nothing, and says why.
type troubledAsterisk struct {
	*liveAsterisk

	why error
}

func (x *troubledAsterisk) CoreShowChannels(context.Context) ([]ami.Channel, error) {
	return nil, x.why
}

func (x *troubledAsterisk) QueueStatus(context.Context) ([]ami.QueueState, error) { return nil, x.why }

// logged is the line of the log with a message about the request of an answer; "" without one.
func (s *site) logged(message string, about answer) string {
	for line := range strings.SplitSeq(s.log.String(), "\n") {
		if strings.Contains(line, `"msg":"`+message+`"`) && strings.Contains(line, about.header.Get("X-Request-Id")) {
			return line
		}
	}
	return ""
}

// TestLiveTrouble: why Asterisk does nothing is told without the names of hosts, and stands in the log.
func TestLiveTrouble(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	y := &troubledAsterisk{liveAsterisk: x}
	s.start(func(d *adminapi.Deps) {
		d.PBX = x.orderedBy(s.store)
		d.PBX.Switch = y
		d.PBX.Live = livecalls.New(livecalls.Options{Asterisk: y, Store: s.store, Now: x.clock})
	})
	s.admin = s.login("admin")
	const address = "192.0.2.77:5038"
	for _, tt := range []struct {
		why    error
		status int
		says   string
	}{
		{&ami.RefusedError{Action: "Ask", Reason: "Permission denied"}, http.StatusBadGateway, "Asterisk refused Ask: Permission denied; it wants more rights of the manager user, see admin dialplan manager.conf"},
		{fmt.Errorf("Ask at %s: %w: %w", address, ami.ErrSilent, context.DeadlineExceeded), http.StatusServiceUnavailable, "Asterisk did not answer in time; try again"},
		{
			fmt.Errorf("%w: %s: %w", ami.ErrAway, address, &ami.RefusedError{Action: "Login", Reason: "Authentication failed"}), http.StatusBadGateway,
			"Asterisk refuses our login (Authentication failed): see TALKTIME_AMI_USER and TALKTIME_AMI_SECRET",
		},
		{fmt.Errorf("%w: %s: connection refused", ami.ErrAway, address), http.StatusBadGateway, "Asterisk cannot be reached"},
	} {
		x.change(func() { x.err = tt.why })
		y.why = tt.why
		s.deps.PBX.Live.Forget()
		for _, a := range []answer{
			s.admin.get("/api/pbx/peers"), s.admin.get("/api/pbx/channels"), s.admin.delete("/api/pbx/channels/1.1"), s.admin.get("/api/pbx/queues/sales/members"),
			s.admin.post("/api/pbx/originate", `{"extension":"204","exten":"1"}`), s.admin.post("/api/pbx/queues/sales/members", `{"interface":"PJSIP/205"}`),
		} {
			if a.tells(tt.status, tt.says); strings.Contains(a.body, "192.0.2.77") {
				t.Errorf("%s tells an address: %s", a.what, a.body)
			}
			cause, err := json.Marshal(tt.why.Error())
			if line := s.logged("the telephone system could not answer", a); err != nil || !strings.Contains(line, string(cause)) {
				t.Errorf("%s: the log says %s, not %s", a.what, line, cause)
			}
		}
	}
}

// TestLiveNowhere: who sends a call to no place of the dialplan is told which that was.
func TestLiveNowhere(t *testing.T) {
	t.Parallel()
	s, x := liveAsteriskSite(t)
	x.change(func() { x.err = &ami.NoExtensionError{Context: "from-internal", Exten: "999"} })
	s.admin.post("/api/pbx/originate", `{"extension":"204","exten":"999"}`).tells(http.StatusNotFound, "there is no extension 999 in the context from-internal")
	s.admin.post("/api/pbx/channels/1.1/redirect", `{"exten":"999"}`).tells(http.StatusNotFound, "there is no extension 999 in the context from-internal")
	if line := s.audited("channel.redirect"); line != "" {
		t.Errorf("the audit log says %s", line)
	}
}

// TestLiveNotSetUp: what is not set up is no error of the server.
func TestLiveNotSetUp(t *testing.T) {
	t.Parallel()
	s, _ := liveAsteriskSite(t)
	s.start(func(d *adminapi.Deps) { d.PBX = &adminapi.PBX{} })
	s.admin = s.login("admin")
	a := s.admin.get("/api/pbx/peers").is(http.StatusNotImplemented)
	if line := s.logged("request", a); !strings.Contains(line, `"level":"INFO"`) {
		t.Errorf("the log says %s", line)
	}
	if line := s.logged("the telephone system could not answer", a); line != "" {
		t.Errorf("the log says %s", line)
	}
}
