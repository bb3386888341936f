package livecalls

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"talktime/billing"
	"talktime/pbx"
)

// mostPeers are addresses that an Asterisk may have.
const mostPeers = 100

// home is what tells the calls of the Asterisk that we ask from those of another one. It is learned from pictures, which are made one at a time.
type home struct {
	peers  map[string]bool // addresses that its calls were permitted for
	system *string         // its systemname, which its unique ids carry, "" for none; nil: not known
}

func newHome() *home { return &home{peers: map[string]bool{}} }

// callers finds the open call of each unique id. A channel that has dialled again after a call was closed has several calls; of those that
// are open the last counts. Two Asterisks may have the same ids: then the number of the caller decides, and when that does not either, it
// is nobody's call.
func (h *home) callers(channels []pbx.Channel, calls []*Call) map[string]*Call {
	found := make(map[string][]*Call, len(calls))
	for _, c := range calls {
		id := billing.UniqueID(c.CallID)
		found[id] = append(found[id], c)
	}
	of := make(map[string]*Call, len(found))
	known := false
	for i := range channels {
		c := &channels[i]
		if !known {
			var name string
			if name, known = systemOf(c.UniqueID); known {
				h.system = &name
			}
		}
		if call := h.callerOf(c, found[c.UniqueID]); call != nil {
			of[c.UniqueID] = call
			if peer := peerOf(call.CallID); peer != "" && len(h.peers) < mostPeers && agree(c, call) {
				h.peers[peer] = true
			}
		}
	}
	return of
}

func (h *home) callerOf(c *pbx.Channel, calls []*Call) *Call {
	calls = slices.DeleteFunc(calls, func(call *Call) bool { return !h.fits(c, call) })
	same := func(calls []*Call) bool {
		for _, call := range calls[1:] {
			if billing.ChannelOf(call.CallID) != billing.ChannelOf(calls[0].CallID) {
				return false
			}
		}
		return true
	}
	if len(calls) > 1 && !same(calls) {
		calls = slices.DeleteFunc(calls, func(call *Call) bool { return call.CallerID != c.CallerIDNum })
	}
	if len(calls) == 0 || !same(calls) {
		return nil
	}
	return slices.MaxFunc(calls, func(a, b *Call) int { return cmp.Compare(a.ID, b.ID) })
}

// fits reports whether a call with the id of a channel may be of this channel. Where the Asterisk is not told by the id, the numbers must agree.
func (h *home) fits(c *pbx.Channel, call *Call) bool {
	peer := peerOf(call.CallID)
	switch {
	case peer == "" || h.peers[peer]:
		return true
	case len(h.peers) > 0:
		return call.CallerID == c.CallerIDNum
	}
	return call.CallerID == "" || c.CallerIDNum == "" || agree(c, call)
}

// agree reports whether a channel has the numbers of a call: that of the caller, which the dialplan may have changed since, or the dialled one.
func agree(c *pbx.Channel, call *Call) bool {
	return call.CallerID != "" && call.CallerID == c.CallerIDNum || call.Number != "" && (call.Number == c.Exten || call.Number == c.ConnectedLineNum)
}

// foreign reports whether a call without a channel is one of another Asterisk.
func (h *home) foreign(call *Call) bool {
	if peer := peerOf(call.CallID); peer != "" {
		return len(h.peers) > 0 && !h.peers[peer]
	}
	name, ok := systemOf(billing.UniqueID(call.CallID))
	return ok && h.system != nil && *h.system != name
}

// peerOf is the address that a call was permitted for, one for all loopback addresses; "" where its id carries a systemname instead.
func peerOf(callID string) string {
	channel := billing.ChannelOf(callID)
	peer := channel[:max(strings.LastIndexByte(channel, '/'), 0)]
	if addr, err := netip.ParseAddr(peer); err == nil && addr.IsLoopback() {
		return "loopback"
	}
	return peer
}

// systemOf is the systemname that a unique id of Asterisk's own making carries before its seconds and number; false for an id that somebody else
// has made.
func systemOf(uniqueID string) (name string, ok bool) {
	i := strings.LastIndexByte(uniqueID, '-')
	number := strings.Trim(uniqueID[i+1:], "0123456789")
	return uniqueID[:max(i, 0)], number == "."
}
