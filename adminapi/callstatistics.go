package adminapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"talktime/adminapi/callstatistics"
	"talktime/models"
	"talktime/stats"
)

// StatisticsAccounts tells whose calls an account is.
type StatisticsAccounts interface {
	// StatisticsAccount takes an account_id or an id of a user or a group; models.ErrNotFound when it is nobody's.
	StatisticsAccount(ctx context.Context, id string) (stats.Account, error)
	// AccountOwner is who that is.
	AccountOwner(ctx context.Context, id string) (models.Owner, error)
}

// allAccounts stands in the place of an account for everybody's calls.
const allAccounts = "all"

// accountsPath is where the call statistics of accounts are.
const accountsPath = "/v2/accounts/"

// crossbar reports whether the request is one of the call statistics of accounts, whose answers are in an envelope, errors too.
func (r *request) crossbar() bool {
	return r.route.Access.Crossbar || r.bare || r.route.Path == "" && strings.HasPrefix(r.Request.URL.Path, accountsPath)
}

// crossbarToken is the token that a client shows, in one of the ways of the original or of ours; empty: none.
func (r *request) crossbarToken() string {
	if secret := strings.TrimSpace(r.GetHeader("X-Auth-Token")); secret != "" {
		return secret
	}
	if secret := r.Query("auth_token"); secret != "" {
		return secret
	}
	header := strings.TrimSpace(r.GetHeader("Authorization"))
	if scheme, secret, two := strings.Cut(header, " "); two && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(secret)
	}
	return header // which is no token, if it is of another scheme
}

// countries lists the countries that have zones.
func countries(r *request) error {
	return r.account(func(*stats.Account) error { return r.tell(r.callStatistics().Countries()) })
}

// regions tells the zones of countries, which stand at the end of the path with & between them, as the client escaped them.
func regions(r *request) error {
	return r.account(func(*stats.Account) error {
		path := r.Request.URL.EscapedPath()
		return r.tell(r.callStatistics().Regions(path[strings.LastIndexByte(path, '/')+1:]))
	})
}

// periods counts calls by hour, day, week or month.
func periods(r *request) error { return r.buckets(r.Param("period")) }

func (r *request) buckets(period string) error {
	return r.account(func(account *stats.Account) error {
		leave, err := r.api.counting.enter(r.ctx(), r.turnsOf())
		if err != nil {
			return err
		}
		defer leave()
		answer, err := r.callStatistics().Buckets(r.ctx(), period, r.Query("q"), account)
		if n := len(answer.Errors); n > 0 && !r.knowsSources() {
			answer.Errors = map[string]string{"databases": strconv.Itoa(n) + " cannot be read"}
		}
		if answer.Origin != "" {
			r.Header("X-Source", string(answer.Origin))
		}
		return r.tell(answer, err)
	})
}

// callsCSV lists calls. A list that has been begun and cannot be ended is cut off together with the connection.
func callsCSV(r *request) error {
	return r.account(func(account *stats.Account) error {
		if r.Request.Method == http.MethodHead {
			callstatistics.Header(r.Writer.Header())
			r.Status(http.StatusOK)
			return nil
		}
		leave, err := r.listTurn()
		if err != nil {
			return err
		}
		defer leave()
		err = r.callStatistics().CSV(r.ctx(), r.Writer, r.Query("q"), account)
		if errors.Is(err, callstatistics.ErrCut) {
			r.api.log.Warn("a list of calls was cut off", "request_id", r.GetString(keyRequestID), "path", maskPath(r.Request.URL.Path),
				"actor", loggable(r.who.actor()), "bytes", r.Writer.Size(), "err", err)
			panic(http.ErrAbortHandler)
		}
		return r.envelopeFailure(err)
	})
}

// knowsSources reports whether whoever asks may know where call records lie.
func (r *request) knowsSources() bool { return r.who.has(ScopeStatistics) && !r.who.bound() }

// listTurn waits for the turn to read a list, but not as long as a list may take: whoever takes one slowly keeps nobody else from his.
func (r *request) listTurn() (leave func(), err error) {
	ctx, cancel := context.WithTimeout(r.ctx(), r.api.Patience)
	defer cancel()
	return r.api.listing.enter(ctx, r.turnsOf())
}

func (r *request) callStatistics() *callstatistics.API {
	return &callstatistics.API{Stats: r.api.Stats, MonthFirst: r.api.MonthFirst, Now: r.api.Now}
}

// tell answers in the envelope.
func (r *request) tell(a callstatistics.Answer, err error) error {
	if err != nil {
		return r.envelopeFailure(err)
	}
	r.json(http.StatusOK, a.Body(r.GetString(keyRequestID), r.api.Now()))
	return nil
}

// envelopeFailure makes a failure of an error that has its own answer.
func (r *request) envelopeFailure(err error) error {
	var answer *callstatistics.Error
	if errors.As(err, &answer) {
		if answer.Status == http.StatusServiceUnavailable {
			r.api.log.Warn("call records cannot be read", "request_id", r.GetString(keyRequestID), "err", answer.Cause)
			if !r.knowsSources() {
				hidden := *answer
				hidden.Cause, answer = "", &hidden
			}
		}
		return failure{status: answer.Status, message: answer.Text, body: answer}
	}
	return err
}

// envelope is a failure as the clients of the original know it.
func (r *request) envelope(f failure) callstatistics.ErrorBody {
	answer, ok := f.body.(*callstatistics.Error)
	if !ok {
		answer = &callstatistics.Error{Status: f.status, Message: "bad_request", Text: f.message, Cause: f.detail}
		switch f.status {
		case http.StatusUnauthorized:
			*answer = callstatistics.ErrInvalidCredentials
		case http.StatusForbidden:
			*answer = callstatistics.ErrForbidden
		case http.StatusNotFound:
			answer = callstatistics.BadIdentifier(loggable(strings.TrimPrefix(r.Request.URL.Path, accountsPath)))
		case http.StatusMethodNotAllowed:
			*answer = callstatistics.ErrInvalidMethod
		case http.StatusServiceUnavailable:
			answer.Message = callstatistics.ErrUnreachable.Message
		case http.StatusInternalServerError:
			answer.Message = "datastore_fault"
		}
	}
	return answer.Body(r.GetString(keyRequestID))
}

// account does something with the account in the path, if whoever asks may see its calls; nil is everybody's.
func (r *request) account(do func(*stats.Account) error) error {
	id := r.Param("account")
	may, err := r.seesAccount(id)
	if err != nil {
		return err
	}
	if !may {
		return forbidden()
	}
	if id == allAccounts {
		return do(nil)
	}
	account, err := r.api.Accounts.StatisticsAccount(r.ctx(), id)
	if isNotFound(err) {
		return r.envelopeFailure(callstatistics.BadIdentifier(loggable(id)))
	}
	if err != nil {
		return err
	}
	return do(&account)
}

// seesAccount reports whether whoever asks may see the calls of an account.
func (r *request) seesAccount(id string) (bool, error) {
	switch {
	case r.who.has(ScopeStatistics) && !r.who.bound(), r.asked: // administrators among them
		return true, nil
	case id == allAccounts:
		return false, nil
	case r.who.token != nil:
		owner, err := r.api.Accounts.AccountOwner(r.ctx(), id)
		if isNotFound(err) {
			err = nil
		}
		return err == nil && owner != models.Owner{} && owner == r.who.only(), err
	case r.who.user == nil || r.api.Grants == nil:
		return false, nil
	}
	return r.granted(id)
}

// granted reports whether a person was granted an account, under whichever of its names.
func (r *request) granted(id string) (bool, error) {
	grants, err := r.api.Grants.UserGrants(r.ctx(), r.who.user.ID)
	if err != nil || len(grants.Accounts) == 0 {
		return false, err
	}
	if slices.Contains(grants.Accounts, id) {
		return true, nil
	}
	wanted, err := r.api.Accounts.AccountOwner(r.ctx(), id)
	for _, name := range grants.Accounts {
		if err != nil {
			break
		}
		var owner models.Owner
		if owner, err = r.api.Accounts.AccountOwner(r.ctx(), name); err == nil && owner == wanted {
			return true, nil
		}
		if isNotFound(err) { // it has gone
			err = nil
		}
	}
	if isNotFound(err) {
		err = nil
	}
	return false, err
}

// bareCallStatistics answers below /api/v1, where a node of the original looks for the service behind its own module. It is off unless
// networks are named. Then a token that is bound to an account says whose calls are meant; from those networks ?account= does.
func (r *request) bareCallStatistics() error {
	r.bare = true
	if len(r.api.CallStatisticsAllow) == 0 || r.api.Accounts == nil {
		return failure{status: http.StatusNotFound}
	}
	if r.Request.Method != http.MethodGet && r.Request.Method != http.MethodHead {
		return failure{status: http.StatusMethodNotAllowed, headers: map[string]string{"Allow": "GET, HEAD"}}
	}
	if err := r.readableQuery(); err != nil {
		return err
	}
	id, err := r.bareAccount()
	if err != nil {
		return err
	}
	r.Params = gin.Params{{Key: "account", Value: id}}
	first, rest, deeper := strings.Cut(strings.TrimPrefix(r.Request.URL.EscapedPath(), "/api/v1/"), "/")
	switch {
	case first == "countries" && rest != "" && !strings.Contains(rest, "/"):
		return regions(r)
	case deeper:
		return failure{status: http.StatusNotFound}
	case first == "countries":
		return countries(r)
	case first == "csv":
		return callsCSV(r)
	}
	return r.buckets(first)
}

// bareAccount is whose calls are asked for without an account in the path.
func (r *request) bareAccount() (string, error) {
	if secret := r.crossbarToken(); secret != "" {
		if err := r.api.tokenOf(r, secret); err != nil {
			return "", err
		}
		r.Set(keyActor, r.who.actor())
		if account := r.Query("account"); account != "" && r.knowsSources() { // such a token may see any
			return account, nil
		}
		if !r.who.has(ScopeStatistics) || !r.who.bound() || r.Query("account") != "" && r.Query("account") != r.who.token.Account {
			return "", forbidden()
		}
		return r.who.token.Account, nil
	}
	address, known := r.api.client(r.Request)
	if !known || !within(r.api.CallStatisticsAllow, address) {
		return "", r.unauthenticated()
	}
	id := r.Query("account")
	if id == "" {
		return "", r.unauthenticated()
	}
	r.asked = true
	r.Set(keyActor, "account/"+strconv.Quote(loggable(id)))
	return id, nil
}
