package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"talktime/adminapi"
	"talktime/billing"
	"talktime/models"
)

// apiServer is the admin API on a database, served by HTTP from this process, with a token for everything that is asked.
type apiServer struct {
	db      *database
	service *billing.Service
	server  *http.Server
	client  *http.Client
	url     string
	token   string
}

func (b *bench) api(ctx context.Context, db *database) (*apiServer, error) {
	s := &apiServer{db: db, service: db.service(db.Lanes(), 0)}
	_, secret, err := db.NewToken(ctx, models.NewToken{Name: "bench", Scopes: []string{"read", "money"}}, "bench")
	if err != nil {
		return nil, err
	}
	s.token = secret
	handler, err := adminapi.New(adminapi.Deps{
		Users: db, Sessions: db, Ledger: db, Calls: db, Money: s.service, Tokens: db, Groups: db, Location: time.UTC,
		Ready: func(context.Context) error { return nil }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + listener.Addr().String()
	s.server = &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.server.Serve(listener) }() // until close
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}}
	return s, nil
}

func (s *apiServer) close() {
	s.client.CloseIdleConnections()
	_ = s.server.Close()
	s.service.Close()
}

// ask sends a request and reads its answer, which must have a status.
func (s *apiServer) ask(ctx context.Context, method, path, body string, want int) error {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if answer.StatusCode != want {
		return fmt.Errorf("%s %s: %s: %.200s", method, path, answer.Status, text)
	}
	return nil
}
