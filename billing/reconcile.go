package billing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"talktime/models"
)

// ReconcileGrace is how long after the end of its limit a call is left to its own reducer.
const ReconcileGrace = 60 * time.Second

// lastPatience is how long a call stays open for a witness who cannot be reached.
const lastPatience = 24 * time.Hour

const (
	claimLease     = 30 * time.Second
	reconcilePage  = 500
	reconcileLimit = 100_000 // calls looked at in one pass
)

// Reconciler looks for open calls that ended without a settlement, and settles them from what other witnesses
// know: the notes of the caller's leg, then the CDR databases, and never while the channel still lives.
type Reconciler struct {
	Service *Service
	Calls   OpenCalls
	CDRs    []CDRSource
	Live    LiveChannels // nil: nobody can tell
	Logger  *slog.Logger
	Now     Now // nil = time.Now; the clock beside the database's own
}

// ReconcileReport counts what a pass did.
type ReconcileReport struct {
	Open         int      `json:"open"`         // calls found open
	Settled      int      `json:"settled"`      // charged from evidence
	Released     int      `json:"released"`     // proven unanswered
	Unreconciled int      `json:"unreconciled"` // given up: hold released, listed
	Left         int      `json:"left"`         // still open
	Problems     []string `json:"problems"`
}

// Run makes one pass. With all, every call that is open at its beginning counts as ended, whatever its limit: the
// operator's word.
// What cannot be asked (a database, the live list) is named in the report and leaves the calls open that depend
// on it; an error means that the pass could not go on.
func (r *Reconciler) Run(ctx context.Context, all bool) (ReconcileReport, error) {
	var report ReconcileReport
	started := r.Service.now()
	now := r.Now
	if now == nil {
		now = time.Now
	}
	live, liveKnown := r.liveChannels(ctx, all, &report)
	var after int64
	for report.Open < reconcileLimit {
		page, err := r.Calls.OpenCalls(ctx, after, reconcilePage)
		if err != nil {
			return report, fmt.Errorf("list open calls: %w", err)
		}
		if len(page) == 0 {
			return report, nil
		}
		after = page[len(page)-1].ID
		report.Open += len(page)
		readable := report.readable(page)
		rows, complete := r.cdrEvidence(ctx, readable, &report)
		for _, call := range readable {
			all := all && !call.Authorized.After(started)
			row, found := rows[call.CallID]
			// Whichever clock is behind decides: Due was written by one of ours.
			overdue := min(call.OverdueBy, now().Sub(call.Due))
			over := all || overdue > ReconcileGrace || call.endedFor() > ReconcileGrace
			proven := found || call.Ended != nil
			if !over && !proven || !all && liveKnown && live[UniqueID(call.CallID)] {
				report.Left++
				continue
			}
			// With a CDR database unreachable, its rows may still come; with the live list unreachable, the phones may
			// still talk: leave the call open.
			// But not for ever: no call lasts a day longer than it may.
			giveUp := over && (complete && (liveKnown || r.Live == nil) || all || overdue > lastPatience)
			if err := r.settle(ctx, call.Call, row, found, giveUp, all, &report); err != nil {
				return report, err
			}
		}
		if len(page) < reconcilePage {
			return report, nil // what was opened meanwhile is the next pass's
		}
	}
	return report, nil
}

// readable are the calls that could be read. The others are left open and named as problems, in each pass anew.
func (report *ReconcileReport) readable(page []OpenCall) []OpenCall {
	calls := make([]OpenCall, 0, len(page))
	for _, call := range page {
		if call.Err == nil {
			calls = append(calls, call)
			continue
		}
		report.Left++
		report.Problems = append(report.Problems, call.Err.Error())
	}
	return calls
}

func (r *Reconciler) settle(
	ctx context.Context, call models.Call, row models.Evidence, found, giveUp, all bool, report *ReconcileReport,
) error {
	claimed, err := r.Calls.ClaimCall(ctx, call.ID, claimLease)
	if err != nil {
		return fmt.Errorf("claim call %s: %w", call.CallID, err)
	}
	if !claimed && !all {
		report.Left++
		return nil
	}
	by := SourceReconciler
	if all {
		by = SourceOperator
	}
	res := CallResult{CallID: call.CallID, Exact: true, Identity: Identity{CallerID: call.CallerID}, By: by, GiveUp: giveUp, Dial: call.Dials}
	if found && !Judge(call, call.Notes).Known { // the first source that knows decides
		res.Evidence = row
	}
	charge, err := r.Service.Settle(ctx, res)
	if errors.Is(err, models.ErrUnavailable) {
		return err
	}
	if err != nil {
		report.Left++
		report.Problems = append(report.Problems, fmt.Sprintf("call %s: %v", call.CallID, err))
		return nil
	}
	switch charge.State {
	case models.CallSettled:
		report.Settled++
	case models.CallReleased:
		report.Released++
	case models.CallUnreconciled:
		report.Unreconciled++
	default:
		report.Left++
		return nil
	}
	r.Logger.Info("reconciled a call", "call_id", call.CallID, "state", charge.State, "billsec", charge.Seconds,
		"charge", charge.Amount.String(), "by", by, "already", charge.Already)
	return nil
}

// cdrEvidence asks all CDR databases. The first that has rows of a call decides; complete is false when one
// could not be asked.
func (r *Reconciler) cdrEvidence(ctx context.Context, page []OpenCall, report *ReconcileReport) (map[string]models.Evidence, bool) {
	calls := make([]models.Call, len(page))
	for i, c := range page {
		calls[i] = c.Call
	}
	found, complete := make(map[string]models.Evidence), true
	if len(r.CDRs) == 0 {
		return found, complete
	}
	next, err := r.Calls.NextCalls(ctx, calls)
	if err != nil {
		report.Problems = append(report.Problems, fmt.Sprintf("list further calls of the channels: %v", err))
		return found, false
	}
	for _, source := range r.CDRs {
		rows, err := source.Evidence(ctx, calls, next)
		if err != nil {
			complete = false
			report.Problems = append(report.Problems, fmt.Sprintf("CDR database %s: %v", source.Name(), err))
			continue
		}
		for id, e := range rows {
			if _, ok := found[id]; !ok {
				found[id] = e
			}
		}
	}
	return found, complete
}

func (r *Reconciler) liveChannels(ctx context.Context, all bool, report *ReconcileReport) (map[string]bool, bool) {
	if r.Live == nil || all {
		return nil, false
	}
	live, err := r.Live.Live(ctx)
	if err != nil {
		report.Problems = append(report.Problems, fmt.Sprintf("live channels: %v", err))
		return nil, false
	}
	return live, true
}

// UniqueID is Asterisk's own id of the channel that made a Call, without what qualifies it.
func UniqueID(callID string) string {
	channel := ChannelOf(callID)
	if i := strings.LastIndexByte(channel, '/'); i >= 0 {
		return channel[i+1:]
	}
	return channel
}

// QualifiedID is the CallID of a channel: Asterisk's unique id where it carries the system's name, else with the
// address of the Asterisk before it, since bare ids of two Asterisks may collide.
func QualifiedID(peer, uniqueID string) string {
	if strings.Contains(uniqueID, "-") {
		return uniqueID
	}
	return peer + "/" + uniqueID
}
