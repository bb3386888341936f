package adminapi

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/gin-contrib/sessions"
	"github.com/gin-contrib/sessions/cookie"

	"talktime/models"
)

const (
	cookieName = "session"
	// sessionLife is how long a login lasts. Whoever is at work every day logs in every morning.
	sessionLife = 12 * time.Hour
)

// Keys of values in the cookie. It is signed and encrypted, but neither its age nor its end is in the library's hands:
// both are checked with each request.
const (
	sessionUser  = "user"
	sessionEpoch = "epoch"
	sessionID    = "id"
	sessionStart = "start"
)

// cookieStore returns how cookies are read and written. Its secret is in the database, so that several servers
// understand one another's cookies, and restarts end no session.
func (a *api) cookieStore(ctx context.Context) (sessions.Store, error) {
	a.mu.Lock()
	known := a.cookies
	a.mu.Unlock()
	if known != nil {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.lookUpPatience()) // several may ask at once: nobody waits for another's answer
	defer cancel()
	secret, err := a.Sessions.Secret(ctx, "session")
	if err != nil {
		return nil, err
	}
	if len(secret) != 64 {
		return nil, errors.New("the secret of the sessions must have 64 bytes; delete it from the table secrets to have a new one made")
	}
	made := cookie.NewStore(secret[:32], secret[32:])
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cookies = made
	return made, nil
}

// session gives access to the cookie.
func (r *request) session() (sessions.Session, error) {
	store, err := r.api.cookieStore(r.ctx())
	if err != nil {
		return nil, err
	}
	// The library would write a line to a log of its own for each cookie that is not ours.
	if _, err := store.New(r.Request, cookieName); err != nil {
		r.Request.Header.Del("Cookie")
	}
	sessions.Sessions(cookieName, store)(r.Context)
	s := sessions.Default(r.Context)
	s.Options(r.cookieOptions(int(sessionLife / time.Second)))
	return s, nil
}

func (r *request) cookieOptions(maxAge int) sessions.Options {
	return sessions.Options{Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: r.secure(), SameSite: http.SameSiteLaxMode}
}

// resume finds the person that a cookie belongs to. One that is forged, too old, ended or of a changed password belongs
// to nobody.
func (a *api) resume(r *request) error {
	s, err := r.session()
	if err != nil {
		return err
	}
	user, _ := s.Get(sessionUser).(int64)
	epoch, _ := s.Get(sessionEpoch).(int64)
	id, _ := s.Get(sessionID).(string)
	start, _ := s.Get(sessionStart).(int64)
	if user == 0 || id == "" || a.Now().Sub(time.Unix(start, 0)) > sessionLife {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx(), a.lookUpPatience())
	defer cancel()
	found, ended, err := a.Sessions.SessionUser(ctx, user, id)
	switch {
	case isNotFound(err):
		return nil
	case err != nil:
		return err
	case !ended && found.Epoch == epoch:
		r.who.user, r.who.session = &found, id
	}
	return nil
}

// begin starts a session, with a name that nobody knew before.
func (r *request) begin(user models.User) error {
	s, err := r.session()
	if err != nil {
		return err
	}
	s.Clear()
	s.Set(sessionUser, user.ID)
	s.Set(sessionEpoch, user.Epoch)
	s.Set(sessionID, rand.Text())
	s.Set(sessionStart, r.api.Now().Unix())
	return s.Save()
}

// end ends the session of whoever asks, here and for every copy of the cookie.
func (r *request) end() error {
	if r.who.user == nil {
		return nil
	}
	if err := r.api.Sessions.EndSession(r.ctx(), r.who.session, r.api.Now().Add(sessionLife)); err != nil {
		return err
	}
	s, err := r.session()
	if err != nil {
		return err
	}
	s.Clear()
	s.Options(r.cookieOptions(-1))
	return s.Save()
}

func isNotFound(err error) bool { return errors.Is(err, models.ErrNotFound) }
