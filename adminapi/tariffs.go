package adminapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/models"
	"talktime/tariff"
)

// Tariffs are the price lists by number: decks of rates.
type Tariffs interface {
	tariff.Importer
	tariff.Prices
	// Decks returns all, by name.
	Decks(context.Context) ([]models.RateDeck, error)
	// AddDeck is models.ErrConflict for a name that is taken, and RemoveDeck for a deck that somebody has.
	AddDeck(ctx context.Context, d models.RateDeck, actor string) (models.RateDeck, error)
	SetDefaultDeck(ctx context.Context, name string, is bool, actor string) error
	RemoveDeck(ctx context.Context, name, actor string) error
	// ActivateDeck lets a version count from an instant on, which must not be past; the zero time is now.
	ActivateDeck(ctx context.Context, deck string, number int, from time.Time, actor string) (models.DeckVersion, error)
	// RollBackDeck takes back a version, 0 for the one that counts, and returns the one that counts then. models.ErrNoVersion when
	// none would, models.ErrConflict for one that neither counts nor is planned.
	RollBackDeck(ctx context.Context, deck string, version int, actor string) (models.DeckVersion, error)
	DeckRates(ctx context.Context, deck string, number int, around string, r models.ListRequest) (models.List[models.NumberedRate], error)
	// UserDeck and GroupDeck are the name of what is assigned, empty for nothing. Who has none is assigned none by an empty name;
	// AssignDeck is models.ErrConflict for a deck in another currency than the user's money.
	UserDeck(ctx context.Context, user int64) (string, error)
	GroupDeck(ctx context.Context, group string) (string, error)
	AssignDeck(ctx context.Context, user int64, deck, actor string) error
	AssignGroupDeck(ctx context.Context, group, deck, actor string) error
}

// Bounds of an import. Only one goes on at a time: its rates are all in memory.
const (
	maxCSV   = 64 << 20 // bytes
	maxRates = 500_000
	maxDial  = 80 // characters of a number
)

// defaultJump is by how many percent a price changes that is told as a jump.
const defaultJump = 50

// defaultTalk is how many seconds of talk are explained.
const defaultTalk = 60

type tariffJSON struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Currency  string    `json:"currency"`
	Zone      string    `json:"zone"`
	Default   bool      `json:"default"`
	Version   *int      `json:"version"` // that counts now; null: none
	Rates     int64     `json:"rates"`   // of that
	CreatedAt time.Time `json:"created_at"`
}

type tariffVersionJSON struct {
	Version   int        `json:"version"`
	Rates     int64      `json:"rates"`
	Note      string     `json:"note"`
	CreatedAt time.Time  `json:"created_at"`
	Actor     string     `json:"actor"`
	From      *time.Time `json:"from"`   // since when it counts, or from when on it will; null: it was not activated
	Counts    bool       `json:"counts"` // now
}

// tariffRateJSON is a rate with its row, in the words of a file of rates.
type tariffRateJSON struct {
	Row int64 `json:"row"`
	tariff.ShownRate
}

// importedJSON is what an import has made or, of version 0, would make.
type importedJSON struct {
	Version int `json:"version"`
	tariff.Report
}

// notImportedJSON is the refusal of a file, with everything that was found in it.
type notImportedJSON struct {
	problemJSON
	tariff.Report
}

type assignedTariffJSON struct {
	Tariff *string `json:"tariff"` // null: none
}

// problemWith is what beside a message is told of a refusal, on newer paths.
func (f failure) problemWith(p problemJSON) any {
	if f.report == nil {
		return p
	}
	return notImportedJSON{p, *f.report}
}

// aboutTariff says of what there is not, or contradicts what there is, which it is.
func aboutTariff(err error) error {
	if _, known := err.(failure); known { //nolint:errorlint // ours, and not wrapped
		return err
	}
	switch {
	case errors.Is(err, models.ErrNoVersion):
		return refused(http.StatusConflict, err.Error())
	case errors.Is(err, models.ErrNotFound):
		return refused(http.StatusNotFound, strings.ReplaceAll(err.Error(), ": "+models.ErrNotFound.Error(), " does not exist"))
	case errors.Is(err, models.ErrConflict):
		return refused(http.StatusConflict, strings.TrimPrefix(err.Error(), models.ErrConflict.Error()+": "))
	}
	return err
}

// tariffs is a handler of what there may not be.
func tariffs(handle handler) handler {
	return func(r *request) error { return aboutTariff(handle(r)) }
}

func showVersion(v models.DeckVersion) tariffVersionJSON {
	shown := tariffVersionJSON{v.Number, v.Rates, v.Note, v.CreatedAt.UTC(), v.Actor, nil, v.Counts}
	if v.From != nil {
		at := v.From.UTC()
		shown.From = &at
	}
	return shown
}

// showTariff shows a deck with the version that counts.
func (r *request) showTariff(d models.RateDeck) (tariffJSON, error) {
	shown := tariffJSON{ID: d.ID, Name: d.Name, Currency: d.Currency, Zone: d.Zone, Default: d.Default, CreatedAt: d.CreatedAt.UTC()}
	versions, err := r.api.Tariffs.DeckVersions(r.ctx(), d.Name)
	for _, v := range versions {
		if v.Counts {
			shown.Version, shown.Rates = &v.Number, v.Rates
		}
	}
	return shown, err
}

// plainList is listRequest for lists that are not searched.
func (r *request) plainList() (models.ListRequest, error) {
	if _, searched := r.GetQuery("q"); searched {
		return models.ListRequest{}, badRequest("this list takes no q")
	}
	l, err := r.listRequest(manyRows)
	if err == nil && l.Number > models.MaxPage {
		err = models.ErrDeepPage
	}
	return l, err
}

// pageOf is a page of a list that was read whole.
func pageOf[T any](l models.ListRequest, all []T, key func(T) int64) models.List[T] {
	list := models.List[T]{Total: int64(len(all))}
	first := min((l.Number-1)*l.Size, len(all))
	if l.After != 0 {
		first = len(all)
		if i := slices.IndexFunc(all, func(one T) bool { return key(one) == l.After }); i >= 0 {
			first = i + 1
		}
	}
	list.Items = all[first:min(first+l.Size, len(all))]
	return list
}

func listTariffs(r *request) error {
	l, err := r.plainList()
	if err != nil {
		return err
	}
	decks, err := r.api.Tariffs.Decks(r.ctx())
	if err != nil {
		return err
	}
	page := pageOf(l, decks, func(d models.RateDeck) int64 { return d.ID })
	list := models.List[tariffJSON]{Total: page.Total}
	for _, d := range page.Items {
		shown, err := r.showTariff(d)
		if err != nil && !isNotFound(err) { // removed a moment ago
			return err
		}
		list.Items = append(list.Items, shown)
	}
	return answerList(r, l, list, func(t tariffJSON) int64 { return t.ID }, func(t tariffJSON) tariffJSON { return t })
}

func createTariff(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("name", "currency", "zone", "default"); err != nil {
		return err
	}
	if err := o.missing("name", "currency"); err != nil {
		return err
	}
	d := models.RateDeck{Zone: r.api.Location.String()}
	if d.Name, err = o.text("name"); err != nil {
		return err
	}
	if d.Currency, err = o.text("currency"); err != nil {
		return err
	}
	if o.has("zone") {
		if d.Zone, err = o.text("zone"); err != nil {
			return err
		}
	}
	if o.has("default") {
		if d.Default, err = o.bool("default"); err != nil {
			return err
		}
	}
	made, err := r.api.Tariffs.AddDeck(r.ctx(), d, r.who.actor())
	if err != nil {
		return err
	}
	r.Header("Location", r.location(made.Name))
	return r.answerTariff(http.StatusCreated, made)
}

func (r *request) answerTariff(status int, d models.RateDeck) error {
	shown, err := r.showTariff(d)
	if err == nil {
		r.answer(status, shown)
	}
	return err
}

func getTariff(r *request) error {
	d, err := r.api.Tariffs.Deck(r.ctx(), r.Param("tariff"))
	if err != nil {
		return err
	}
	return r.answerTariff(http.StatusOK, d)
}

func changeTariff(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("default"); err != nil {
		return err
	}
	if err := o.missing("default"); err != nil {
		return err
	}
	is, err := o.bool("default")
	if err != nil {
		return err
	}
	if err := r.api.Tariffs.SetDefaultDeck(r.ctx(), r.Param("tariff"), is, r.who.actor()); err != nil {
		return err
	}
	return getTariff(r)
}

func deleteTariff(r *request) error {
	if err := r.api.Tariffs.RemoveDeck(r.ctx(), r.Param("tariff"), r.who.actor()); err != nil {
		return err
	}
	r.Status(http.StatusNoContent)
	return nil
}

func listVersions(r *request) error {
	l, err := r.plainList()
	if err != nil {
		return err
	}
	versions, err := r.api.Tariffs.DeckVersions(r.ctx(), r.Param("tariff"))
	if err != nil {
		return err
	}
	key := func(v models.DeckVersion) int64 { return int64(v.Number) }
	return answerList(r, l, pageOf(l, versions, key), key, showVersion)
}

// importing is what the query says of an import.
func (r *request) importing() (i tariff.Import, dry bool, err error) {
	i = tariff.Import{
		Into: r.api.Tariffs, Deck: r.Param("tariff"), Note: r.Query("note"), Actor: r.who.actor(), Cost: r.Query("cost"), MaxRates: maxRates,
	}
	if err := printableNote(i.Note); err != nil {
		return i, false, err
	}
	if i.JumpPercent, err = r.wholeQuery("jump", defaultJump, 0, 1_000_000); err != nil {
		return i, false, err
	}
	if dry, err = r.flag("dry_run"); err != nil {
		return i, false, err
	}
	if i.Activate, err = r.flag("activate"); err != nil {
		return i, false, err
	}
	from := r.Query("from")
	if from != "" && i.Activate {
		return i, false, badRequest("activate and from cannot go together: one is now, the other then")
	}
	if from != "" {
		i.Activate = true
		i.From, err = r.deckTime(i.Deck, "from", from)
	}
	return i, dry, err
}

// importVersion makes the CSV text in the body a version.
func importVersion(r *request) error {
	i, dry, err := r.importing()
	if err != nil {
		return err
	}
	select {
	case r.api.importing <- struct{}{}:
		defer func() { <-r.api.importing }()
	default:
		return failure{
			status: http.StatusTooManyRequests, message: "another file of rates is being imported; try again",
			headers: map[string]string{"Retry-After": "10"},
		}
	}
	// The server's own limit is for bodies of the usual length. Where it cannot be moved, that one holds.
	_ = http.NewResponseController(r.Writer).SetReadDeadline(time.Now().Add(r.api.bulkPatience()))
	report, err := i.Check(r.ctx(), r.Request.Body, r.api.Now())
	if err != nil {
		return r.unreadFile(err)
	}
	if !report.Importable() {
		return notImportable(report)
	}
	if dry {
		r.json(http.StatusOK, importedJSON{Report: *report})
		return nil
	}
	v, err := i.Write(r.ctx())
	if err != nil {
		return err
	}
	r.Header("Location", r.location(strconv.Itoa(v.Number)))
	r.json(http.StatusCreated, importedJSON{v.Number, *report})
	return nil
}

// unreadFile tells what keeps a file from being read, which is not always in the file.
func (r *request) unreadFile(err error) error {
	var unread *tariff.FileError
	var tooMany *http.MaxBytesError
	switch {
	case !errors.As(err, &unread) || errors.As(err, &tooMany):
		return err
	case r.ctx().Err() != nil:
		return unavailable("the file did not arrive in time; nothing was imported")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return badRequest("the body ends too early; nothing was imported")
	}
	return badRequest(err.Error() + "; nothing was imported")
}

func notImportable(report *tariff.Report) error {
	f := badRequest("it has no rates; nothing was imported")
	if report.Rates > 0 {
		f = badRequest(strconv.Itoa(report.Bad.Count) + " bad rows and " + strconv.Itoa(report.Duplicate.Count) + " duplicates; nothing was imported")
	}
	f.report = report
	return f
}

func printableNote(note string) error {
	if err := (models.UserChange{Name: &note}).Validate(); err != nil {
		return badRequest("note must have at most 120 printable characters")
	}
	return nil
}

// flag reads a parameter that is 1 or not there.
func (r *request) flag(name string) (bool, error) {
	sent := r.QueryArray(name)
	if slices.ContainsFunc(sent, func(v string) bool { return v != sent[0] }) {
		return false, badRequest(name + " is sent with different values")
	}
	switch r.Query(name) {
	case "", "0", "false":
		return false, nil
	case "1", "true":
		return true, nil
	}
	return false, badRequest(name + " must be 1 or 0")
}

func (r *request) wholeQuery(name string, unless, least, most int64) (int64, error) {
	text := r.Query(name)
	if text == "" {
		return unless, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, badRequest(name + " must be a whole number between " + strconv.FormatInt(least, 10) + " and " + strconv.FormatInt(most, 10))
	}
	return n, nil
}

// deckTime reads an instant to come, in the zone of a tariff unless it says another.
func (r *request) deckTime(deck, name, text string) (time.Time, error) {
	d, err := r.api.Tariffs.Deck(r.ctx(), deck)
	if err != nil {
		return time.Time{}, err
	}
	zone, err := time.LoadLocation(d.Zone)
	if err != nil {
		return time.Time{}, err
	}
	at, err := tariff.ParseTime(text, zone)
	if err != nil {
		return at, badRequest(name + ": " + err.Error())
	}
	if at.UTC().Year() > maxYear {
		return at, badRequest(name + " must be before the year 10000")
	}
	if now := r.api.Now(); at.Before(now) {
		return at, badRequest(name + ": a version cannot count from a past time on; the clock shows " + now.UTC().Format(time.RFC3339))
	}
	return at, nil
}

func activateVersion(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("version", "from"); err != nil {
		return err
	}
	if err := o.missing("version"); err != nil {
		return err
	}
	number, err := o.whole("version", 1, 1<<31-1)
	if err != nil {
		return err
	}
	deck, from := r.Param("tariff"), time.Time{}
	if o.has("from") && !o.isNull("from") {
		text, err := o.text("from")
		if err != nil {
			return err
		}
		if from, err = r.deckTime(deck, "from", text); err != nil {
			return err
		}
	}
	v, err := r.api.Tariffs.ActivateDeck(r.ctx(), deck, int(number), from, r.who.actor())
	if err != nil {
		return err
	}
	r.json(http.StatusCreated, showVersion(v))
	return nil
}

func rollBack(r *request) error {
	version, err := r.wholeQuery("version", 0, 1, 1<<31-1)
	if err != nil {
		return err
	}
	v, err := r.api.Tariffs.RollBackDeck(r.ctx(), r.Param("tariff"), int(version), r.who.actor())
	if err != nil {
		return err
	}
	r.json(http.StatusOK, showVersion(v))
	return nil
}

var prefixForm = regexp.MustCompile(`^\+?[0-9*#]{1,16}$`)

func listRates(r *request) error {
	l, err := r.plainList()
	if err != nil {
		return err
	}
	number := r.Query("number")
	if number != "" && !prefixForm.MatchString(number) {
		return badRequest("number must have 1 to 16 digits, * or #")
	}
	deck := r.Param("tariff")
	version, err := r.wholeQuery("version", 0, 1, 1<<31-1)
	if err != nil {
		return err
	}
	if version == 0 {
		if version, err = r.versionThatCounts(deck); err != nil {
			return err
		}
	}
	list, err := r.api.Tariffs.DeckRates(r.ctx(), deck, int(version), strings.TrimPrefix(number, "+"), l)
	if err != nil {
		return err
	}
	return answerList(r, l, list, func(n models.NumberedRate) int64 { return n.N }, func(n models.NumberedRate) tariffRateJSON { return tariffRateJSON{n.N, tariff.Show(n.DeckRate)} })
}

func (r *request) versionThatCounts(deck string) (int64, error) {
	versions, err := r.api.Tariffs.DeckVersions(r.ctx(), deck)
	if err != nil {
		return 0, err
	}
	for _, v := range versions {
		if v.Counts {
			return int64(v.Number), nil
		}
	}
	return 0, refused(http.StatusNotFound, "no version of the tariff "+strconv.Quote(deck)+" counts; name one with version")
}

var dialForm = regexp.MustCompile(`^[!-~]{1,80}$`)

func explainRate(r *request) error {
	q := tariff.Question{User: r.Query("user"), Number: r.Query("number"), At: r.api.Now(), Longest: int64(r.api.LongestCall / time.Second)}
	switch {
	case q.User == "":
		return badRequest("user is missing: who calls")
	case !dialForm.MatchString(q.Number):
		return badRequest("number must be what is dialled, 1 to " + strconv.Itoa(maxDial) + " characters without blanks")
	}
	var err error
	if q.Seconds, err = r.wholeQuery("seconds", defaultTalk, 0, models.MaxIncrement); err != nil {
		return err
	}
	if at := r.Query("at"); at != "" {
		if q.At, err = tariff.ParseTime(at, r.api.Location); err != nil {
			return badRequest("at: " + err.Error())
		}
		if year := q.At.UTC().Year(); year < minYear || year > maxYear {
			return badRequest("at must be between 1970 and 9999")
		}
	}
	told, err := tariff.Explain(r.ctx(), r.api.Tariffs, q)
	if err == nil {
		r.answer(http.StatusOK, told)
	}
	return err
}

// assignedTariff reads what a PUT assigns; empty for null.
func (r *request) assignedTariff() (string, error) {
	o, err := r.object()
	if err != nil {
		return "", err
	}
	if err := o.unknown("tariff"); err != nil {
		return "", err
	}
	if err := o.missing("tariff"); err != nil || o.isNull("tariff") {
		return "", err
	}
	name, err := o.text("tariff")
	if err == nil && name == "" {
		err = badRequest("tariff must be the name of a tariff, or null for none")
	}
	return name, err
}

func (r *request) answerAssigned(name string, err error) error {
	if err != nil {
		return err
	}
	answer := assignedTariffJSON{}
	if name != "" {
		answer.Tariff = &name
	}
	r.json(http.StatusOK, answer)
	return nil
}

func getUserTariff(r *request) error {
	user, err := r.api.Users.UserDetail(r.ctx(), r.Param("username"))
	if err != nil {
		return err
	}
	return r.answerAssigned(r.api.Tariffs.UserDeck(r.ctx(), user.ID))
}

func putUserTariff(r *request) error {
	name, err := r.assignedTariff()
	if err != nil {
		return err
	}
	user, err := r.api.Users.UserDetail(r.ctx(), r.Param("username"))
	if err != nil {
		return err
	}
	return r.answerAssigned(name, r.api.Tariffs.AssignDeck(r.ctx(), user.ID, name, r.who.actor()))
}

func getGroupTariff(r *request) error {
	return r.answerAssigned(r.api.Tariffs.GroupDeck(r.ctx(), r.Param("name")))
}

func putGroupTariff(r *request) error {
	name, err := r.assignedTariff()
	if err != nil {
		return err
	}
	return r.answerAssigned(name, r.api.Tariffs.AssignGroupDeck(r.ctx(), r.Param("name"), name, r.who.actor()))
}
