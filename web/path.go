package web

import (
	"fmt"
	"net/url"
	"strconv"
)

// UserPath is where a user's page is.
func UserPath(username string) string { return "/users/" + url.PathEscape(username) }

// CallPath is where a call is explained.
func CallPath(id int64) string { return "/calls/" + strconv.FormatInt(id, 10) }

// GroupPath is where a group's page is.
func GroupPath(name string) string { return "/groups/" + url.PathEscape(name) }

// Clock is a number of seconds as h:mm:ss.
func Clock(seconds int64) string {
	sign := ""
	if seconds < 0 {
		sign, seconds = "−", -seconds
	}
	return fmt.Sprintf("%s%d:%02d:%02d", sign, seconds/3600, seconds/60%60, seconds%60)
}
