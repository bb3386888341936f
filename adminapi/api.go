package adminapi

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"talktime/adminapi/callcenter"
	"talktime/billing"
	"talktime/internal/password"
	"talktime/models"
	"talktime/money"
	"talktime/queues/live"
	"talktime/queues/reports"
	"talktime/stats"
	"talktime/web"
)

// Deps are what the API stands on.
type Deps struct {
	Users    Users
	Sessions Sessions
	Ledger   Ledger
	Calls    Calls
	Money    Money
	// Without these there are no such paths.
	Tokens Tokens
	Groups Groups
	Grants Grants
	// Of prices by number. LongestCall is how long a call may last at all.
	Tariffs     Tariffs
	LongestCall time.Duration
	// Of routes to carriers; only with Tariffs. DialTechs are the technologies that may be dialled, also by orders to Asterisk.
	Routing   Routing
	DialTechs []string

	Rerates Rerates // only with Tariffs; without them there are no such paths

	// Without these there are neither vouchers nor calling cards.
	Vouchers Vouchers

	// Country is the calling code of the country of a number, empty for one at home: new countries are counted by it.
	Limits  Limits
	Country func(number string) string

	// Patience is how long a request may take; what changes many users five times as long. 0 = 10 seconds.
	Patience time.Duration

	Notices Notices // without them there are no such paths

	// Of records of calls. StatisticsToken is the setting API_TOKEN; empty: only tokens with the scope statistics are good for what it is.
	Stats           *stats.Service
	StatisticsToken string
	// Of the call statistics of accounts, which are only there with Stats. Below /api/v1 they are only with CallStatisticsAllow: from
	// these networks they need no token.
	Accounts            StatisticsAccounts
	MonthFirst          bool // dates are 06/17/2027 there; else 17/06/2027
	CallStatisticsAllow []netip.Prefix
	CallFacts           CallFacts // of calls of ours, when Stats has these; without them there are no such paths

	Queues *reports.Service // of Asterisk's queues and their agents; without it there are no such paths
	// Only with Queues; without one of them there are no such paths.
	QueueNames QueueNames
	QueueFeed  QueueFeed
	Recordings RecordingFiles
	QueueSLA   time.Duration // within which callers are to be connected, unless somebody says otherwise; 0: 20 seconds
	// LiveQueues is how they are now; nil: nothing is known of that.
	LiveQueues LiveQueues
	// PBX is the telephone system; nil: there are no paths for it.
	PBX *PBX
	// Manager is what the connection to Asterisk's manager interface did; nil: there is none.
	Manager func() live.ManagerStats
	// Stop is closed when the server is to stop: what would go on for long ends then. It may be nil.
	Stop <-chan struct{}

	Figures Figures // for the metrics; without them these say nothing of the site
	Keepers Keepers // for the metrics; without them these say nothing of calls that are held in slices
	Version string  // of the program

	Ready func(context.Context) error // what keeps the server from its work; its text is told to strangers

	Proxies   []netip.Prefix // whose X-Forwarded-For and X-Forwarded-Proto are believed; no clients are in there
	Asterisk  []netip.Prefix // who may ask for a balance without a token
	PublicURL string         // under which browsers know us, where that is not what they ask for; may be empty
	JSONP     bool           // answer ?callback=, which other sites can read
	Location  *time.Location // of times without a zone; nil = local
	Now       func() time.Time
	Logger    *slog.Logger
}

// Users are the people and phones.
type Users interface {
	ListUsers(context.Context, models.ListRequest) (models.List[models.UserDetail], error)
	UserDetail(ctx context.Context, username string) (models.UserDetail, error)
	UserDetailByID(ctx context.Context, id int64) (models.UserDetail, error)
	UserByID(ctx context.Context, id int64) (models.User, error)
	UsersByID(ctx context.Context, ids []int64) (map[int64]models.UserDetail, error)
	UserIDByIMSI(ctx context.Context, imsi string) (int64, error)
	UserIDs(ctx context.Context, r models.ListRequest, limit int) ([]int64, error)
	// Owned returns those of some users that an owner is, or has as members now.
	Owned(ctx context.Context, o models.Owner, users []int64) (map[int64]bool, error)
	// Credit is what users have, by currency, of which money.Max is that or more; nil when that cannot be found out while somebody waits.
	Credit(context.Context) (map[string]money.Amount, error)
	NewUserWithProfile(ctx context.Context, u models.NewUser, c models.UserChange, actor string) (models.UserDetail, error)
	ChangeUsers(ctx context.Context, ids []int64, c models.UserChange, actor string) (int, error)
	DeleteUser(ctx context.Context, id int64, actor string) (had money.Amount, err error)
}

// Sessions keep who is logged in, and how often somebody failed to.
type Sessions interface {
	Secret(ctx context.Context, name string) ([]byte, error)
	// LoginUser takes as long for a name that nobody has, which is models.ErrNotFound.
	LoginUser(ctx context.Context, username string) (models.User, error)
	SessionUser(ctx context.Context, userID int64, session string) (user models.User, ended bool, err error)
	EndSession(ctx context.Context, session string, expires time.Time) error
	LoginFailures(ctx context.Context, who string, since time.Time) (int, error)
	LoginFailed(ctx context.Context, who string, since time.Time) error
	LoginWorked(ctx context.Context, who string) error
	Rehashed(ctx context.Context, userID int64, old, hash string) error
}

// Ledger is what was posted, and the audit log beside it.
type Ledger interface {
	ListEntries(context.Context, models.ListRequest) (models.List[models.LedgerEntry], error)
	ListLedger(context.Context, models.ListRequest) (models.List[models.LedgerEntry], error)
	Entry(ctx context.Context, id int64) (models.LedgerEntry, error)
	// Posted reports whether one of these transactions was posted.
	Posted(ctx context.Context, refs []models.Ref) (bool, error)
	CallEntries(ctx context.Context, callID string) ([]models.NamedEntry, error)
	ListAudit(context.Context, models.ListRequest) (models.List[models.AuditLine], error)
}

// Calls are the calls and the money that they hold.
type Calls interface {
	ListCDRs(context.Context, models.ListRequest) (models.List[models.CDR], error)
	CDRByID(ctx context.Context, id int64) (models.CDR, error)
	// AddCDR writes a record by hand, which charges nobody. Only such a one may be changed or deleted: that of a call which
	// was billed is models.ErrBilled.
	AddCDR(ctx context.Context, c models.CDR, actor string) (models.CDR, error)
	ChangeCDR(ctx context.Context, id int64, change func(*models.CDR), actor string) (models.CDR, error)
	DeleteCDR(ctx context.Context, id int64, actor string) error
	ListCalls(context.Context, models.ListRequest) (models.List[models.Call], error)
	ListHolds(context.Context, models.ListRequest) (models.List[models.Call], error)
	CallByKey(ctx context.Context, id int64) (models.Call, error)
	// ReleasedBy is who released the hold of a call by hand; empty when nobody did.
	ReleasedBy(ctx context.Context, call int64) (string, error)
}

// Money moves money. It is billing.Service.
type Money interface {
	Move(context.Context, billing.Movement) (billing.Moved, error)
	Transfer(context.Context, billing.Transfer) (billing.Moved, error)
	// GiveUp is models.ErrNotFound for a call that holds nothing.
	GiveUp(ctx context.Context, callID, actor string) (held money.Amount, charge billing.Charge, err error)
}

// So many logins may wait for their turn at the password hash, which takes a core for a while each: of all together, and
// of one network, so that nobody takes all places.
const (
	maxHashing = 256
	maxWaiting = 8
)

type api struct {
	Deps
	log      *slog.Logger
	hasher   *password.Hasher
	turns    chan struct{} // to compare passwords
	waiting  queue         // for a turn
	origins  *http.CrossOriginProtection
	voice    meter
	searches searches
	counting searches      // turns to count calls
	listing  searches      // turns to read lists of calls
	summing  chan struct{} // turns to sum calls up and write down the answer

	sending   sending // turns to send recordings
	heard     heard
	ringing   chan struct{} // turns to wait for a telephone to be answered
	importing chan struct{} // the turn to import a file of rates
	making    chan struct{} // the turn to make a batch of vouchers or cards
	pages     *web.Pages

	pageRoots map[string]bool // first segments of the paths of pages

	metrics *metrics
	basics  basics
	credit  credit

	realtime *callcenter.Realtime // nil without LiveQueues
	streams  streams              // of the live pictures
	calls    shownCalls

	described func() (description, error) // made when it is asked for
	taken     func() map[string][]string  // see queryParameters

	mu      sync.Mutex
	cookies sessions.Store // nil until the database has told the secret
}

// New returns the handler of everything.
func New(d Deps) (http.Handler, error) {
	a := &api{Deps: d, log: d.Logger, hasher: password.New(runtime.NumCPU()), origins: http.NewCrossOriginProtection()}
	a.metrics, a.described = newMetrics(d.Version), sync.OnceValues(a.newDescription)
	a.taken = sync.OnceValue(queryParameters)
	a.credit.turn = make(chan struct{}, 1)
	a.listing.most, a.summing = 1, make(chan struct{}, maxSumming)
	a.importing, a.making = make(chan struct{}, 1), make(chan struct{}, 1)
	a.sending.all, a.sending.each.most = make(chan struct{}, maxSending), maxSendingEach
	a.ringing = make(chan struct{}, maxRinging)
	a.turns = make(chan struct{}, runtime.NumCPU())
	if d.LiveQueues != nil {
		a.realtime = &callcenter.Realtime{Live: d.LiveQueues}
	}
	a.watchQueues()
	if a.Now == nil {
		a.Now = time.Now
	}
	a.Patience = cmp.Or(a.Patience, defaultPatience)
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.Location == nil {
		a.Location = time.Local
	}
	if d.PublicURL != "" {
		origin, err := originOf(d.PublicURL)
		if err == nil {
			err = a.origins.AddTrustedOrigin(origin)
		}
		if err != nil {
			return nil, fmt.Errorf("the public URL %q: %w", d.PublicURL, err)
		}
	}
	var err error
	if a.pages, err = web.New(a.Location); err != nil {
		return nil, fmt.Errorf("the templates of the pages: %w", err)
	}
	a.pageRoots = pageRoots()
	return a.engine()
}

// engine is the router with everything that happens before a handler.
func (a *api) engine() (http.Handler, error) {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.RedirectTrailingSlash, e.HandleMethodNotAllowed, e.MaxMultipartMemory = false, true, 0
	if err := e.SetTrustedProxies(nil); err != nil { // api.client is stricter than Gin's: it tells "unknown" from the proxy
		return nil, err
	}
	e.Use(a.identifyRequest, a.measure, a.logAccess, a.recovered, a.secureHeaders, a.limitBody)
	for _, r := range slices.Concat(Routes(), Pages()) {
		if r.needs != nil && !r.needs(a.Deps) || r.dispatched() || r.Path == pbxRetentionPath {
			continue
		}
		e.Handle(r.Method, r.Path, a.serve(r))
		if r.Method == http.MethodGet {
			e.Handle(http.MethodHead, r.Path, a.serve(r))
		}
	}
	below := a.serve(Route{Method: http.MethodGet, Path: v1Path, Access: Access{Open: true, Blind: true}, Kept: true, handle: v1})
	noMethod := a.serve(Route{Access: Access{Open: true}, handle: func(*request) error { return failure{status: http.StatusMethodNotAllowed} }})
	if a.Stats != nil {
		for _, path := range []string{"/api/v1/:first", v1Path} {
			e.GET(path, below)
			e.HEAD(path, below)
		}
	}
	e.NoRoute(a.serve(Route{Access: Access{Open: true}, handle: func(*request) error { return failure{status: http.StatusNotFound} }}))
	e.NoMethod(func(c *gin.Context) {
		if a.Stats != nil && strings.HasPrefix(c.Request.URL.Path, "/api/v1/") {
			below(c)
			return
		}
		noMethod(c)
	})
	return exactPaths(e), nil
}
