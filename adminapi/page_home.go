package adminapi

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"talktime/models"
	"talktime/money"
	"talktime/web"
)

// home greets whoever is logged in: an administrator with the site at a glance, another user with his own figures.
func home(r *request) error {
	switch {
	case r.who.user == nil:
		return r.loginPage(http.StatusOK, web.Login{}, "", "/")
	case !r.who.user.Admin:
		user, err := r.api.Users.UserDetailByID(r.ctx(), r.who.user.ID)
		if err != nil {
			return err
		}
		return r.userPage(http.StatusOK, user, greeting(user.Username), nil)
	}
	figures, err := r.figures()
	if err != nil {
		return err
	}
	newest, err := r.api.Calls.ListCalls(r.ctx(), models.ListRequest{Number: 1, Size: someRows})
	if err != nil {
		return err
	}
	rows, err := r.pageCalls(newest.Items)
	if err != nil {
		return err
	}
	notices, err := r.pageNotices()
	if err != nil {
		return err
	}
	body := web.Home{Greeting: greeting(r.who.user.Username), Figures: figures, Notices: notices, Calls: rows}
	return r.render(http.StatusOK, web.Page{Title: "Overview", Section: "/", Body: body})
}

// pageNotices are the newest notices.
func (r *request) pageNotices() ([]web.NoticeRow, error) {
	if r.api.Notices == nil {
		return nil, nil
	}
	list, err := r.api.Notices.ListNotices(r.ctx(), models.ListRequest{Number: 1, Size: someNotices})
	if err != nil {
		return nil, err
	}
	what := map[string]string{
		models.NoticeLowBalance: "Low balance", models.NoticeBrake: "A brake stopped a call", models.NoticeRefusals: "Many refused calls",
		models.NoticeLoss: "A carrier asks more than is charged", models.NoticeTest: "Test of a webhook",
	}
	rows := make([]web.NoticeRow, len(list.Items))
	for i, n := range list.Items {
		rows[i] = web.NoticeRow{At: n.At, What: what[n.Kind], User: n.Username, Told: "nobody is told"}
		waits := false
		for _, d := range n.Deliveries {
			waits = waits || d.State == models.DeliveryWaiting
			rows[i].Alert = rows[i].Alert || d.State == models.DeliveryGivenUp
		}
		switch {
		case rows[i].Alert:
			rows[i].Told = "given up"
		case waits:
			rows[i].Told = "not yet"
		case len(n.Deliveries) > 0:
			rows[i].Told = "told"
		}
	}
	return rows, nil
}

// someNotices is how many of them the first page has.
const someNotices = 5

func greeting(name string) string { return "Hello, " + name + "!" }

// figures is the site at a glance.
func (r *request) figures() ([]web.Figure, error) {
	if r.api.Figures == nil {
		return nil, nil
	}
	f, err := r.api.Figures.Figures(r.ctx())
	if err != nil {
		return nil, err
	}
	owed, err := r.api.credit.of(r.ctx(), r.api.Users, r.api.Now())
	if err != nil {
		return nil, err
	}
	count := func(label string, n int64, path string, alert bool) web.Figure {
		return web.Figure{Label: label, Text: strconv.FormatInt(n, 10), Path: path, Alert: alert && n > 0}
	}
	figures := []web.Figure{
		count("Users", f.Users, "/users", false),
		{Label: "Credit of users", Amounts: pageSums(owed)},
		{Label: "Held for calls", Amounts: pageSums(f.Held), Path: "/holds"},
		count("Calls in progress", f.OpenCalls, "/calls?state=open", false),
		count("Unreconciled calls", f.Unreconciled, "/calls?state=unreconciled", true),
		count("Disputed calls", f.Disputed, "/calls?state=disputed", true),
	}
	if owed == nil { // too many accounts to add up while somebody waits
		figures = slices.Delete(figures, 1, 2)
	}
	return figures, nil
}

// creditLife is for how long the sum of all balances is remembered: with a million users it takes half a second.
const creditLife = 30 * time.Second

// credit remembers what users have.
type credit struct {
	turn  chan struct{} // whoever waits for it finds a sum that is new
	asked time.Time     // zero: never
	sums  map[string]money.Amount
}

func (c *credit) of(ctx context.Context, users Users, now time.Time) (map[string]money.Amount, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !c.asked.IsZero() && now.Sub(c.asked) < creditLife {
		return c.sums, nil
	}
	sums, err := users.Credit(ctx)
	if err == nil {
		c.asked, c.sums = now, sums
	}
	return sums, err
}

// pageSums are amounts by currency, of which the largest that there is stands for more; nothing at all is 0 seconds.
func pageSums(sums map[string]money.Amount) []web.Amount {
	var shown []web.Amount
	for _, currency := range slices.Sorted(maps.Keys(sums)) {
		sum := pageAmount(sums[currency], currency)
		if sums[currency] == money.Max {
			sum = web.Amount{Decimal: "more than " + strconv.FormatInt(money.Max.Whole(), 10), Unit: sum.Unit}
		}
		shown = append(shown, sum)
	}
	if shown == nil {
		shown = []web.Amount{pageAmount(0, models.SEC)}
	}
	return shown
}
