package main

import (
	"net"
	"net/netip"
	"testing"

	"talktime/billing"
)

// TestStdioNamesACallAsFastAGIDoes: a hold that the server made is found by the reducer that had to do without it, on
// whatever address of the machine the server listens.
func TestStdioNamesACallAsFastAGIDoes(t *testing.T) {
	t.Parallel()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, host := range append(addresses, &net.IPNet{IP: net.IPv4(127, 0, 0, 2), Mask: net.CIDRMask(8, 32)}) {
		prefix, err := netip.ParsePrefix(host.String())
		if err != nil || prefix.Addr().IsLinkLocalUnicast() {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(prefix.Addr().String(), "0"))
		if err != nil {
			continue // an address that is not up
		}
		defer listener.Close()
		tried++
		// The Asterisk beside us calls the server itself.
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		accepted, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
		peer := accepted.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		local, err := localAddr(listener.Addr().String())
		if got, want := billing.QualifiedID(local.String(), "1795210434.7"), billing.QualifiedID(peer.String(), "1795210434.7"); got != want || err != nil {
			t.Errorf("on %s: stdio names it %s, the server %s; %v", listener.Addr(), got, want, err)
		}
	}
	if tried < 2 {
		t.Skip("this machine has one address")
	}
}
