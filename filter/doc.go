// Package filter reads the search language of the API and turns it into SQL.
//
// A query is a JSON object; everything in it is optional:
//
//	{"filters": [{"name": "admin", "op": "eq", "val": false},
//	             {"or": [{"name": "clid", "op": "like", "val": "5989%"},
//	                     {"name": "groups__name", "op": "any", "val": "field-team"}]}],
//	 "order_by": [{"field": "username", "direction": "desc"}],
//	 "group_by": [{"field": "admin"}], "limit": 20, "offset": 40, "single": false}
//
// Filters of a list must all hold; {"or": […]} and {"and": […]} nest. A filter compares a field with "val", or with
// another field named by "field". What is null satisfies no comparison, and nothing compares with null: that is what
// is_null and is_not_null are for. A field of a related row is relation__field; "any" (where there may be many related
// rows) and "has" (where there is one) ask whether some related row satisfies a value or a filter of its own.
//
// The package knows no table. Whoever uses it says with a [Table] which fields there are, of which kind, and where they
// are in the database; nothing else can be reached. Values are always bound, never written into the SQL.
package filter
