package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"time"

	"talktime/billing"
	"talktime/money"
)

// clients is how many ask the admin API at once, each on a connection that it keeps.
const clients = 64

const requestsUnit = "requests/s"

// measureAPI: what the admin API adds to the core that it stands on.
func (b *bench) measureAPI(ctx context.Context) error {
	onServer, err := b.newDatabase(ctx, "api")
	if err != nil {
		return err
	}
	defer func() { _ = onServer.Close() }()
	inFile, err := openDatabase(ctx, "sqlite:"+filepath.Join(b.dir, "api.db"))
	if err != nil {
		return err
	}
	defer func() { _ = inFile.Close() }()
	var contenders []contender
	databases := []*database{onServer, inFile}
	names := []string{"MariaDB", "SQLite"}
	for i, db := range databases {
		if err := db.addUsers(ctx, accounts); err != nil {
			return err
		}
		s, err := b.api(ctx, db)
		if err != nil {
			return err
		}
		defer s.close()
		contenders = append(
			contenders,
			contender{"GET /api/users/NAME, " + names[i], requestsUnit, s.load(s.getUser)},
			contender{"POST /api/balance, " + names[i], requestsUnit, s.load(s.topUp)},
			contender{"the same top-up without HTTP, " + names[i], requestsUnit, s.load(s.topUpDirectly)},
		)
	}
	rows, err := b.inTurn(ctx, contenders...)
	if err != nil {
		return err
	}
	for i, db := range databases {
		if _, err := db.audit(ctx); err != nil {
			return err
		}
		get, post, direct := rows[3*i], rows[3*i+1], rows[3*i+2]
		b.figures = append(
			b.figures,
			figure{name: "GET /api/users/NAME, 64 clients, " + names[i], goal: 1000, unit: requestsUnit, got: get.got},
			figure{
				name: "POST /api/balance, 64 clients, against the same top-up without HTTP, " + names[i], goal: 0.3, unit: "×", got: post.got.over(direct.got),
				rows:    []row{get, post, direct},
				remarks: []string{"Each request shows a token, which is looked up in the database, and each top-up is in the audit log. Clients and server share this process's cores."},
			},
		)
	}
	return nil
}

func (s *apiServer) load(do func(context.Context, *rand.Rand) error) func(context.Context, time.Duration) (measured, error) {
	return func(ctx context.Context, length time.Duration) (measured, error) {
		return throughput(ctx, clients, length, do)
	}
}

func (s *apiServer) getUser(ctx context.Context, r *rand.Rand) error {
	return s.ask(ctx, http.MethodGet, "/api/users/"+username(1+r.IntN(accounts)), "", http.StatusOK)
}

func (s *apiServer) topUp(ctx context.Context, r *rand.Rand) error {
	body := fmt.Sprintf(`{"signal":"+","type_":"increase","value":1,"userId":%d}`, 1+r.IntN(accounts))
	return s.ask(ctx, http.MethodPost, "/api/balance", body, http.StatusCreated)
}

func (s *apiServer) topUpDirectly(ctx context.Context, r *rand.Rand) error {
	_, err := s.service.Move(ctx, billing.Movement{
		UserID: int64(1 + r.IntN(accounts)), Amount: money.Unit, Ref: fmt.Sprintf("direct-%d", r.Uint64()), Actor: "bench",
	})
	return err
}
