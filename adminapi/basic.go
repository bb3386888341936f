package adminapi

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"maps"
	"net/http"
	"sync"
	"time"

	"talktime/models"
)

// A password that was right is remembered for a while, since programs show it with each request and comparing it
// takes a core for a while.
const (
	basicLife = 5 * time.Minute
	maxBasics = 1024
)

// basics remembers names with passwords that were right, as keyed hashes: nobody can find the passwords out from them.
type basics struct {
	mu    sync.Mutex
	key   []byte
	known map[[sha256.Size]byte]knownBasic
}

// knownBasic is who had a password. A raised epoch says that it may be another one by now.
type knownBasic struct {
	user, epoch int64
	until       time.Time
}

func (b *basics) hash(name, secret string) (sum [sha256.Size]byte) {
	b.mu.Lock()
	if b.key == nil {
		b.key = make([]byte, sha256.Size)
		_, _ = rand.Read(b.key) // never fails
	}
	mac := hmac.New(sha256.New, b.key)
	b.mu.Unlock()
	mac.Write([]byte(name + ":" + secret)) // no name that is taken from the header has a colon
	mac.Sum(sum[:0])
	return sum
}

func (b *basics) find(hash [sha256.Size]byte, now time.Time) (known knownBasic, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known, ok = b.known[hash]
	return known, ok && now.Before(known.until)
}

func (b *basics) forget(hash [sha256.Size]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.known, hash)
}

// remember keeps what is known for a while; all is forgotten rather than that it grows without end.
func (b *basics) remember(hash [sha256.Size]byte, user models.User, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.known) >= maxBasics {
		maps.DeleteFunc(b.known, func(_ [sha256.Size]byte, k knownBasic) bool { return !now.Before(k.until) })
	}
	if b.known == nil || len(b.known) >= maxBasics {
		b.known = make(map[[sha256.Size]byte]knownBasic)
	}
	b.known[hash] = knownBasic{user.ID, user.Epoch, now.Add(basicLife)}
}

// basic finds out who shows a name and a password with his request. They are checked as at /login.
func (a *api) basic(r *request) error {
	name, secret, ok := r.Request.BasicAuth()
	if !ok {
		return r.unauthenticated()
	}
	hash := a.basics.hash(name, secret)
	if known, ok := a.basics.find(hash, a.Now()); ok {
		ctx, cancel := context.WithTimeout(r.ctx(), a.lookUpPatience())
		defer cancel()
		user, _, err := a.Sessions.SessionUser(ctx, known.user, "")
		switch {
		case err != nil && !isNotFound(err):
			return err
		case err == nil && user.Epoch == known.epoch && user.Username == name:
			r.who.user = &user
			return nil
		}
		a.basics.forget(hash)
	}
	user, err := r.verify(name, secret)
	var f failure
	if errors.As(err, &f) && f.status == http.StatusUnauthorized {
		return r.unauthenticated()
	}
	if err != nil {
		return err
	}
	a.basics.remember(hash, user, a.Now())
	r.who.user = &user
	return nil
}
