package pbx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/models"
	"talktime/pbx/extension"
)

// ErrUncertain comes beside another error when nobody knows whether Asterisk has carried an order out: it went away, or did not answer
// in time. To ask for the state of things is safe then, to repeat the order is not always.
var ErrUncertain = errors.New("nobody knows whether Asterisk has done this")

// order sends an action that changes something. Errors: models.ErrInvalid for a field that cannot be; ErrAway when there was no connection,
// so that nothing was done; *RefusedError when Asterisk says no, beside models.ErrNotFound, models.ErrConflict or errors.ErrUnsupported
// where its words say why; ErrUncertain when it got the action and what became of it is not known.
func (c *Client) order(ctx context.Context, name string, fields ...Field) (Message, error) {
	s, err := c.session()
	if err != nil {
		c.stats.add(&c.stats.s.Away)
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s.order(ctx, name, fields...)
}

func (s *session) order(ctx context.Context, name string, fields ...Field) (Message, error) {
	for _, f := range fields {
		if !plain(f.Value) || len(f.Key)+len(f.Value)+len(": ")+len(lineEnd) > maxSentLine {
			return nil, fmt.Errorf("%s: %s is too long or has a control character in it: %w", name, f.Key, models.ErrInvalid)
		}
	}
	c, err := s.do(ctx, Action{Name: name, Fields: fields}, false)
	var unanswered unansweredError
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		return nil, kindOf(refused)
	case errors.As(err, &unanswered), errors.Is(err, errTooLong): // it answered, and we could not read what
		return nil, fmt.Errorf("%w: %w", ErrUncertain, err)
	case err != nil:
		return nil, err
	case !strings.EqualFold(c.answer.Get("Response"), "Success"):
		return nil, fmt.Errorf("%w: %s: Asterisk answers %q", ErrUncertain, name, s.ami.tell(c.answer.Get("Response")))
	}
	return c.answer, nil
}

// kindOf adds what callers tell apart. There is nothing but Asterisk's words to see it by; what they do not say stays a plain refusal.
func kindOf(refused *RefusedError) error {
	words := strings.ToLower(refused.Reason)
	for _, k := range []struct {
		words string
		kind  error
	}{
		{"no such command", errors.ErrUnsupported},      // the module is not there
		{"unknown command", errors.ErrUnsupported},      // the same
		{"no such", models.ErrNotFound},                 // channel, queue
		{"does not exist", models.ErrNotFound},          // Redirect: channel; Originate: extension
		{"not there", models.ErrNotFound},               // QueueRemove
		{"interface not found", models.ErrNotFound},     // QueuePause
		{"unable to retrieve", models.ErrNotFound},      // PJSIP: endpoint, aor, registration
		{"unable to find", models.ErrNotFound},          // the same
		{"entry not found", models.ErrNotFound},         // DBDelTree
		{"could not stop", models.ErrNotFound},          // StopMixMonitor: the channel is not recorded
		{"already there", models.ErrConflict},           // QueueAdd
		{"not dynamic", models.ErrConflict},             // QueueRemove of a member in a file or a table
		{"not up", models.ErrConflict},                  // Redirect of a channel that has hung up
		{"no aors configured", models.ErrConflict},      // PJSIPQualify of who has no address
		{"database unavailable", models.ErrUnavailable}, // Asterisk's own
	} {
		if strings.Contains(words, k.words) {
			return fmt.Errorf("%w (%w)", refused, k.kind)
		}
	}
	return refused
}

// plain tells whether a text has no control character in it: a line end would begin a field of its own.
func plain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// shaped returns an error unless a value can be the name of a thing of this kind, and of one only: Asterisk takes /…/ for a pattern and & for
// several, has | between the fields of queue_log, and commas between arguments.
func shaped(kind, value string) error { return shapedAs(kind, kind, value) }

// shapedAs is shaped for a value that callers know as field.
func shapedAs(field, kind, value string) error {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	of := func(allowed string, most int) bool {
		return value != "" && len(value) <= most && strings.Trim(value, letters+allowed) == ""
	}
	without := func(forbidden string, most int) bool {
		return value != "" && len(value) <= most && !strings.ContainsAny(value, forbidden) && plain(value)
	}
	ok, like := false, ""
	switch tech, resource, parts := strings.Cut(value, "/"); kind {
	case "channel": // a name, such as Local/1@agents-0000001a;2, or a unique id
		ok, like = without(`|,"&\`, 255) && tech != "" && (!parts || resource != ""), "PJSIP/204-000000bf"
	case "interface":
		ok, like = without(`|,"&;\ `, 255) && tech != "" && resource != "" && strings.Trim(tech, letters) == "", "PJSIP/204"
	case "context":
		ok, like = of("_.-", 79), "from-internal"
	case "extension":
		ok, like = of("_.*#+-", 79), "4930123456"
	case "queue", "member", "reason":
		examples := map[string]string{"queue": "sales", "member": "Iva Moss", "reason": "lunch"}
		ok, like = without(`|,"&;\`, 127), examples[kind]+", of at most 127 bytes and with none of"+` | , " & ; \`
	case "id": // of something of PJSIP, on the console too
		ok, like = of("_.+-", 80), "204"
	case "variable":
		ok, like = of("_", 79), "CTC_ID"
	case "recording":
		ok, like = of("_./+-", 255), "2026/11/22/call.wav"
	}
	if !ok {
		return fmt.Errorf("%s must be like %s, but is %.80q: %w", field, like, value, models.ErrInvalid)
	}
	return nil
}

// Hangup ends a channel, which is given by its name or its unique id. The cause is that of Q.850, 1 to 127, or 0 for Asterisk's own.
// models.ErrNotFound when there is no such channel (any more). It needs the right to write "call" or "system".
func (c *Client) Hangup(ctx context.Context, channel string, cause int) error {
	if err := shaped("channel", channel); err != nil {
		return err
	}
	if cause < 0 || cause > 127 {
		return fmt.Errorf("cause %d is none of 1 to 127: %w", cause, models.ErrInvalid)
	}
	fields := []Field{{"Channel", channel}}
	if cause > 0 {
		fields = append(fields, Field{"Cause", strconv.Itoa(cause)})
	}
	_, err := c.order(ctx, "Hangup", fields...)
	return err
}

// AbsoluteTimeout lets a channel, which is given by its name or its unique id, live for so long from now on, in milliseconds, whatever limit it
// had. Less than a millisecond is models.ErrInvalid: Hangup does that. models.ErrNotFound when there is no such channel (any more); of one that
// is about to end Asterisk may say that it was done. It needs the right to write "call".
func (c *Client) AbsoluteTimeout(ctx context.Context, channel string, rest time.Duration) error {
	if err := shaped("channel", channel); err != nil {
		return err
	}
	ms := rest.Milliseconds()
	if ms < 1 {
		return fmt.Errorf("a channel cannot live for another %s: %w", rest, models.ErrInvalid)
	}
	const perSecond = 1000
	_, err := c.order(ctx, "AbsoluteTimeout", Field{"Channel", channel}, Field{"Timeout", fmt.Sprintf("%d.%03d", ms/perSecond, ms%perSecond)})
	return err
}

// NoExtensionError means that the dialplan has no such place. It is a models.ErrNotFound.
type NoExtensionError struct{ Context, Exten string }

func (e *NoExtensionError) Error() string {
	return "there is no extension " + e.Exten + " in the context " + e.Context
}

// Unwrap makes it a models.ErrNotFound.
func (e *NoExtensionError) Unwrap() error { return models.ErrNotFound }

// Redirect sends a channel, which is given by its name or its unique id, to another place of the dialplan. Asterisk itself would end the call
// where there is no such place: so it is asked before, and nothing is done when it says no, which is a *NoExtensionError. models.ErrNotFound
// when there is no such channel, models.ErrConflict when it is about to end. It needs the right to write "call".
func (c *Client) Redirect(ctx context.Context, channel, dialplan, exten string, priority int) error {
	err := errors.Join(shaped("channel", channel), shaped("context", dialplan), shapedAs("exten", "extension", exten))
	if priority < 1 {
		err = errors.Join(err, fmt.Errorf("priority %d is not from 1 on: %w", priority, models.ErrInvalid))
	}
	if err != nil {
		return err
	}
	place := fmt.Sprintf("DIALPLAN_EXISTS(%s,%s,%d)", dialplan, exten, priority)
	answer, err := c.Do(ctx, Action{Name: "Getvar", Fields: []Field{{"Channel", channel}, {"Variable", place}}})
	var refused *RefusedError
	switch {
	case err != nil && !errors.As(err, &refused): // who refuses that says more of the order itself
		return err
	case answer.Get("Value") == "0": // "" without the module func_dialplan: then nobody knows
		return &NoExtensionError{dialplan, exten}
	}
	_, err = c.order(ctx, "Redirect", Field{"Channel", channel}, Field{"Context", dialplan}, Field{"Exten", exten}, Field{"Priority", strconv.Itoa(priority)})
	return err
}

// Originate is a call to be made: first the telephone of Channel rings; when it is answered, the dialplan goes on at Exten.
type Originate struct {
	ChannelID string // ours; becomes the unique id of the channel and of its CDR
	Channel   string // PJSIP/2003
	Context   string
	Exten     string
	Priority  int           // 0: 1
	Number    string        // of the caller, for the CDR: that of the extension, not where the call goes
	Name      string        // of the caller, or empty
	Account   string        // for the CDR
	Ring      time.Duration // how long the telephone may ring, whole seconds; 0: 30 s
	Variables []Field       // of the channel, by their names
}

func (o Originate) check() error {
	err := errors.Join(shaped("id", o.ChannelID), shapedAs("channel", "interface", o.Channel), shaped("context", o.Context), shapedAs("exten", "extension", o.Exten))
	if o.Number != "" {
		err = errors.Join(err, shapedAs("caller_id", "extension", o.Number))
	}
	if o.Priority < 0 || o.Ring < 0 || o.Ring > maxRing || !plain(o.Account) || !plain(o.Name) || strings.ContainsAny(o.Name, `"<>\`) {
		err = errors.Join(err, fmt.Errorf("priority, time, account or name of a call: %w", models.ErrInvalid))
	}
	for _, v := range o.Variables {
		err = errors.Join(err, shaped("variable", v.Key))
		if !plain(v.Value) || strings.ContainsAny(v.Value, `,"\`) { // Asterisk reads several variables there
			err = errors.Join(err, fmt.Errorf("the value of variable %s has a comma, a quote or a control character in it: %w", v.Key, models.ErrInvalid))
		}
	}
	return err
}

func (o Originate) fields() []Field {
	caller := o.Number
	if o.Name != "" {
		caller = fmt.Sprintf(`"%s" <%s>`, o.Name, o.Number)
	}
	fields := []Field{
		{"Channel", o.Channel},
		{"Context", o.Context},
		{"Exten", o.Exten},
		{"Priority", strconv.Itoa(max(o.Priority, 1))},
		{"CallerID", caller},
		{"Account", o.Account},
		{"ChannelId", o.ChannelID},
		{"Timeout", strconv.FormatInt(o.ring().Milliseconds(), 10)},
		{"Async", "true"},
	}
	for _, v := range o.Variables {
		fields = append(fields, Field{"Variable", v.Key + "=" + v.Value})
	}
	return fields
}

const (
	maxRing     = 5 * time.Minute
	defaultRing = 30 * time.Second
	grace       = 10 * time.Second // beyond the ringing, for the event that ends it
)

func (o Originate) ring() time.Duration {
	if o.Ring == 0 {
		return defaultRing
	}
	return max(o.Ring.Truncate(time.Second), time.Second)
}

// UnansweredError means that the first telephone of a call was not answered. There is no call.
type UnansweredError struct {
	Reason int // Asterisk's: 0 not registered, unknown or busy; 3 it rang in vain; 5 busy; 8 congestion
}

func (e *UnansweredError) Error() string {
	switch e.Reason {
	case 3:
		return "the telephone rang and was not answered"
	case 5:
		return "the telephone is busy"
	default:
		return "the telephone cannot be reached: it is not registered, unknown or busy"
	}
}

// told is why an order to make the call was not taken.
func (o Originate) told(err error) error {
	var refused *RefusedError
	if errors.As(err, &refused) && strings.Contains(strings.ToLower(refused.Reason), "extension does not exist") {
		return &NoExtensionError{o.Context, o.Exten}
	}
	return err
}

// Originate makes a call and returns when its first telephone was answered, from when on it is a call as any other, by the unique id
// ChannelID. *UnansweredError when it was not, *NoExtensionError when it could lead nowhere. ErrUncertain when that is not known: the telephone may ring on; ask for ChannelID, or hang it
// up. Without an end in ctx it returns some seconds after the telephone has stopped ringing. It needs the right to write "originate", and to
// read "call".
func (c *Client) Originate(ctx context.Context, o Originate) error {
	if err := o.check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.ring()+grace)
	defer cancel()
	events := c.Subscribe(64, "OriginateResponse")
	defer events.Close()
	s, err := c.session()
	if err != nil {
		c.stats.add(&c.stats.s.Away)
		return fmt.Errorf("Originate: %w", err)
	}
	// The subscription has events switched on beside us, perhaps too late for the answer of a telephone that is away.
	if _, err := s.do(ctx, Action{Name: "Events", Fields: []Field{{"EventMask", c.wanted()}}}, false); err != nil {
		return err
	}
	answer, err := s.order(ctx, "Originate", o.fields()...)
	if err != nil {
		return o.told(err)
	}
	for {
		select {
		case e, open := <-events.Events():
			if over, err := c.answered(e, open, answer.Get("ActionID")); over {
				return err
			}
		case <-s.ended:
			for len(events.Events()) > 0 { // what came before the end
				e, open := <-events.Events()
				if over, err := c.answered(e, open, answer.Get("ActionID")); over {
					return err
				}
			}
			return fmt.Errorf("%w: Originate: %w", ErrUncertain, s.lost())
		case <-ctx.Done():
			return fmt.Errorf("%w: Originate: Asterisk has not said whether the telephone was answered: %w", ErrUncertain, context.Cause(ctx))
		}
	}
}

// OriginateAsync makes a call as Originate does, and returns when Asterisk has taken the order: whether the telephone is answered shows later,
// by the channel with the unique id ChannelID. *NoExtensionError when it could lead nowhere, ErrUncertain when it is not known whether it was taken. It needs the right to write "originate".
func (c *Client) OriginateAsync(ctx context.Context, o Originate) error {
	if err := o.check(); err != nil {
		return err
	}
	_, err := c.order(ctx, "Originate", o.fields()...)
	return o.told(err)
}

// answered reads what became of a call, and tells whether there is nothing more to wait for.
func (c *Client) answered(e Event, open bool, id string) (over bool, err error) {
	switch ours := e.Get("ActionID") == id; {
	case !open:
		return true, fmt.Errorf("%w: Originate: %w", ErrUncertain, errClosed)
	case ours && strings.EqualFold(e.Get("Response"), "Success"):
		return true, nil
	case ours:
		return true, &UnansweredError{Reason: fields{e.Message, &c.stats}.number("Reason")}
	case e.Missed > 0:
		return true, fmt.Errorf("%w: Originate: too many events at once, some were lost", ErrUncertain)
	default:
		return false, nil
	}
}

// NewMember is who is to answer calls of a queue.
type NewMember struct {
	Interface      string // PJSIP/204
	Name           string // to show and to log; empty: the interface
	StateInterface string // the device whose state counts; empty: the interface
	Penalty        int    // from 0 on; who has less is asked first
	Paused         bool
}

// QueueAdd makes somebody a member of a queue until Asterisk restarts, or longer with persistentmembers=yes. models.ErrNotFound when there is
// no such queue, models.ErrConflict when the queue has that member. The three of queue members need the right to write "agent".
func (c *Client) QueueAdd(ctx context.Context, queue string, m NewMember) error {
	err := errors.Join(shaped("queue", queue), shaped("interface", m.Interface))
	if m.StateInterface != "" {
		err = errors.Join(err, shapedAs("state_interface", "interface", m.StateInterface))
	}
	if m.Name != "" {
		err = errors.Join(err, shapedAs("name", "member", m.Name))
	}
	if m.Penalty < 0 {
		err = errors.Join(err, fmt.Errorf("penalty %d is below 0: %w", m.Penalty, models.ErrInvalid))
	}
	if err != nil {
		return err
	}
	_, err = c.order(ctx, "QueueAdd", Field{"Queue", queue}, Field{"Interface", m.Interface}, Field{"MemberName", m.Name},
		Field{"StateInterface", m.StateInterface}, Field{"Penalty", strconv.Itoa(m.Penalty)}, Field{"Paused", strconv.FormatBool(m.Paused)})
	return err
}

// QueueRemove takes a dynamic member off a queue. models.ErrNotFound when there is no such queue or member, models.ErrConflict when the member
// is one of a file or a table and has to be removed there.
func (c *Client) QueueRemove(ctx context.Context, queue, member string) error {
	if err := errors.Join(shaped("queue", queue), shaped("interface", member)); err != nil {
		return err
	}
	_, err := c.order(ctx, "QueueRemove", Field{"Queue", queue}, Field{"Interface", member})
	return err
}

// QueuePause lets a member take no calls, or calls again, in one queue or, with "", in all. The reason may be empty. models.ErrNotFound when
// there is no such member.
func (c *Client) QueuePause(ctx context.Context, queue, member string, paused bool, reason string) error {
	err := shaped("interface", member)
	if queue != "" {
		err = errors.Join(err, shaped("queue", queue))
	}
	if reason != "" {
		err = errors.Join(err, shaped("reason", reason))
	}
	if err != nil {
		return err
	}
	fields := []Field{{"Interface", member}, {"Paused", strconv.FormatBool(paused)}, {"Reason", reason}}
	if queue != "" {
		fields = append(fields, Field{"Queue", queue})
	}
	_, err = c.order(ctx, "QueuePause", fields...)
	return err
}

// AstDB is Asterisk's own database, by a Client. It implements extension.AstDB, and needs the right to write "system".
type AstDB struct{ Client *Client }

var _ extension.AstDB = AstDB{}

// Put sets an entry.
func (d AstDB) Put(ctx context.Context, e extension.DBEntry) error {
	if err := errors.Join(family(e.Family), family(e.Key)); err != nil {
		return err
	}
	_, err := d.Client.order(ctx, "DBPut", Field{"Family", e.Family}, Field{"Key", e.Key}, Field{"Val", e.Value})
	return err
}

// DeleteTree removes all entries of a family, at least one level below the top. That there are none is no error.
func (d AstDB) DeleteTree(ctx context.Context, tree string) error {
	if err := family(tree); err != nil {
		return err
	}
	if !strings.Contains(tree, "/") {
		return fmt.Errorf("the family %q of Asterisk's database belongs to others, too: %w", tree, models.ErrInvalid)
	}
	_, err := d.Client.order(ctx, "DBDelTree", Field{"Family", tree})
	if errors.Is(err, models.ErrNotFound) {
		return nil
	}
	return err
}

// family refuses what Asterisk would take for more than one: it deletes by LIKE, and of an empty family everything.
func family(name string) error {
	const most = 120 // Asterisk allows 256 for family and key
	if !plain(name) || !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, `%_"\`) || len(name) > most {
		return fmt.Errorf("%.80q cannot be a family or key of Asterisk's database: %w", name, models.ErrInvalid)
	}
	return nil
}

// PJSIPQualify asks the addresses of an endpoint whether they are there: what is known of it is new then. models.ErrNotFound when there is
// no such endpoint. It needs the right to write "system" or "reporting".
func (c *Client) PJSIPQualify(ctx context.Context, endpoint string) error {
	if err := shaped("id", endpoint); err != nil {
		return err
	}
	_, err := c.order(ctx, "PJSIPQualify", Field{"Endpoint", endpoint})
	return err
}

// PJSIPSync lets Asterisk look at an aor of a table again for the state of its telephone: it knows only those that were there when it started.
// models.ErrNotFound when there is no such aor. It needs the right to write "command".
func (c *Client) PJSIPSync(ctx context.Context, aor string) error {
	if err := shaped("id", aor); err != nil {
		return err
	}
	answer, err := c.order(ctx, "Command", Field{"Command", "pjsip reload qualify aor " + aor})
	if err != nil {
		return err
	}
	said := strings.Join(answer.Values("Output"), " ") // a command that fails may be a success to the manager interface
	if !strings.Contains(said, "Synchronizing AOR") {
		return kindOf(&RefusedError{Action: "pjsip reload qualify aor", Reason: c.ami.tell(said)})
	}
	return nil
}

// PJSIPRegister lets Asterisk register at a provider anew, by the name of the registration: after a new password, or when the provider had
// refused it. models.ErrNotFound when it does not know the registration; see REST.Register. It needs the right to write "system".
func (c *Client) PJSIPRegister(ctx context.Context, registration string) error {
	if err := shaped("id", registration); err != nil {
		return err
	}
	_, err := c.order(ctx, "PJSIPRegister", Field{"Registration", registration})
	return err
}

// MixMonitor records a channel into a file, given below Asterisk's folder of recordings, while it is connected to another. It returns by what
// StopMixMonitor ends this recording. The name should have something unique in it: what is there is written over. models.ErrNotFound when
// there is no such channel. It needs the right to write "system", as StopMixMonitor does.
func (c *Client) MixMonitor(ctx context.Context, channel, file string) (id string, err error) {
	if err := errors.Join(shaped("channel", channel), recordingFile(file)); err != nil {
		return "", err
	}
	answer, err := c.order(ctx, "MixMonitor", Field{"Channel", channel}, Field{"File", file}, Field{"Options", "b"})
	if err != nil {
		return "", err
	}
	return answer.Get("MixMonitorID"), nil
}

// StopMixMonitor ends a recording, or with "" one of those of the channel. models.ErrNotFound when there is no such channel or recording.
func (c *Client) StopMixMonitor(ctx context.Context, channel, id string) error {
	err := shaped("channel", channel)
	if id != "" {
		err = errors.Join(err, shaped("id", id))
	}
	if err != nil {
		return err
	}
	_, err = c.order(ctx, "StopMixMonitor", Field{"Channel", channel}, Field{"MixMonitorID", id})
	return err
}

// SetRecordingFile writes the name of a recording into the CDR of a channel's call, where there is a column recordingfile.
func (c *Client) SetRecordingFile(ctx context.Context, channel, file string) error {
	if err := errors.Join(shaped("channel", channel), recordingFile(file)); err != nil {
		return err
	}
	_, err := c.order(ctx, "Setvar", Field{"Channel", channel}, Field{"Variable", "CDR(recordingfile)"}, Field{"Value", file})
	return err
}

// recordingFile refuses what is not a file below the folder: Asterisk would take a path from anywhere, and what is behind a comma as options.
func recordingFile(file string) error {
	if err := shaped("recording", file); err != nil {
		return err
	}
	if !fs.ValidPath(file) || !slices.Contains(DefaultExtensions(), strings.TrimPrefix(path.Ext(file), ".")) {
		return fmt.Errorf("%.80q is no path of a recording below the folder: %w", file, models.ErrInvalid)
	}
	return nil
}
