package adminapi

import (
	"context"
	"net/http"
	"time"
)

const readyTimeout = 1500 * time.Millisecond // those who ask give up after 2 s

type healthJSON struct {
	Status  string `json:"status"`
	Message string `json:"message,omitempty"`
}

func healthz(r *request) error {
	r.json(http.StatusOK, healthJSON{Status: "ok"})
	return nil
}

func readyz(r *request) error {
	ctx, cancel := context.WithTimeout(r.ctx(), readyTimeout)
	defer cancel()
	if err := r.api.Ready(ctx); err != nil {
		r.json(http.StatusServiceUnavailable, healthJSON{"unavailable", err.Error()})
		return nil
	}
	return healthz(r)
}
