package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// Bounds of one request.
const (
	timeout     = 5 * time.Second
	maxResponse = 64 << 10 // bytes that are read of what nobody looks at, so that the connection can be used again
	maxHeader   = 32 << 10
)

// SignatureHeader has the time and the signature of a message: t=UNIX,v1=HEX.
const SignatureHeader = "Talktime-Signature"

// Message is what is posted.
type Message struct {
	URL    string
	Secret string    // known to the receiver
	Key    string    // the same each time the same thing is told
	Body   []byte    // JSON
	At     time.Time // when it is sent
}

// Signature is the value of SignatureHeader: a keyed hash of the time, a point and the body.
func Signature(secret string, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// Client posts messages.
type Client struct{ http *http.Client }

// New returns a client that goes by no proxy, follows no redirection, and reaches no link-local address: behind those, clouds
// keep what their machines are trusted with.
func New() *Client {
	dialer := &net.Dialer{Timeout: timeout, Control: allowed}
	return &Client{&http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: timeout, ResponseHeaderTimeout: timeout, ForceAttemptHTTP2: true,
			MaxResponseHeaderBytes: maxHeader, MaxIdleConns: 10, IdleConnTimeout: time.Minute,
		},
	}}
}

// allowed looks at the address itself, once the name has become one: a name can be anything by then.
func allowed(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := to.Addr().Unmap().WithZone("")
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip == netip.MustParseAddr("fd00:ec2::254") {
		return fmt.Errorf("no notices are sent to %s", ip)
	}
	return nil
}

// Send posts a message, and returns the status of the answer, or 0 when there was none. Any answer but 200 to 299 is an error, and
// so is none within 5 seconds.
func (c *Client) Send(ctx context.Context, m Message) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		return 0, errors.New("the address cannot be read")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Talktime")
	req.Header.Set("Idempotency-Key", m.Key)
	req.Header.Set(SignatureHeader, Signature(m.Secret, m.At, m.Body))
	res, err := c.http.Do(req)
	var withAddress *url.Error // whose text may have a secret
	if errors.As(err, &withAddress) {
		if withAddress.Timeout() {
			return 0, fmt.Errorf("no answer within %s", timeout)
		}
		return 0, withAddress.Err
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.CopyN(io.Discard, res.Body, maxResponse)
	switch {
	case res.StatusCode >= 300 && res.StatusCode < 400:
		err = fmt.Errorf("it answered %d, but redirections are not followed", res.StatusCode)
	case res.StatusCode < 200 || res.StatusCode > 299:
		err = fmt.Errorf("it answered %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	}
	return res.StatusCode, err
}
