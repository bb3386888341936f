package adminapi

import (
	"context"
	"net/http"
	"time"

	"talktime/models"
	"talktime/tariff"
)

// Rerates adjust what settled calls cost to another version of a tariff.
type Rerates interface {
	// PreviewRerate tells what a re-rating would do, and its digest. models.ErrConflict when no version counts in that time.
	PreviewRerate(ctx context.Context, f models.RerateFilter, each func(models.RepricedCall) error) (models.ReratePreview, error)
	// PostRerate does it under a name, once, or finishes it; models.ErrConflict when that is not what was expected.
	PostRerate(ctx context.Context, name string, f models.RerateFilter, expect, actor string, told func(models.Rerate)) (models.Rerate, error)
	Rerates(context.Context) ([]models.Rerate, error)
	Rerate(ctx context.Context, name string) (models.Rerate, error)
	// CallAdjustments are those of one call, oldest first.
	CallAdjustments(ctx context.Context, id int64) ([]models.Adjustment, error)
}

// rerateFilter reads which calls are meant, and what prices them. Times without a zone are in the tariff's.
func (r *request) rerateFilter(more ...string) (o object, f models.RerateFilter, err error) {
	if o, err = r.object(); err != nil {
		return o, f, err
	}
	if err := o.unknown(append(more, "from", "to", "user", "group", "prefix", "tariff", "version")...); err != nil {
		return o, f, err
	}
	if err := o.missing(append(more, "from", "to", "tariff")...); err != nil {
		return o, f, err
	}
	var from, to string
	for _, field := range []struct {
		name string
		into *string
	}{{"from", &from}, {"to", &to}, {"tariff", &f.Tariff}, {"user", &f.User}, {"group", &f.Group}, {"prefix", &f.Prefix}} {
		if !o.has(field.name) {
			continue
		}
		if *field.into, err = o.text(field.name); err != nil {
			return o, f, err
		}
	}
	if o.has("version") {
		version, err := o.whole("version", 0, 1<<31-1)
		if err != nil {
			return o, f, err
		}
		f.Version = int(version)
	}
	deck, err := r.api.Tariffs.Deck(r.ctx(), f.Tariff)
	if err != nil {
		return o, f, err
	}
	zone, err := time.LoadLocation(deck.Zone)
	if err != nil {
		return o, f, err
	}
	if f.From, err = tariff.ParseTime(from, zone); err != nil {
		return o, f, badRequest("from: " + err.Error())
	}
	if f.To, err = tariff.ParseTime(to, zone); err != nil {
		return o, f, badRequest("to: " + err.Error())
	}
	return o, f, f.Validate()
}

func previewRerate(r *request) error {
	_, f, err := r.rerateFilter()
	if err != nil {
		return err
	}
	r.changing = false
	preview, err := r.api.Rerates.PreviewRerate(r.ctx(), f, nil)
	if err == nil {
		r.answer(http.StatusOK, preview)
	}
	return err
}

func postRerate(r *request) error {
	if err := r.mayMove("a re-rating posts money"); err != nil {
		return err
	}
	o, f, err := r.rerateFilter("name", "expect")
	if err != nil {
		return err
	}
	name, err := o.text("name")
	if err != nil {
		return err
	}
	expect, err := o.text("expect")
	if err != nil {
		return err
	}
	done, err := r.api.Rerates.PostRerate(r.ctx(), name, f, expect, r.who.actor(), nil)
	if err != nil {
		return err
	}
	r.Header("Location", r.location(done.Name))
	r.answer(http.StatusCreated, done)
	return nil
}

func listRerates(r *request) error {
	l, err := r.plainList()
	if err != nil {
		return err
	}
	all, err := r.api.Rerates.Rerates(r.ctx())
	if err != nil {
		return err
	}
	key := func(run models.Rerate) int64 { return run.ID }
	return answerList(r, l, pageOf(l, all, key), key, func(run models.Rerate) models.Rerate { return run })
}

func getRerate(r *request) error {
	run, err := r.api.Rerates.Rerate(r.ctx(), r.Param("rerate"))
	if err == nil {
		r.answer(http.StatusOK, run)
	}
	return err
}
