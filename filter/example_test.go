package filter_test

import (
	"errors"
	"fmt"

	"talktime/filter"
)

// A list of calls, restricted to those of one user whatever his filters say.
func Example() {
	calls := &filter.Table{Fields: map[string]filter.Field{
		"id":      {SQL: "c.id", Kind: filter.Int},
		"user_id": {SQL: "c.user_id", Kind: filter.Int},
		"seconds": {SQL: "c.seconds", Kind: filter.Int},
	}}
	calls.Relations = map[string]filter.Relation{
		"user": {From: "users u", On: "u.id = c.user_id", Table: &filter.Table{Fields: map[string]filter.Field{"admin": {SQL: "u.admin", Kind: filter.Bool}}}},
	}
	q, err := filter.Parse(`{"filters": [{"or": [{"name": "seconds", "op": "ge", "val": "60"}, {"name": "user__admin", "op": "has", "val": true}]}],
		"order_by": [{"field": "id", "direction": "desc"}], "limit": 20}`, calls, filter.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	q = q.And(filter.Eq(calls.Fields["user_id"], 7))
	fmt.Println("WHERE", q.Where)
	fmt.Println("ORDER BY", q.Order, "LIMIT", q.Limit)
	fmt.Println(q.Args, q.Only("id", "user_id"))

	_, err = filter.Parse(`{"filters": [{"name": "password", "op": "like", "val": "a%"}]}`, calls, filter.Options{})
	var mistake *filter.Error
	if errors.As(err, &mistake) {
		fmt.Printf("%s (%s)\n", mistake.Message(), mistake.Cause)
	}
	// Output:
	// WHERE ((((c.seconds >= ?) OR EXISTS (SELECT 1 FROM users u WHERE u.id = c.user_id AND (u.admin = ?)))) AND ((c.user_id = ?)))
	// ORDER BY c.id DESC LIMIT 20
	// [60 1 7] false
	// Unable to construct query (there is no field "password")
}
