package adminapi

import (
	"net/http"
	"slices"
	"strconv"
	"time"

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
	return answerList(r, l, list, func(c models.CDR) int64 { return c.ID }, func(c models.CDR) fullCDRJSON { return r.showFullCDR(c, users) })
}

func getCDR(r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	record, err := r.api.Calls.CDRByID(r.ctx(), id)
	if err == nil {
		err = r.mustSee(record.From)
	}
	if err != nil {
		return err
	}
	users, err := r.usersOf(record)
	if err == nil {
		r.answer(http.StatusOK, r.showFullCDR(record, users))
	}
	return err
}

func (r *request) usersOf(records ...models.CDR) (map[int64]models.UserDetail, error) {
	var ids []int64
	for _, c := range records {
		ids = append(ids, c.From, c.To)
	}
	ids, err := r.visible(ids...)
	if err != nil {
		return nil, err
	}
	return r.api.Users.UsersByID(r.ctx(), ids)
}

type newCDRRequest struct {
	Answer  string `json:"answer"`
	BillSec int64  `json:"billsec" minimum:"0" maximum:"2147483647"`
	From    *int64 `json:"from_user_id"`
	To      *int64 `json:"to_user_id" required:"false"`
}

type changeCDRRequest struct {
	Answer  string `json:"answer" required:"false"`
	BillSec int64  `json:"billsec" required:"false" minimum:"0" maximum:"2147483647"`
	From    *int64 `json:"from_user_id" required:"false"`
	To      *int64 `json:"to_user_id" required:"false"`
}

// Fields of a record that may be given.
var cdrFields = []string{"answer", "billsec", "from_user_id", "to_user_id"}

// Bounds of a record that is written by hand: what fits into the columns of every database.
const (
	maxBillSec    = 1<<31 - 1
	maxAnswerYear = 9000
)

// createCDR writes the record of a call that no program of ours saw. It charges nobody: whoever wants that takes the money
// with POST /api/balance, as the original's reducer did.
func createCDR(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown(cdrFields...); err != nil {
		return err
	}
	if err := o.missing("answer", "billsec", "from_user_id"); err != nil {
		return err
	}
	change, err := r.cdrChange(o)
	if err != nil {
		return err
	}
	var c models.CDR
	change(&c)
	if c, err = r.api.Calls.AddCDR(r.ctx(), c, r.who.actor()); err != nil {
		return err
	}
	r.Header("Location", r.location(strconv.FormatInt(c.ID, 10)))
	return r.answerCDR(http.StatusCreated, c)
}

func changeCDR(r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	o, err := r.object()
	if err != nil {
		return err
	}
	for _, name := range o.names() {
		switch {
		case name == "id_":
			return forbidden()
		case !slices.Contains(cdrFields, name):
			return badRequest("Model does not have field '" + name + "'")
		}
	}
	change, err := r.cdrChange(o)
	if err != nil {
		return err
	}
	c, err := r.api.Calls.ChangeCDR(r.ctx(), id, change, r.who.actor())
	if err != nil {
		return err
	}
	return r.answerCDR(http.StatusOK, c)
}

func deleteCDR(r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	if err := r.api.Calls.DeleteCDR(r.ctx(), id, r.who.actor()); err != nil {
		return err
	}
	r.Status(http.StatusNoContent)
	return nil
}

func (r *request) answerCDR(status int, c models.CDR) error {
	users, err := r.usersOf(c)
	if err == nil {
		r.json(status, r.showFullCDR(c, users))
	}
	return err
}

// cdrChange reads what is to become of a record.
func (r *request) cdrChange(o object) (func(*models.CDR), error) {
	var changes []func(*models.CDR)
	for _, name := range o.names() {
		switch name {
		case "answer":
			answer, err := r.instant(o, name)
			if err != nil {
				return nil, err
			}
			changes = append(changes, func(c *models.CDR) { c.Answer = answer })
		case "billsec":
			seconds, err := o.whole(name, 0, maxBillSec)
			if err != nil {
				return nil, err
			}
			changes = append(changes, func(c *models.CDR) { c.BillSec = seconds })
		case "from_user_id", "to_user_id":
			party, err := o.party(name)
			if err != nil {
				return nil, err
			}
			id := int64(0)
			if party != nil {
				id = *party
			}
			changes = append(changes, func(c *models.CDR) {
				if name == "from_user_id" {
					c.From = id
				} else {
					c.To = id
				}
			})
		}
	}
	return func(c *models.CDR) {
		for _, change := range changes {
			change(c)
		}
	}, nil
}

// instant reads a time in ISO 8601, in the server's zone unless it says another.
func (r *request) instant(o object, name string) (time.Time, error) {
	text, err := o.text(name)
	if err != nil {
		return time.Time{}, err
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05"} { // fractions are read too
		t, err := time.ParseInLocation(layout, text, r.api.Location)
		if err == nil && t.Year() >= minYear && t.Year() <= maxAnswerYear {
			return t.Truncate(time.Microsecond), nil
		}
	}
	return time.Time{}, badRequest(name + " must be a time such as 2030-01-31T09:20:05")
}
