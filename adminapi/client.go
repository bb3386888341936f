package adminapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// client is the address that a request comes from. known is false when nobody whom we believe says which that is: then it
// is that of the last one of whom we know that he passed the request on.
func (a *api) client(r *http.Request) (address netip.Addr, known bool) {
	peer, ok := addressOf(r.RemoteAddr)
	if !ok {
		return netip.Addr{}, false
	}
	if !within(a.Proxies, peer) {
		return peer, !passedOn(r.Header)
	}
	// Each proxy puts behind the others' words whom it serves. What stands before the first that is not ours is anybody's.
	named := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(named) {
		address, ok := addressOf(strings.TrimSpace(text))
		if !ok {
			break
		}
		if !within(a.Proxies, address) {
			return address, true
		}
		peer = address // a proxy, too
	}
	return peer, false
}

// passedOn reports whether a header shows that somebody passed a request on, even an empty one.
func passedOn(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, "X-Forwarded") || slices.Contains([]string{"X-Real-Ip", "Forwarded", "Via"}, name) {
			return true
		}
	}
	return false
}

// addressOf reads an address, with a port behind it or without.
func addressOf(text string) (netip.Addr, bool) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		if alone, ok := strings.CutSuffix(inner, "]"); ok {
			text = alone
		}
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		var with netip.AddrPort
		if with, err = netip.ParseAddrPort(text); err == nil {
			address = with.Addr()
		}
	}
	return address.Unmap().WithZone(""), err == nil
}

// clientText is the address for the log and for limits; empty when there is none.
func (a *api) clientText(r *http.Request) string {
	address, _ := a.client(r)
	if !address.IsValid() {
		return ""
	}
	return address.String()
}

// network is what one client has many addresses of: with IPv6 half a network of its own.
func network(address netip.Addr) netip.Prefix {
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	p, _ := address.Prefix(bits) // invalid for no address, which is a network too
	return p
}
