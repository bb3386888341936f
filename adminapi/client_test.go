package adminapi

import (
	"net/http"
	"net/netip"
	"testing"
)

// TestClient: whom a request comes from, as far as somebody says so whom we believe.
func TestClient(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.9.0.0/16"), netip.MustParsePrefix("fd00:9::/32")}
	a := &api{Deps: Deps{Proxies: proxies}}
	none := &api{}
	const forwarded = "X-Forwarded-For"
	for name, tt := range map[string]struct {
		api   *api
		peer  string
		lines []string // name, value, name, value
		want  string
		known bool
	}{
		"nobody between":                        {a, "192.0.2.7:4711", nil, "192.0.2.7", true},
		"this machine itself":                   {none, "127.0.0.1:4711", nil, "127.0.0.1", true},
		"this machine by IPv6":                  {none, "[::1]:4711", nil, "::1", true},
		"IPv4 written as IPv6":                  {none, "[::ffff:127.0.0.1]:4711", nil, "127.0.0.1", true},
		"a link's address":                      {none, "[fe80::1%eth0]:4711", nil, "fe80::1", true},
		"a proxy that nobody configured":        {none, "127.0.0.1:1", []string{forwarded, "192.0.2.7"}, "127.0.0.1", false},
		"it sends an empty header":              {none, "127.0.0.1:1", []string{forwarded, ""}, "127.0.0.1", false},
		"an empty line before its own":          {none, "127.0.0.1:1", []string{forwarded, "", forwarded, "192.0.2.7"}, "127.0.0.1", false},
		"it says only how it was asked":         {none, "127.0.0.1:1", []string{"X-Forwarded-Proto", "https"}, "127.0.0.1", false},
		"it sends another header":               {none, "127.0.0.1:1", []string{"X-Real-Ip", "192.0.2.7"}, "127.0.0.1", false},
		"it sends the newer header":             {none, "127.0.0.1:1", []string{"Forwarded", "for=192.0.2.7"}, "127.0.0.1", false},
		"it says only that it is one":           {none, "127.0.0.1:1", []string{"Via", "1.1 proxy"}, "127.0.0.1", false},
		"a stranger who plays the proxy":        {a, "192.0.2.7:4711", []string{forwarded, "127.0.0.1"}, "192.0.2.7", false},
		"a proxy of ours":                       {a, "127.0.0.1:1", []string{forwarded, "192.0.2.7"}, "192.0.2.7", true},
		"with a port":                           {a, "127.0.0.1:1", []string{forwarded, "192.0.2.7:5060"}, "192.0.2.7", true},
		"IPv6":                                  {a, "127.0.0.1:1", []string{forwarded, "2001:db8::7"}, "2001:db8::7", true},
		"IPv6 in brackets":                      {a, "127.0.0.1:1", []string{forwarded, "[2001:db8::7]"}, "2001:db8::7", true},
		"IPv6 with a port":                      {a, "127.0.0.1:1", []string{forwarded, "[2001:db8::7]:5060"}, "2001:db8::7", true},
		"IPv6 with a zone":                      {a, "127.0.0.1:1", []string{forwarded, "fe80::1%eth0"}, "fe80::1", true},
		"IPv4 as IPv6":                          {a, "127.0.0.1:1", []string{forwarded, "::ffff:192.0.2.7"}, "192.0.2.7", true},
		"the proxy itself as IPv6":              {a, "[::ffff:127.0.0.1]:1", []string{forwarded, "192.0.2.7"}, "192.0.2.7", true},
		"what the client made up comes first":   {a, "127.0.0.1:1", []string{forwarded, "127.0.0.1, 192.0.2.7"}, "192.0.2.7", true},
		"in a line of its own":                  {a, "127.0.0.1:1", []string{forwarded, "127.0.0.1", forwarded, "192.0.2.7"}, "192.0.2.7", true},
		"an empty line of the client's":         {a, "127.0.0.1:1", []string{forwarded, "", forwarded, "192.0.2.7"}, "192.0.2.7", true},
		"several proxies":                       {a, "127.0.0.1:1", []string{forwarded, "198.51.100.1, 192.0.2.7 ,10.9.0.1,\t10.9.0.2"}, "192.0.2.7", true},
		"a proxy by IPv6":                       {a, "[fd00:9::1]:1", []string{forwarded, "192.0.2.7, fd00:9::2"}, "192.0.2.7", true},
		"another network is none of ours":       {a, "127.0.0.1:1", []string{forwarded, "192.0.2.7, 10.8.0.1"}, "10.8.0.1", true},
		"nobody but proxies":                    {a, "127.0.0.1:1", []string{forwarded, "10.9.0.1, 127.0.0.1"}, "10.9.0.1", false},
		"a proxy that says that it is us":       {a, "127.0.0.1:1", []string{forwarded, "127.0.0.1"}, "127.0.0.1", false},
		"a proxy that does not say whom":        {a, "127.0.0.1:1", nil, "127.0.0.1", false},
		"a header of its own making":            {a, "127.0.0.1:1", []string{"X-Real-Ip", "192.0.2.7"}, "127.0.0.1", false},
		"that header beside the right one":      {a, "127.0.0.1:1", []string{forwarded, "192.0.2.7", "X-Real-Ip", "127.0.0.2"}, "192.0.2.7", true},
		"an empty header":                       {a, "127.0.0.1:1", []string{forwarded, ""}, "127.0.0.1", false},
		"garbage":                               {a, "127.0.0.1:1", []string{forwarded, "unknown"}, "127.0.0.1", false},
		"garbage behind an address":             {a, "127.0.0.1:1", []string{forwarded, "127.0.0.2, unknown"}, "127.0.0.1", false},
		"garbage behind an address and a proxy": {a, "127.0.0.1:1", []string{forwarded, "127.0.0.2, _x, 10.9.0.1"}, "10.9.0.1", false},
		"a comma at the end":                    {a, "127.0.0.1:1", []string{forwarded, "127.0.0.2,"}, "127.0.0.1", false},
		"no address at all":                     {a, "@", []string{forwarded, "192.0.2.7"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{}}
			for i := 0; i < len(tt.lines); i += 2 {
				r.Header.Add(tt.lines[i], tt.lines[i+1])
			}
			if _, known := tt.api.client(r); known != tt.known || tt.api.clientText(r) != tt.want {
				t.Errorf("it comes from %s, known: %t; want %s, %t", tt.api.clientText(r), known, tt.want, tt.known)
			}
		})
	}
}

// TestNetwork: an IPv6 client has many addresses, an IPv4 client one.
func TestNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{"192.0.2.7": "192.0.2.7/32", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64"} {
		if got := network(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("%s is in %s, want %s", address, got, want)
		}
	}
	if network(netip.Addr{}).IsValid() {
		t.Error("no address is in a network")
	}
}
