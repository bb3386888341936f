package adminapi

import (
	"fmt"
	"net/http"
	"strings"

	"talktime/models"
	"talktime/web"
)

// limitWords are the limits of a user, for people.
func limitWords(l models.UserLimits, currency string) []string {
	var texts []string
	for _, w := range l.Words(currency) {
		texts = append(texts, w.Words)
	}
	for _, s := range l.Shared {
		texts = append(texts, fmt.Sprintf("at most %d calls at once with all of the group %s", s.Most, s.Group))
	}
	return texts
}

// refusedPage lists the calls that users were refused.
func refusedPage(r *request) error {
	l := r.pageRequest()
	user, number := strings.TrimSpace(r.Query("user")), strings.TrimSpace(r.Query("number"))
	faults := map[string]string{}
	if err := r.ofUser(user, &l, faults); err != nil {
		return err
	}
	if number != "" {
		l.Query = search(where("number", "like", pattern(number)+"%"))
	}
	body := web.Refused{Filter: &web.Form{Action: "/refused", Submit: "Show", Fields: []web.Field{
		{Name: "user", Label: "User", Type: "search", Value: user, Error: faults["user"]},
		{Name: "number", Label: "Number begins with", Type: "search", Mode: "tel", Value: number},
	}}}
	page := web.Page{Title: "Refused calls", Section: "/calls"}
	if len(faults) > 0 {
		page.Body = body
		return r.render(http.StatusBadRequest, page)
	}
	list, err := r.api.Limits.ListRefusals(r.ctx(), l)
	if err != nil {
		return err
	}
	refused, more := onePage(list.Items)
	users, err := r.refusedUsers(refused)
	if err != nil {
		return err
	}
	for _, f := range refused {
		body.Rows = append(body.Rows, web.RefusedRow{At: f.At, User: users[f.UserID].Username, CallerID: f.CallerID, Number: f.Number, Reason: f.Reason})
	}
	if list.Total > 0 && l.After == 0 {
		body.Total = counted(list, "call", "calls")
	}
	if more {
		body.Next = r.nextPage(refused[pageRows-1].ID)
	}
	page.Body = body
	return r.render(http.StatusOK, page)
}
