package storetest

import (
	"fmt"
	"testing"
	"time"

	"talktime/models"
	"talktime/tariff"
)

// importWithoutAnAnswer: the last commit of an import is carried out, and its answer lost. The version is there whole, and the
// importer is told so: what may count must never be cleaned up.
func importWithoutAnAnswer(t *testing.T, d Database) {
	direct := d.Migrated(t)
	p := newProxy(t, d.Config.Addr)
	through := d
	through.Config.Addr = p.addr()
	s := through.Open(t)
	if _, err := direct.AddDeck(t.Context(), models.RateDeck{Name: "retail", Currency: "EUR", Zone: "UTC", Default: true}, "test"); err != nil {
		t.Fatal(err)
	}
	const rates = 2000 // a part, which is written when the last is yielded: the next commit is the last
	v, err := s.ImportActiveDeckVersion(t.Context(), "retail", "", "test", time.Time{}, func(yield func(models.DeckRate) error) error {
		for i := range rates {
			r := models.DeckRate{Rate: models.Rate{Prefix: fmt.Sprintf("4%04d", i), PerMinute: 100_000, First: 1, Increment: 1}}
			if err := yield(r); err != nil {
				return err
			}
		}
		p.cutNextCommit(true)
		return nil
	})
	if err != nil || v.Number != 1 || p.cuts() != 1 {
		t.Errorf("%+v, %v; %d answers were lost", v, err, p.cuts())
	}
	tariffs := &tariff.Tariffs{}
	if _, err := tariffs.Refresh(t.Context(), direct); err != nil {
		t.Fatal(err)
	}
	for _, number := range []string{"40000", "41999"} {
		if _, err := tariffs.Rate(models.User{Currency: "EUR"}, number, time.Now().Add(time.Second)); err != nil {
			t.Errorf("%s: %v", number, err)
		}
	}
}
