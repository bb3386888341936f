package adminapi

import (
	"context"
	"net/http"

	"talktime/models"
	"talktime/queues/feed"
)

// QueueFeed is how far the queue_log was read.
type QueueFeed interface {
	QueueFigures(ctx context.Context) (models.QueueFigures, error)
	QueueLogFiles(ctx context.Context) ([]feed.File, error)
	// QueueBadLines are the latest lines that were none, the latest first.
	QueueBadLines(ctx context.Context, most int) ([]feed.KeptLine, error)
}

// maxBadLines is how many of them are shown.
const maxBadLines = 100

func showQueueImport(r *request) error {
	figures, err := r.api.QueueFeed.QueueFigures(r.ctx())
	if err != nil {
		return err
	}
	files, err := r.api.QueueFeed.QueueLogFiles(r.ctx())
	if err != nil {
		return err
	}
	bad, err := r.api.QueueFeed.QueueBadLines(r.ctx(), maxBadLines)
	if err != nil {
		return err
	}
	r.answer(http.StatusOK, feed.StatusOf(figures, files, bad, r.queueZone(), r.api.Now()))
	return nil
}
