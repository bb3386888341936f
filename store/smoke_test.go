package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

func TestSmoke(t *testing.T) {
	db, err := store.Open(store.Config{Path: filepath.Join(t.TempDir(), "x", "t.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx := context.Background()
	fmt.Println(db.CheckSchema(ctx))
	names, err := db.Migrate(ctx)
	fmt.Println(names, err)
	fmt.Println(db.CheckSchema(ctx))
	fmt.Println(db.Clock(ctx))
	if _, err := db.AddUser(ctx, models.NewUser{Username: "marta", CLID: "555000204", Balance: 180 * money.Unit}, "test"); err != nil {
		t.Fatal(err)
	}
	s := billing.New(billing.Options{Store: db, Policy: billing.Policy{MaxCallSeconds: 60, RingSeconds: 40, Identify: []string{"callerid"}, Dial: "PJSIP/{number}@trunk", DialTechs: []string{"PJSIP"}}})
	defer s.Close()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			a, err := s.Authorize(ctx, billing.CallRequest{CallID: fmt.Sprintf("pbx-%d.1", i), Identity: billing.Identity{CallerID: "555000204"}, Number: "123"})
			if err == nil {
				fmt.Println(a)
			}
			five := int64(5000 + i)
			c, err := s.Settle(ctx, billing.CallResult{CallID: fmt.Sprintf("pbx-%d.1", i), Identity: billing.Identity{CallerID: "555000204"}, Evidence: models.Evidence{Source: "caller", DialStatus: "ANSWER", AnsweredMS: &five}})
			if i < 3 {
				fmt.Println(c, err)
			}
		})
	}
	wg.Wait()
	b, err := db.UserByName(ctx, "marta")
	fmt.Println(b.Balance, b.Held, b.Available, err)
	r, err := db.Audit(ctx)
	fmt.Printf("%+v %v\n", r, err)
}
