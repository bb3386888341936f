// Package web is how the pages of the admin server look: templates and styles, embedded, with no build step and no
// script. What stands in them comes as plain values; the package knows no user, no money and no HTTP, and must never
// compute a figure.
//
// Each page is a type of this package, named after what it shows, with a template of the same name in small letters.
//
//	pages, err := web.New(time.UTC)
//	html := pages.Render(web.Page{Title: "Not found", Body: web.Notice{Text: "There is no such page."}})
package web
