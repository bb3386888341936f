package elastix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/pbx"
	"talktime/pbx/extension"
)

func (a API) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, cmp.Or(a.Patience, 10*time.Second))
}

// activeCall lists the channels, and says how many channels and calls there are, and how many there were.
func (a API) activeCall(ctx context.Context, _ *params, key Key) Answer {
	if a.Asterisk == nil {
		return notConfigured()
	}
	ctx, cancel := a.patient(ctx)
	defer cancel()
	channels, err := a.Asterisk.CoreShowChannels(ctx)
	if err != nil {
		return asteriskFailed(err)
	}
	bridges := map[string][]string{}
	calls := map[string]bool{}
	for i := range channels {
		c := &channels[i]
		calls[c.LinkedID] = true
		if c.BridgeID != "" {
			bridges[c.BridgeID] = append(bridges[c.BridgeID], c.Name)
		}
	}
	list := make([]any, 0, len(channels)+3)
	for i := range channels {
		c := &channels[i]
		list = append(list, object{
			"Channel", c.Name, "Context", c.Context, "Extension", c.Exten, "Prio", strconv.Itoa(c.Priority), "State", channelState(c.StateDesc),
			"Application", c.Application, "Data", arguments(c, key), "CallerID", c.CallerIDNum, "Duration", clock(c.Duration),
			"Accountcode", c.AccountCode, "PeerAccount", "", "BridgedTo", bridgedTo(c.Name, bridges[c.BridgeID]),
		})
	}
	processed, err := a.processed(ctx)
	list = append(list, count(int64(len(channels)), "active channel"), count(int64(len(calls)), "active call"), counted(processed, "call", "calls")+" processed")
	answer := answered(list)
	answer.Cause = err
	return answer
}

// arguments are those of the application that a channel runs. Of applications that are told PINs, or codes of vouchers, they are masked for
// keys that may not see secrets.
func arguments(c *pbx.Channel, key Key) string {
	told := []string{
		"agi", "eagi", "deadagi", "authenticate", "vmauthenticate", "disa", "confbridge", "meetme", "senddtmf", "set", "mset", "exec", "tryexec", "execif",
		"gosub", "gosubif", "gotoif", "macro", "return", "system", "trysystem", "verbose", "noop", "log", "userevent", "stasis",
	}
	if c.ApplicationData != "" && !key.may(ScopeSecrets) && slices.Contains(told, strings.ToLower(c.Application)) {
		return extension.Mask
	}
	return c.ApplicationData
}

// processed is how many calls there were since Asterisk was started; 0 where it does not say.
func (a API) processed(ctx context.Context) (int64, error) {
	status, err := a.Asterisk.Do(ctx, pbx.Action{Name: "CoreStatus"})
	if n, wrong := strconv.ParseInt(status.Get("CoreProcessedCalls"), 10, 64); err == nil && wrong == nil {
		return n, nil
	}
	lines, err := a.Asterisk.Command(ctx, "core show calls") // an old one counts here only
	for _, line := range lines {
		if word, rest, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasSuffix(rest, "processed") {
			if n, wrong := strconv.ParseInt(word, 10, 64); wrong == nil {
				return n, nil
			}
		}
	}
	if err == nil {
		err = errors.New("it is neither in CoreStatus nor in core show calls")
	}
	return 0, fmt.Errorf("how many calls Asterisk has processed is not known, and answered as 0: %w", err)
}

func count(n int64, what string) string { return counted(n, what, what+"s") }

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}

// bridgedTo is the first of the others in a bridge.
func bridgedTo(name string, bridge []string) string {
	for _, other := range bridge {
		if other != name {
			return other
		}
	}
	return "(None)"
}

func channelState(state string) string {
	if slices.Contains([]string{"Down", "Rsrvd", "OffHook", "Dialing", "Ring", "Ringing", "Up", "Busy"}, state) {
		return state
	}
	return "Unknown"
}

func clock(d time.Duration) string {
	s := int64(d / time.Second)
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

// sipPeers lists the peers of chan_sip or, of an Asterisk that has none, the endpoints of PJSIP in the same form.
func (a API) sipPeers(ctx context.Context, _ *params, _ Key) Answer {
	if a.Asterisk == nil {
		return notConfigured()
	}
	ctx, cancel := a.patient(ctx)
	defer cancel()
	peers, err := a.Asterisk.SIPPeers(ctx)
	if errors.Is(err, errors.ErrUnsupported) && !a.NoPJSIPPeers {
		var endpoints []pbx.Peer
		endpoints, err = a.Asterisk.Peers(ctx)
		for i := range endpoints {
			peers = append(peers, endpoints[i].SIPPeer())
		}
	}
	if err != nil {
		return asteriskFailed(err)
	}
	list := make([]object, len(peers))
	for i := range peers {
		p := &peers[i]
		list[i] = object{
			"Event", "PeerEntry", "Channeltype", p.Channeltype, "ObjectName", p.ObjectName, "ChanObjectType", p.ChanObjectType, "IPaddress", p.IPaddress, "IPport", p.IPport,
			"Dynamic", p.Dynamic, "AutoForcerport", p.AutoForcerport, "Forcerport", p.Forcerport, "AutoComedia", p.AutoComedia, "Comedia", p.Comedia,
			"VideoSupport", p.VideoSupport, "TextSupport", p.TextSupport, "ACL", p.ACL, "Status", p.Status, "RealtimeDevice", p.RealtimeDevice, "Description", p.Description,
		}
	}
	return answered(list)
}
