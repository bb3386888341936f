package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"talktime/agi"
	"talktime/billing"
	"talktime/internal/spool"
	"talktime/internal/wiring"
	"talktime/models"
)

// records makes a spool keep what the scripts hand it.
type records struct{ spool *spool.Spool }

func (r records) Put(record agi.Record) error { return r.spool.Put(record) }

// work looks for lost calls and for spooled evidence, at once and then again and again until ctx ends.
func work(
	ctx context.Context, every time.Duration, service *billing.Service, reconciler *billing.Reconciler, waiting *spool.Spool, log *slog.Logger,
) {
	for {
		// Evidence of our own comes first: it knows more than any other witness.
		err := settleSpooled(ctx, service, waiting, log)
		if err != nil {
			log.Error("spooled evidence waits", "err", err)
		}
		if !errors.Is(err, models.ErrUnavailable) {
			reconcile(ctx, reconciler, log)
		}
		if !wiring.Pause(ctx, every) {
			return
		}
	}
}

func reconcile(ctx context.Context, reconciler *billing.Reconciler, log *slog.Logger) {
	report, err := reconciler.Run(ctx, false)
	switch {
	case err != nil:
		log.Error("reconciling failed", "err", err)
	case report.Settled+report.Released+report.Unreconciled > 0 || len(report.Problems) > 0:
		log.Info("reconciled", "open", report.Open, "settled", report.Settled, "released", report.Released,
			"unreconciled", report.Unreconciled, "left", report.Left, "problems", report.Problems)
	}
}

// settleSpooled settles what was spooled while the database was away.
func settleSpooled(ctx context.Context, service *billing.Service, waiting *spool.Spool, log *slog.Logger) error {
	return waiting.Each(func(file string, data []byte) error {
		var record agi.Record
		if err := json.Unmarshal(data, &record); err != nil || record == (agi.Record{}) {
			log.Error("a spooled record cannot be read and is set aside", "file", file, "err", err)
			return spool.ErrUseless
		}
		err := settleRecord(ctx, service, record, log)
		var refusal *billing.Refusal
		switch {
		case err == nil, errors.Is(err, models.ErrUnavailable), errors.Is(err, billing.ErrBusy), ctx.Err() != nil:
			return err
		case errors.As(err, &refusal), errors.Is(err, models.ErrInvalid):
			log.Error("a spooled record was refused and is set aside", "file", file, "err", err)
			return spool.ErrUseless
		}
		log.Error("a spooled record waits", "file", file, "err", err)
		return spool.ErrLater // the others need not wait for it
	})
}

func settleRecord(ctx context.Context, service *billing.Service, record agi.Record, log *slog.Logger) error {
	if record.Emergency != nil {
		return service.RecordEmergency(ctx, *record.Emergency)
	}
	charge, err := service.Settle(ctx, *record.Result)
	if err == nil {
		log.Info("settled from the spool", "call_id", record.Result.CallID, "state", charge.State, "billsec", charge.Seconds,
			"cost", charge.Amount.String(), "already", charge.Already)
	}
	return err
}
