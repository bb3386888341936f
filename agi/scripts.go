package agi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"talktime/billing"
	"talktime/dialplan"
	"talktime/models"
	"talktime/money"
)

// Billing is what the scripts need of billing.Service, with its errors.
type Billing interface {
	Authorize(ctx context.Context, req billing.CallRequest) (billing.Authorization, error)
	Emergency(req billing.CallRequest) (auth billing.Authorization, ok bool, err error)
	RecordEmergency(ctx context.Context, req billing.CallRequest) error
	Advance(ctx context.Context, id billing.Identity, callID string, at int, ring int64) (models.Attempt, error)
	Settle(ctx context.Context, res billing.CallResult) (billing.Charge, error)
	Undo(ctx context.Context, id billing.Identity, auth billing.Authorization) error
	Available(ctx context.Context, id billing.Identity) (money.Amount, models.User, error)
}

// Keeper extends calls that are held in slices while they go on.
type Keeper interface {
	// Keeps is who can extend a call that a channel is about to ask for; 0: nobody. It must answer soon: somebody waits to be put through.
	Keeps(ctx context.Context, peer netip.Addr, channel, uniqueID string) int64
	// Keep begins to keep a call that was permitted to such a channel, before it is dialled. One to an emergency number, or that nobody extends,
	// is not kept, and nothing that the channel has called before is any more.
	Keep(peer netip.Addr, channel, uniqueID string, id billing.Identity, auth billing.Authorization)
}

// Spool keeps what could not be settled now, so that it survives a restart and is settled later.
type Spool interface {
	Put(record Record) error
}

// Record is one thing that the spool keeps: evidence of a call's end, or an emergency call.
type Record struct {
	Result    *billing.CallResult  `json:"result,omitempty"`
	Emergency *billing.CallRequest `json:"emergency,omitempty"`
}

// Scripts are the call scripts: caller, authorize and attempt, reducer and balance; recharge and card where there is
// somebody to ask about vouchers and cards. Set the fields before Register.
type Scripts struct {
	Billing  Billing
	Spool    Spool
	Vouchers Vouchers // nil: there is no recharge
	Cards    Cards    // nil: there is no card
	Keeper   Keeper   // nil: nobody extends calls, and each is held whole
	Logger   *slog.Logger

	Prompts       string            // folder below Asterisk's sounds; empty = refusals are silent
	Recordings    map[string]string // files below Asterisk's sounds that stand for prompts, by name (see Recordings)
	CardLanguages []string          // that the holder of a card chooses from; none: that of the channel

	routines  routines
	recording sync.WaitGroup
}

// Wait waits until the emergency calls that began are recorded or spooled, for which they have a few seconds. Call it
// when the server has ended and before Billing does.
func (s *Scripts) Wait() { s.recording.Wait() }

// Register adds the scripts to a Mux.
func (s *Scripts) Register(m *Mux) {
	m.Handle("caller", HandlerFunc(s.caller))
	m.Handle("authorize", HandlerFunc(s.authorize))
	m.Handle("authorise", HandlerFunc(s.authorize))
	m.Handle("attempt", HandlerFunc(s.attempt))
	m.Handle("reducer", HandlerFunc(s.reducer))
	m.Handle("balance", HandlerFunc(s.balance))
	if s.Vouchers != nil {
		m.Handle("recharge", HandlerFunc(s.recharge))
	}
	if s.Cards != nil {
		m.Handle("card", HandlerFunc(s.card))
	}
}

// Dial never gets an option that lets somebody transfer, park or forward the call: "i" ignores a callee's phone
// that asks to be forwarded. The limit has no warning, since a limit with one cannot be moved later.
const (
	forwardOption = "i"
	limitOption   = "L(%d)"
)

// callID names the channel of a request.
func callID(q Request) string { return billing.QualifiedID(q.RemoteAddr.Unmap().String(), q.UniqueID) }

func identity(q Request) billing.Identity {
	return billing.Identity{CallerID: q.CallerID, AccountCode: q.AccountCode, Channel: q.Channel}
}

// number is what was dialled. Where the dialplan is in an extension of its own (h, s) it is what came from the phone.
func number(q Request) string {
	if (q.Extension == "h" || q.Extension == "s") && q.DNID != "" && q.DNID != "unknown" {
		return q.DNID
	}
	return q.Extension
}

// maxTarget is how long a target may be, so that every command that names it fits into what Asterisk reads.
const maxTarget = 1500

func invalid(reason string) error { return &billing.Refusal{Err: models.ErrInvalid, Reason: reason} }

// errNoUniqueID: calls of a peer that does not tell them apart must not share a hold.
var errNoUniqueID = invalid("the channel has no unique id")

// callRequest is what the greeting asks for. The first argument is a target chosen by the dialplan, the second
// the ring time.
func callRequest(ch *Channel) (billing.CallRequest, error) {
	q := ch.Request()
	req := billing.CallRequest{CallID: callID(q), Identity: identity(q), Number: number(q)}
	if q.UniqueID == "" {
		return req, errNoUniqueID
	}
	if len(q.Args) > 0 {
		req.Target = q.Args[0]
	}
	if len(req.Target) > maxTarget {
		return req, invalid("the dial target is too long")
	}
	if len(q.Args) > 1 && q.Args[1] != "" {
		ring, err := strconv.ParseInt(q.Args[1], 10, 64)
		if err != nil || ring < 1 {
			return req, invalid("the ring time must be a whole number of seconds")
		}
		req.Ring = ring
	}
	return req, nil
}

// permit asks billing for the call, and refuses it to the dialplan when it must. ok is false when the script ends.
func (s *Scripts) permit(ctx context.Context, ch *Channel) (req billing.CallRequest, auth billing.Authorization, ok bool) {
	req, err := callRequest(ch)
	req, auth, err = s.ask(ctx, ch, req, err)
	if err != nil {
		s.refuse(ch, err)
		return req, auth, false
	}
	return req, auth, true
}

// ask asks billing for a call, and lets the keeper begin who is to extend it: from the dial on it may be answered. mistake is what is wrong
// with the request, which matters to no call for help.
func (s *Scripts) ask(
	ctx context.Context, ch *Channel, req billing.CallRequest, mistake error,
) (asked billing.CallRequest, auth billing.Authorization, err error) {
	err = mistake
	ch.Note(slog.String("call_id", short(req.CallID)))
	if emergency, is, emergencyErr := s.Billing.Emergency(req); is {
		shown, _, _ := shows(ch) // which this dial wipes out; whatever it is, the call must pass
		s.recordEmergency(req, shown)
		ch.Note(slog.Bool("emergency", true))
		auth, err = emergency, emergencyErr
		s.keep(ch, req, auth)
	} else if err == nil {
		req.Fresh = true
		if s.Keeper != nil {
			q := ch.Request()
			req.Keeper = s.Keeper.Keeps(ctx, q.RemoteAddr, q.Channel, q.UniqueID)
		}
		auth, err = s.Billing.Authorize(ctx, req)
		if errors.Is(err, billing.ErrCalledBefore) {
			req.Fresh = false
			var forHelp bool
			if req.Shows, forHelp, err = shows(ch); err == nil {
				auth, err = s.Billing.Authorize(ctx, req)
				auth.Told = auth.Told || forHelp
			}
		}
	}
	if err == nil {
		ch.SetStatus(StatusOK)
		ch.Note(slog.Int64("user_id", auth.UserID), slog.Int64("limit_seconds", auth.Seconds))
	}
	if err == nil && !auth.Emergency {
		s.keep(ch, req, auth)
	}
	if err == nil && auth.Keeper != 0 {
		ch.Note(slog.Bool("slice", true)) // of which limit_seconds is the first
	}
	return req, auth, err
}

func (s *Scripts) keep(ch *Channel, req billing.CallRequest, auth billing.Authorization) {
	if q := ch.Request(); s.Keeper != nil {
		s.Keeper.Keep(q.RemoteAddr, q.Channel, q.UniqueID, req.Identity, auth)
	}
}

// shows is what the channel shows of its last dial, if that dial has ended: the dialplan made it and nobody was told, or
// what the caller's leg saw of it was lost or is in the spool. Of a dial for help it is nil: that is no call of ours.
func shows(ch *Channel) (shown *models.Evidence, forHelp bool, err error) {
	seen, err := readEvidence(ch, billing.SourceCaller)
	timed := seen.AnsweredMS != nil || seen.Answered != nil
	if err != nil || seen.emergency || !timed && (seen.DialStatus == "" || seen.DialStatus == "ANSWER") {
		return nil, seen.emergency, err // of a channel that was redirected away from its dial only the end can tell
	}
	return &seen.Evidence, false, nil
}

// recordEmergency notes the call, and what the channel showed before it, beside the dial, for nothing may delay that.
func (s *Scripts) recordEmergency(req billing.CallRequest, shown *models.Evidence) {
	s.recording.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), emergencyTimeout)
		defer cancel()
		if shown != nil {
			s.settleShown(ctx, billing.CallResult{CallID: req.CallID, Shown: true, Identity: req.Identity, Evidence: *shown})
		}
		err := s.Billing.RecordEmergency(ctx, req)
		var refusal *billing.Refusal
		if err != nil && !errors.As(err, &refusal) {
			err = s.Spool.Put(Record{Emergency: &req})
		}
		if err != nil {
			s.Logger.Error("an emergency call was not recorded", "call_id", req.CallID, "err", err)
		}
	})
}

// settleShown settles the dial before an emergency call, or leaves it to the spool.
func (s *Scripts) settleShown(ctx context.Context, res billing.CallResult) {
	_, err := s.Billing.Settle(ctx, res)
	var refusal *billing.Refusal
	if err != nil && !errors.As(err, &refusal) {
		err = s.Spool.Put(Record{Result: &res})
	}
	if err != nil {
		s.Logger.Error("evidence of a call was neither settled nor spooled", "call_id", res.CallID, "evidence", res.Evidence, "err", err)
	}
}

const emergencyTimeout = 10 * time.Second

// refuse tells the dialplan why there is no call, and the log who it was: no call in the books tells that later. It
// never dials.
func (s *Scripts) refuse(ch *Channel, err error) {
	o := outcomeOf(err)
	if !s.deny(ch, o, number(ch.Request()), err) {
		return
	}
	file := s.ownFile(o.prompt())
	if file == "" {
		return
	}
	// The channel is not answered for a refusal, so the prompt is heard as progress.
	if _, err := ch.Exec("Progress", ""); err == nil {
		_, _ = ch.StreamFile(file, "")
	}
}

// deny sets the variables of a refusal, and notes it. It reports whether Asterisk still listens.
func (s *Scripts) deny(ch *Channel, o Outcome, number string, err error) bool {
	q := ch.Request()
	ch.SetStatus(o.Status)
	ch.Note(slog.String("reason", o.Reason), slog.String("caller_id", short(q.CallerID)),
		slog.String("account", short(q.AccountCode)), slog.String("number", short(number)))
	var refusal *billing.Refusal
	if errors.As(err, &refusal) && refusal.Detail != "" {
		ch.Note(slog.String("detail", refusal.Detail))
	}
	if refusal != nil && refusal.Rule != "" {
		ch.Note(slog.String("rule", refusal.Rule))
	}
	if o.Internal {
		ch.Note(slog.Any("err", err))
	}
	return setAll(ch, [][2]string{
		{dialplan.VarStatus, o.Status}, {dialplan.VarReason, o.Reason}, {dialplan.VarCelcomStatus, o.Celcom},
	}) == nil
}

// release takes back the permission of a call that will not be dialled.
func (s *Scripts) release(ctx context.Context, req billing.CallRequest, auth billing.Authorization) {
	if auth.Emergency {
		return
	}
	if err := s.Billing.Undo(ctx, req.Identity, auth); err != nil {
		s.Logger.Error("the hold of a call that was not dialled was not released; the reconciler will",
			"call_id", auth.CallID, "err", err)
	}
}

// giveUp ends a script whose call was permitted and not dialled. Unless that is because Asterisk or the caller has
// gone, the dialplan must not go on believing in the permission.
func (s *Scripts) giveUp(ctx context.Context, ch *Channel, req billing.CallRequest, auth billing.Authorization, err error) error {
	s.release(ctx, req, auth)
	if err = ignoreHangup(err); err != nil {
		s.refuse(ch, err)
	}
	return err
}

// settle hands evidence to billing, and to the spool when billing cannot take it now.
func (s *Scripts) settle(ctx context.Context, ch *Channel, res billing.CallResult) error {
	charge, err := s.Billing.Settle(ctx, res)
	var refusal *billing.Refusal
	if err != nil && !errors.As(err, &refusal) {
		if spoolErr := s.Spool.Put(Record{Result: &res}); spoolErr != nil {
			s.Logger.Error("evidence of a call was neither settled nor spooled", "call_id", res.CallID, "evidence", res.Evidence,
				"err", errors.Join(err, spoolErr))
			return err
		}
		ch.Note(slog.Bool("spooled", true))
		return fmt.Errorf("settled later, from the spool: %w", err)
	}
	if err != nil {
		return err
	}
	ch.Note(slog.String("state", string(charge.State)), slog.Int64("billsec", charge.Seconds),
		slog.String("cost", charge.Amount.String()), slog.Bool("already", charge.Already), slog.Bool("disputed", charge.Disputed))
	if charge.Unauthorized && !charge.Already {
		s.Logger.Warn("a call that nobody had authorised was answered: does the dialplan dial without asking?", "call_id", charge.CallID,
			"user_id", charge.UserID, "number", short(res.Number), "state", charge.State, "billsec", charge.Seconds)
	}
	if charge.State == models.CallOpen && res.Evidence.Over {
		return errNotKnown
	}
	return nil
}

// errNotKnown is for the log: the call has ended, and its money stays held until another witness is found.
var errNotKnown = errors.New("nothing says yet how long the call was; it is left to the reconciler")

// routines remembers for each Asterisk whether its dialplan has the routine that notes the callee's answer.
type routines struct {
	mu   sync.Mutex
	seen map[netip.Addr]routine
}

type routine struct {
	exists bool
	until  time.Time
}

// routineLease is how long a changed dialplan may go unnoticed.
const routineLease = time.Minute

// option is the Dial option that runs the routine, "" where the dialplan has none.
func (r *routines) option(ch *Channel) string {
	peer, now := ch.Request().RemoteAddr, ch.server.now()
	r.mu.Lock()
	known, ok := r.seen[peer]
	r.mu.Unlock()
	if !ok || now.After(known.until) {
		value, _, err := ch.GetFull("${DIALPLAN_EXISTS(" + dialplan.AnsweredRoutine + ",s,1)}")
		if err != nil {
			return ""
		}
		known = routine{exists: value == "1", until: now.Add(routineLease)}
		r.mu.Lock()
		if r.seen == nil {
			r.seen = map[netip.Addr]routine{}
		}
		r.seen[peer] = known
		r.mu.Unlock()
	}
	if !known.exists {
		return ""
	}
	return "U(" + dialplan.AnsweredRoutine + ")"
}
