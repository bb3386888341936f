package adminapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"talktime/adminapi/elastix"
	"talktime/models"
	"talktime/pbx/extension"
)

// keptPBXPath is where the script of elastix-api is.
const keptPBXPath = "/api/api.php"

// keptPBX reports whether the route is that script's.
func (route Route) keptPBX() bool { return route.Path == keptPBXPath }

// keptPBX reports whether the request is to it, also with a method that it does not know.
func (r *request) keptPBX() bool {
	return r.route.keptPBX() || r.route.Path == "" && r.api.PBX != nil && r.Request.URL.Path == keptPBXPath
}

// failKeptPBX writes a failure as clients of the script know it.
func (r *request) failKeptPBX(f failure) {
	what := strings.ToUpper(http.StatusText(f.status))
	if f.status == http.StatusServiceUnavailable {
		what = "DATABASE UNAVAILABLE"
	}
	r.writeKeptPBX(elastix.Refusal(f.status, what))
}

// writeKeptPBX writes an answer that is no file.
func (r *request) writeKeptPBX(a elastix.Answer) {
	if a.Allow != "" {
		r.Header("Allow", a.Allow)
	}
	if a.Status == http.StatusServiceUnavailable && r.Writer.Header().Get("Retry-After") == "" {
		r.Header("Retry-After", "5")
	}
	if a.NoStore {
		r.Header("Cache-Control", "no-store")
	}
	r.Header("Content-Length", strconv.Itoa(len(a.Body)))
	r.Data(a.Status, a.Type, a.Body)
}

// keptPBX answers as the script did, to whoever shows a token of ours in place of its key.
func keptPBX(r *request) error {
	asked := elastix.Request{Method: r.Request.Method, Query: r.Request.URL.RawQuery}
	header := r.GetHeader("Authorization")
	caller := keptCaller{request: r}
	if asked.Asks() && header != "" { // else it does not matter who it is
		asked.Sent = true
		err := caller.identify(header)
		switch {
		case err == nil:
			asked.Key = caller.key()
		case !isNotFound(err):
			return err
		}
	}
	if asked.Key != nil && asked.Method == http.MethodPost {
		form, err := r.keptForm()
		if err != nil {
			return err
		}
		asked.Form = form
	}
	api := r.api.PBX.Kept
	api.Extensions, api.Rules, api.Location, api.Now = r.api.PBX.Extensions, r.api.PBX.Rules, r.api.Location, r.api.Now
	api.Tokens = caller
	if api.CDRs != nil {
		api.CDRs = turnedCDRs{api.CDRs, r}
	}
	if api.Recordings == nil && r.api.PBX.Recordings != nil {
		api.Recordings = r.api.PBX.Recordings
	}
	if api.Recordings != nil {
		turned := &turnedRecordings{Recordings: api.Recordings, request: r}
		defer turned.leave()
		api.Recordings = turned
	}
	return r.sendKept(api.Do(extension.By(r.ctx(), r.who.actor()), asked))
}

// keptForm is the body, which the script's clients send as a form.
func (r *request) keptForm() (string, error) {
	body, err := io.ReadAll(r.Request.Body)
	if err != nil {
		if _, ok := failureOf(err); !ok { // whoever sent it has gone, or is too slow
			err = failure{status: http.StatusBadRequest}
		}
		return "", err
	}
	kind, parameters, _ := mime.ParseMediaType(r.GetHeader("Content-Type"))
	if kind == "multipart/form-data" { // so curl sends what PHP gives it as an array
		return formOfParts(body, parameters["boundary"])
	}
	if len(body) > 0 && kind != typeForm && r.GetHeader("Content-Type") != "" {
		return "", failure{status: http.StatusUnsupportedMediaType}
	}
	return string(body), nil
}

// formOfParts is a form of parts in the other form, without files.
func formOfParts(body []byte, boundary string) (string, error) {
	if boundary == "" || !bytes.Contains(body, []byte("--"+boundary+"--")) { // else it is cut off
		return "", failure{status: http.StatusBadRequest}
	}
	var form strings.Builder
	for parts := multipart.NewReader(bytes.NewReader(body), boundary); ; {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return form.String(), nil
		}
		var value []byte
		if err == nil {
			value, err = io.ReadAll(part)
		}
		if err != nil {
			return "", failure{status: http.StatusBadRequest}
		}
		if part.FileName() == "" {
			_, _ = fmt.Fprintf(&form, "%s=%s&", url.QueryEscape(part.FormName()), url.QueryEscape(string(value)))
		}
	}
}

// sendKept notes what was done, and answers. What somebody reads is noted before he gets it, or he does not get it.
func (r *request) sendKept(a elastix.Answer) error {
	id := r.GetString(keyRequestID)
	if a.File != nil {
		defer func() { _ = a.File.Close() }()
	}
	if a.Cause != nil {
		r.api.log.Warn("the old PBX interface could not answer in full", "request_id", id, "status", a.Status, "err", a.Cause)
	}
	if a.Audit != nil && r.Request.Method != http.MethodHead {
		err := r.noteKept(a.Audit)
		if err != nil && a.Audit.Before == nil && a.Audit.After == nil {
			return err
		}
		if err != nil {
			r.api.log.Error("the audit log lacks a change", "request_id", id, "actor", r.who.actor(), "action", a.Audit.Verb, "target", loggable(a.Audit.Target), "err", err)
		}
	}
	if a.File == nil {
		r.writeKeptPBX(a)
		return nil
	}
	r.Header("Content-Type", a.Type)
	r.Header("Content-Disposition", a.File.Disposition)
	r.sendFile(a.File, a.File.Modified, a.File.Size)
	return nil
}

// noteKept writes a line of the audit log, also when whoever asked has gone meanwhile.
func (r *request) noteKept(a *elastix.Audit) error {
	if r.api.PBX.Log == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx()), r.api.Patience)
	defer cancel()
	return r.api.PBX.Log.Log(ctx, r.who.actor(), a.Verb, a.Target, a.Before, a.After)
}

// turnedCDRs are call records, of which nobody keeps all others from theirs.
type turnedCDRs struct {
	elastix.CDRs
	*request
}

// LatestCDRs implements elastix.CDRs.
func (c turnedCDRs) LatestCDRs(ctx context.Context, q models.CDRQuery) (models.CDRRows, error) {
	leave, err := c.api.counting.enter(ctx, c.turnsOf())
	if err != nil {
		return models.CDRRows{}, err
	}
	defer leave()
	return c.CDRs.LatestCDRs(ctx, q)
}

// turnedRecordings are recordings, of which so many are open at a time as are sent at all; others wait for their turn, of which each request
// takes one.
type turnedRecordings struct {
	elastix.Recordings
	*request

	giveBack func() // nil: no turn is taken
}

// Open implements elastix.Recordings.
func (t *turnedRecordings) Open(name string) (*os.File, fs.FileInfo, error) {
	if t.giveBack == nil {
		giveBack, err := t.sendingTurn()
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", models.ErrUnavailable, err)
		}
		t.giveBack = giveBack
	}
	return t.Recordings.Open(name)
}

func (t *turnedRecordings) leave() {
	if t.giveBack != nil {
		t.giveBack()
	}
}

// keptCaller is who asks. He shows a token of ours, or one that auth made of it.
type keptCaller struct {
	*request

	until time.Time // when a token that auth made is over; zero: it is one of ours
}

// keptLife is how long a token is good that auth makes.
const keptLife = 15 * time.Minute

// identify finds out who shows a header; models.ErrNotFound: nobody. Wrong ones are counted as wrong logins are, but apart from those,
// so that a program that asks with a wrong one every second keeps nobody from logging in.
func (c *keptCaller) identify(header string) error {
	a := c.api
	secret := header
	if scheme, rest, ok := strings.Cut(header, " "); ok && strings.EqualFold(scheme, "Bearer") {
		secret = strings.TrimSpace(rest)
	}
	ctx, cancel := context.WithTimeout(c.ctx(), a.lookUpPatience())
	defer cancel()
	address, _ := a.client(c.Request)
	place, left := keptFailures(network(address), a.Now())
	since := a.Now().Add(-failureWindow)
	token, err := c.find(ctx, secret) // first: a wrong key of one program keeps none out that is beside it
	if isNotFound(err) {
		failures, errCount := a.Sessions.LoginFailures(ctx, place, since)
		switch {
		case errCount != nil:
			return errCount
		case failures >= maxAddressFailures:
			return tooManyFailures(left)
		}
		return cmp.Or(a.Sessions.LoginFailed(ctx, place, since), err)
	}
	if err != nil {
		return err
	}
	c.who.token = &token
	c.Set(keyActor, c.who.actor())
	return nil
}

// keptFailures is under which wrong keys from a network are counted in this quarter of an hour, of which so much is left.
func keptFailures(from netip.Prefix, now time.Time) (key string, left time.Duration) {
	_, left = addressKey(from, now)
	sum := sha256.Sum256(fmt.Appendf(nil, "api.php %s %d", from, now.Add(left).Unix()))
	return hex.EncodeToString(sum[:]), left
}

// find is the token with a secret, or that from which auth made it.
func (c *keptCaller) find(ctx context.Context, secret string) (models.Token, error) {
	if c.api.Tokens == nil {
		return models.Token{}, models.ErrNotFound
	}
	made, ok := readKeptToken(secret)
	if !ok {
		return c.api.Tokens.Token(ctx, secret)
	}
	now := c.api.Now()
	if !now.Before(made.until()) {
		return models.Token{}, models.ErrNotFound
	}
	token, err := c.api.Tokens.TokenByID(ctx, made.id())
	if err != nil {
		return models.Token{}, err
	}
	right, err := c.sign(ctx, made, token)
	switch {
	case err != nil:
		return models.Token{}, err
	case !hmac.Equal(right, made[keptSigned:]), token.ExpiresAt != nil && !now.Before(*token.ExpiresAt):
		return models.Token{}, models.ErrNotFound
	}
	c.until = made.until()
	return token, nil
}

// key is what he may do here. A token that is bound to an account may nothing: what there is belongs to none.
func (c *keptCaller) key() *elastix.Key {
	key := &elastix.Key{Name: c.who.token.Name}
	for _, scope := range elastix.Scopes() {
		if c.who.has(Scope(scope)) && !c.who.bound() {
			key.Scopes = append(key.Scopes, scope)
		}
	}
	return key
}

// A token that auth makes says by itself whose it is and until when, so that any process takes it and none has to keep it: the id of
// the token from which it was made, the second in which it is over, something random, and a signature by a secret of the site.
const (
	keptSigned  = 8 + 8 + 16
	keptPrefix  = "ts" // other tokens begin with tt
	keptSecrets = "pbx_token"
)

type keptToken [keptSigned + sha256.Size]byte

func (t *keptToken) id() int64 { return int64(binary.BigEndian.Uint64(t[:])) } //nolint:gosec // it was one

func (t *keptToken) until() time.Time {
	return time.Unix(int64(binary.BigEndian.Uint64(t[8:])), 0) //nolint:gosec // it was one
}

func readKeptToken(secret string) (t *keptToken, ok bool) {
	text, ok := strings.CutPrefix(secret, keptPrefix)
	t = new(keptToken)
	if !ok || len(text) != base64.RawURLEncoding.EncodedLen(len(t)) {
		return nil, false
	}
	_, err := base64.RawURLEncoding.Strict().Decode(t[:], []byte(text))
	return t, err == nil
}

// Issue implements elastix.Tokens. What is made of a made one lives no longer.
func (c keptCaller) Issue(ctx context.Context, _ elastix.Key) (string, error) {
	until := c.api.Now().Add(keptLife)
	if !c.until.IsZero() {
		until = c.until
	}
	t := new(keptToken)
	binary.BigEndian.PutUint64(t[:], uint64(c.who.token.ID)) //nolint:gosec // and back
	binary.BigEndian.PutUint64(t[8:], uint64(until.Unix()))  //nolint:gosec // and back
	_, _ = rand.Read(t[16:keptSigned])                       // never fails
	sum, err := c.sign(ctx, t, *c.who.token)
	copy(t[keptSigned:], sum)
	return keptPrefix + base64.RawURLEncoding.EncodeToString(t[:]), err
}

// sign is the signature of a token that is made from another. It covers what makes that one different from a later one with its id.
func (c *keptCaller) sign(ctx context.Context, t *keptToken, from models.Token) ([]byte, error) {
	secret, err := c.api.Sessions.Secret(ctx, keptSecrets)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(t[:keptSigned])
	_, _ = fmt.Fprintf(mac, "%d %s", from.CreatedAt.UnixMicro(), from.Name)
	return mac.Sum(nil), nil
}
