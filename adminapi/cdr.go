package adminapi

import (
	"net/http"

	"talktime/models"
)

func listCDR(r *request) error {
	l, err := r.listRequest(fewRows)
	if err != nil {
		return err
	}
	list, err := r.api.Calls.ListCDRs(r.ctx(), l)
	if err != nil {
		return err
	}
	users, err := r.usersOf(list.Items...)
	if err != nil {
		return err
	}
	return answerList(r, l, list, func(c models.CDR) int64 { return c.ID }, func(c models.CDR) any { return r.api.showFullCDR(c, users) })
}

func getCDR(r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	record, err := r.api.Calls.CDRByID(r.ctx(), id)
	if err != nil {
		return err
	}
	users, err := r.usersOf(record)
	if err == nil {
		r.answer(http.StatusOK, r.api.showFullCDR(record, users))
	}
	return err
}

func (r *request) usersOf(records ...models.CDR) (map[int64]models.UserDetail, error) {
	var ids []int64
	for _, c := range records {
		ids = append(ids, c.From, c.To)
	}
	return r.api.Users.UsersByID(r.ctx(), ids)
}
