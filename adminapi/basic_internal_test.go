package adminapi

import (
	"fmt"
	"testing"
	"time"

	"talktime/models"
)

// TestBasics: what is remembered is found for as long as it may be, tells nobody a password, and does not grow for ever.
func TestBasics(t *testing.T) {
	t.Parallel()
	var b basics
	now := time.Now()
	first := b.hash("marta", "secret7")
	if first != b.hash("marta", "secret7") || first == b.hash("marta", "secret8") || first == new(basics).hash("marta", "secret7") {
		t.Error("a hash is not that of a key, a name and a password")
	}
	b.remember(first, models.User{ID: 7, Epoch: 3}, now)
	if k, ok := b.find(first, now.Add(basicLife-1)); !ok || k.user != 7 || k.epoch != 3 {
		t.Errorf("found %+v, %t", k, ok)
	}
	if _, ok := b.find(first, now.Add(basicLife)); ok {
		t.Error("it is remembered for too long")
	}
	later := now.Add(basicLife / 2)
	for n := range 3 * maxBasics {
		b.remember(b.hash("u", fmt.Sprint(n)), models.User{ID: int64(n)}, later)
		if len(b.known) > maxBasics {
			t.Fatalf("%d are remembered", len(b.known))
		}
	}
	// Those whose time is over go first.
	b = basics{}
	b.remember(first, models.User{ID: 1}, now)
	for n := range maxBasics {
		b.remember(b.hash("u", fmt.Sprint(n)), models.User{ID: int64(n)}, now.Add(basicLife))
	}
	if _, ok := b.find(b.hash("u", "0"), now.Add(basicLife)); !ok || len(b.known) != maxBasics {
		t.Errorf("what was still good is forgotten: %d are left", len(b.known))
	}
}
