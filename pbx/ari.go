package pbx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/CyCoreSystems/ari/v6/client/native"

	"talktime/models"
	"talktime/pbx/extension"
)

const (
	restTimeout = 5 * time.Second // of one request; Asterisk takes some milliseconds
	maxREST     = 1 << 20         // bytes of an answer
)

// ErrRESTAway means that the REST interface of Asterisk cannot be reached, or is something else.
var ErrRESTAway = errors.New("the REST interface of Asterisk is away")

// ARI says where a REST interface is and who asks. The user must not be one that only reads. Printing it shows the address alone.
type ARI struct {
	URL      string // such as http://127.0.0.1:8088/ari
	User     string
	Password string
}

// String keeps the password out of messages.
func (a ARI) String() string { return "REST interface " + a.URL }

// GoString keeps the password out of what %#v prints.
func (a ARI) GoString() string { return a.String() }

// LogValue keeps the password out of logs.
func (a ARI) LogValue() slog.Value { return slog.StringValue(a.URL) }

// tell makes a text of the server fit to be part of an error.
func (a ARI) tell(text string) string { return AMI{Secret: a.Password}.tell(text) }

// StatusError is an answer of the REST interface that is neither yes nor no.
type StatusError struct {
	Status  int
	Message string // Asterisk's words
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the REST interface of Asterisk answers %d: %s", e.Status, e.Message)
}

// REST asks Asterisk's REST interface about objects of PJSIP, and makes it forget them. It reads no more of them than it has to, and passes
// nothing on: some hold passwords. It is safe for use by many goroutines.
type REST struct {
	ari    ARI
	client *http.Client
}

// NewREST returns what speaks to a REST interface, which need not be there yet. The error is models.ErrInvalid.
func NewREST(a ARI) (*REST, error) {
	a.URL = strings.TrimRight(a.URL, "/")
	u, err := url.Parse(a.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("the address of the REST interface must be like http://127.0.0.1:8088/ari: %w", models.ErrInvalid)
	}
	if a.User == "" || a.Password == "" {
		return nil, fmt.Errorf("the REST interface needs a user and a password: %w", models.ErrInvalid)
	}
	return &REST{
		ari: a,
		client: &http.Client{
			Timeout:       restTimeout,
			Transport:     &http.Transport{DisableKeepAlives: true}, // by no proxy, and with nothing to close
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Accepted tells whether Asterisk takes an endpoint, with the login and the addresses that it names. One value that Asterisk does not know
// makes it refuse the whole row. Errors: models.ErrInvalid, ErrRESTAway, *StatusError.
func (r *REST) Accepted(ctx context.Context, endpoint string) (bool, error) {
	if err := shaped("id", endpoint); err != nil {
		return false, err
	}
	settings, err := r.get(ctx, "endpoint", endpoint)
	if errors.Is(err, models.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for attribute, kind := range map[string]string{"auth": "auth", "aors": "aor"} {
		for _, name := range split(settings[attribute]) {
			if shaped("id", name) != nil {
				return false, nil
			}
			if _, err := r.get(ctx, kind, name); errors.Is(err, models.ErrNotFound) {
				return false, nil
			} else if err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// Register makes Asterisk begin with a registration at a provider that is new or has changed in its tables: to be asked for it is what
// starts it. models.ErrNotFound when Asterisk does not take it; other errors are those of Accepted.
func (r *REST) Register(ctx context.Context, registration string) error {
	if err := shaped("id", registration); err != nil {
		return err
	}
	_, err := r.get(ctx, "registration", registration)
	return err
}

// Forget removes an endpoint, its addresses and its login, from the tables and from Asterisk's memory. A call goes on. What is not there is no
// error, what Asterisk keeps all the same is models.ErrConflict: it is in a file. Other errors are those of Accepted, and ErrUncertain; all of
// it may be done again.
func (r *REST) Forget(ctx context.Context, endpoint string) error {
	if err := shaped("id", endpoint); err != nil {
		return err
	}
	for _, kind := range []string{"endpoint", "aor", "auth"} {
		if err := r.remove(ctx, kind, endpoint); err != nil {
			return err
		}
	}
	return nil
}

// Unregister ends a registration at a provider and removes it from the tables. Errors are those of Forget.
func (r *REST) Unregister(ctx context.Context, registration string) error {
	if err := shaped("id", registration); err != nil {
		return err
	}
	return r.remove(ctx, "registration", registration)
}

// Kick ends the registration of a telephone, by the ID of a Contact. It may register again. Errors are those of Forget.
func (r *REST) Kick(ctx context.Context, contact string) error {
	aor, hash, _ := strings.Cut(contact, ";@") // goes as it is: Asterisk does not find it escaped
	if err := errors.Join(shaped("id", aor), shaped("id", hash)); err != nil {
		return err
	}
	if err := r.delete(ctx, "contact", contact); err != nil {
		return fmt.Errorf("delete contact %s: %w", contact, err)
	}
	return nil
}

// Version is Asterisk's, as its REST interface tells it. It is asked by the library, which knows neither contexts nor times: an answer that
// comes when nobody waits for it harms nobody here, as a late deletion would.
func (r *REST) Version(ctx context.Context) (string, error) {
	type told struct {
		version string
		err     error
	}
	answer := make(chan told, 1)
	go func() {
		info, err := native.New(&native.Options{
			Application: "talktime", URL: r.ari.URL, WebsocketURL: "ws://unused.invalid", WebsocketOrigin: "http://unused.invalid",
			Username: r.ari.User, Password: r.ari.Password,
		}).Asterisk().Info(nil)
		if err != nil {
			answer <- told{err: fmt.Errorf("%w: %s", ErrRESTAway, r.ari.tell(err.Error()))}
			return
		}
		answer <- told{version: info.SystemInfo.Version}
	}()
	select {
	case a := <-answer:
		return a.version, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("%w: %w", ErrRESTAway, context.Cause(ctx))
	}
}

// remove deletes an object, and asks whether it has gone: any server may answer 404.
func (r *REST) remove(ctx context.Context, kind, id string) error {
	if err := r.delete(ctx, kind, id); err != nil {
		return fmt.Errorf("delete %s %s: %w", kind, id, sure(err))
	}
	switch _, err := r.get(ctx, kind, id); {
	case errors.Is(err, models.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("delete %s %s: %w", kind, id, sure(fmt.Errorf("%w: %w", ErrUncertain, err)))
	default: // of a file, too
		return fmt.Errorf("delete %s %s: Asterisk still has it: %w", kind, id, models.ErrConflict)
	}
}

// sure makes extension.ErrAsterisk of what nobody knows, too.
func sure(err error) error {
	if errors.Is(err, ErrUncertain) {
		return fmt.Errorf("%w: %w", extension.ErrAsterisk, err)
	}
	return err
}

// delete asks without the library, which knows neither contexts nor times: what came late would hit the next one of this name.
func (r *REST) delete(ctx context.Context, kind, id string) error {
	status, body, err := r.do(ctx, http.MethodDelete, r.address(kind, id))
	switch {
	case err != nil && status == 0 && !unsent(err):
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	case err != nil && status == 0:
		return err
	case status == http.StatusNotFound, status >= 200 && status < 300:
		return nil
	}
	var why struct{ Message string }
	if json.Unmarshal(body, &why) != nil || why.Message == "" {
		why.Message = http.StatusText(status)
	}
	return &StatusError{Status: status, Message: r.ari.tell(why.Message)}
}

// unsent tells whether a request has never reached the server.
func unsent(err error) bool {
	var of *net.OpError
	return errors.As(err, &of) && of.Op == "dial"
}

func (r *REST) address(kind, id string) string {
	return r.ari.URL + "/asterisk/config/dynamic/res_pjsip/" + kind + "/" + id
}

// get returns the settings of an object, or models.ErrNotFound. The library would hide the status.
func (r *REST) get(ctx context.Context, kind, id string) (map[string]string, error) {
	settings, err := r.ask(ctx, r.address(kind, id))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", kind, id, err)
	}
	return settings, nil
}

func (r *REST) ask(ctx context.Context, address string) (map[string]string, error) {
	status, body, err := r.do(ctx, http.MethodGet, address)
	if err != nil {
		return nil, err
	}
	return settings(status, body, r.ari.tell)
}

// do asks, and returns the status and the body. A status with ErrRESTAway has a body that is not Asterisk's.
func (r *REST) do(ctx context.Context, method, address string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", models.ErrInvalid, err)
	}
	request.SetBasicAuth(r.ari.User, r.ari.Password)
	answer, err := r.client.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrRESTAway, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxREST+1))
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrRESTAway, err)
	}
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" || len(body) > maxREST {
		return answer.StatusCode, nil, fmt.Errorf("%w: %d with a body that is not its own; is the address right?", ErrRESTAway, answer.StatusCode)
	}
	return answer.StatusCode, body, nil
}

// settings reads an answer. A 404 is believed only where it is about the object: the wrong address and a missing module give one, too.
func settings(status int, body []byte, tell func(string) string) (map[string]string, error) {
	if status == http.StatusOK {
		var attributes []struct{ Attribute, Value string }
		if err := json.Unmarshal(body, &attributes); err != nil || len(attributes) == 0 {
			return nil, fmt.Errorf("%w: its answer is not a list of settings", ErrRESTAway)
		}
		found := make(map[string]string, len(attributes))
		for _, a := range attributes {
			found[a.Attribute] = a.Value
		}
		return found, nil
	}
	var why struct{ Message string }
	if err := json.Unmarshal(body, &why); err != nil || why.Message == "" {
		return nil, &StatusError{Status: status, Message: "no reason given"}
	}
	about := strings.ToLower(why.Message)
	if status == http.StatusNotFound && !strings.Contains(about, "configclass") && !strings.Contains(about, "objecttype") && about != "invalid method" && about != "resource not found" {
		return nil, fmt.Errorf("%s: %w", tell(why.Message), models.ErrNotFound)
	}
	return nil, &StatusError{Status: status, Message: tell(why.Message)}
}

// Checker asks Asterisk about extensions of PJSIP realtime. It implements extension.Checker.
type Checker struct {
	REST   *REST
	Client *Client
}

var _ extension.Checker = Checker{}

// Accepted tells whether Asterisk takes the rows of an extension. Errors are those of REST.Accepted.
func (c Checker) Accepted(ctx context.Context, account string) (bool, error) {
	return c.REST.Accepted(ctx, account)
}

// Sync makes Asterisk look at an extension again for its telephone's state. Errors are those of Client.PJSIPSync.
func (c Checker) Sync(ctx context.Context, account string) error {
	return c.Client.PJSIPSync(ctx, account)
}

// Forget makes Asterisk forget an extension. Errors are those of REST.Forget.
func (c Checker) Forget(ctx context.Context, account string) error {
	return c.REST.Forget(ctx, account)
}
