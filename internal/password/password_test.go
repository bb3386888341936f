package password

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
)

func TestHashAndVerify(t *testing.T) {
	t.Parallel()
	h := New(2)
	hash, err := h.Hash(t.Context(), "secret7")
	if err != nil {
		t.Fatal(err)
	}
	if want := "$argon2id$v=19$m=19456,t=2,p=1$"; !strings.HasPrefix(hash, want) {
		t.Errorf("the hash %q does not begin with %q", hash, want)
	}
	again, err := h.Hash(t.Context(), "secret7")
	if err != nil || again == hash {
		t.Errorf("two hashes of one password are the same: %v", err)
	}
	for password, want := range map[string]bool{"secret7": true, "secret8": false, "": false, "secret7 ": false} {
		if ok, err := h.Verify(t.Context(), hash, password); ok != want || err != nil {
			t.Errorf("Verify(%q) = %v, %v; want %v", password, ok, err, want)
		}
	}
	if NeedsRehash(hash) {
		t.Error("a new hash needs no rehash")
	}
}

// TestKnownHash holds the text form to the library, so that hashes of older versions stay readable.
func TestKnownHash(t *testing.T) {
	t.Parallel()
	salt := []byte("0123456789abcdef")
	key := argon2.IDKey([]byte("pässword"), salt, 3, 64, 2, 24)
	b64 := base64.RawStdEncoding
	hash := "$argon2id$v=19$m=64,t=3,p=2$" + b64.EncodeToString(salt) + "$" + b64.EncodeToString(key)
	if ok, err := New(1).Verify(t.Context(), hash, "pässword"); !ok || err != nil {
		t.Errorf("a hash with other costs is not verified: %v", err)
	}
	if !NeedsRehash(hash) {
		t.Error("a hash with other costs needs a rehash")
	}
}

func TestVerifyNeverAcceptsWithoutHash(t *testing.T) {
	t.Parallel()
	h := New(1)
	good := "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
	for name, hash := range map[string]string{
		"another method":    "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"plain text":        "secret7",
		"too much memory":   strings.Replace(good, "m=19456", "m=4000000", 1),
		"no time":           strings.Replace(good, "t=2", "t=0", 1),
		"a sign":            strings.Replace(good, "t=2", "t=+2", 1),
		"salt is no base64": strings.Replace(good, "$MDEy", "$!DEy", 1),
		"short key":         good[:len(good)-30],
		"something behind":  good + "$",
	} {
		ok, err := h.Verify(t.Context(), hash, "secret7")
		if ok || !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, %v; want false, ErrFormat", name, ok, err)
		}
		if !NeedsRehash(hash) {
			t.Errorf("%s: needs a rehash", name)
		}
	}
	if ok, err := h.Verify(t.Context(), "", ""); ok || err != nil {
		t.Errorf("an empty hash: %v, %v; want false, nil", ok, err)
	}
}

// TestUnknownUserTakesAsLong: the time must not tell who exists. It is bounded loosely, since machines differ.
func TestUnknownUserTakesAsLong(t *testing.T) {
	h := New(1)
	hash, err := h.Hash(t.Context(), "secret7")
	if err != nil {
		t.Fatal(err)
	}
	took := func(hash string) time.Duration {
		best := time.Hour
		for range 3 {
			start := time.Now()
			if _, err := h.Verify(t.Context(), hash, "wrong password"); err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	if known, unknown := took(hash), took(""); unknown < known/3 || unknown > known*3 {
		t.Errorf("a known user takes %s, an unknown one %s", known, unknown)
	}
}

func TestOnlySoManyAtOnce(t *testing.T) {
	t.Parallel()
	h := New(2)
	h.places <- struct{}{}
	h.places <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	var done atomic.Int32
	for range 4 {
		waiting.Go(func() {
			_, err := h.Hash(ctx, "secret7")
			if errors.Is(err, context.Canceled) {
				done.Add(1)
			}
		})
	}
	cancel()
	waiting.Wait()
	if done.Load() != 4 {
		t.Errorf("%d of 4 hashes waited for a place", done.Load())
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for password, good := range map[string]bool{
		"12345": false, "123456": true, "ääääää": true, "ääääa": false, "": false,
		strings.Repeat("x", 1024): true, strings.Repeat("x", 1025): false, "abcdef\xff": false,
	} {
		if err := Check(password); (err == nil) != good {
			t.Errorf("Check(%.20q) = %v", password, err)
		}
	}
	for range 100 {
		one, other := Generate(), Generate()
		if err := Check(one); err != nil || one == other {
			t.Fatalf("the generated passwords %q, %q are not good: %v", one, other, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY")
	f.Add("$argon2id$v=19$m=0,t=1,p=1$00000000000$000000000000000000000\r00") // base64 passes over line ends
	f.Fuzz(func(t *testing.T, hash string) {
		p, salt, key, err := decode(hash)
		if err == nil && encode(p, salt, key) != hash {
			t.Errorf("%q reads back as %q", hash, encode(p, salt, key))
		}
	})
}
