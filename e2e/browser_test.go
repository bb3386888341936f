package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"talktime/agi/agitest"
	"talktime/e2e/lab"
)

// visitor is somebody with a browser.
type visitor struct {
	t     *testing.T
	ctx   context.Context //nolint:containedctx // the browser is in it
	base  string
	width int64
	shots string // folder for pictures of the pages; empty: none are taken
	name  string // of the visitor, in the names of the pictures

	mu       sync.Mutex
	troubles []string // what the browser complained of
}

// browser starts a Chromium. Without one the test is skipped, or fails where nothing may be skipped.
func browser(t *testing.T, base, name string, width, height int64) *visitor {
	t.Helper()
	path := ""
	for _, command := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(command); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		const why = "there is no Chromium; as root on Debian, e2e/setup.sh chromium installs it"
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip("SKIPPED: " + why)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	v := &visitor{t: t, ctx: ctx, base: base, name: name, width: width, shots: os.Getenv("TALKTIME_SCREENSHOTS")}
	if v.shots != "" {
		if err := os.MkdirAll(v.shots, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := chromedp.Listen(ctx, v.hear); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	v.do(chromedp.EmulateViewport(width, height))
	return v
}

// hear keeps what the browser complains of.
func (v *visitor) hear(event any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		v.troubles = append(v.troubles, e.Entry.Text+" "+e.Entry.URL)
	case *runtime.EventExceptionThrown:
		v.troubles = append(v.troubles, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		v.troubles = append(v.troubles, fmt.Sprintf("console.%s", e.Type))
	}
}

// complaints are those since the last time.
func (v *visitor) complaints() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	found := v.troubles
	v.troubles = nil
	return found
}

func (v *visitor) do(steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, steps...); err != nil {
		v.t.Fatal(err)
	}
}

// goes does something that leads to another page, whose status must be this one.
func (v *visitor) goes(status int, steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	response, err := chromedp.RunResponse(v.ctx, steps...)
	if err != nil {
		v.t.Fatal(err)
	}
	if response.Status != int64(status) {
		v.t.Errorf("%s: status %d, want %d", response.URL, response.Status, status)
	}
	for _, text := range v.complaints() {
		if status >= 400 && strings.Contains(text, "status of "+strconv.Itoa(status)) {
			continue // the browser notes it, too
		}
		v.t.Errorf("%s: the browser complains: %s", response.URL, text)
	}
}

func (v *visitor) open(path string) {
	v.t.Helper()
	v.goes(http.StatusOK, chromedp.Navigate(v.base+path))
}

// follow clicks on a link, and press on a button.
func (v *visitor) follow(text string) {
	v.t.Helper()
	v.goes(http.StatusOK, chromedp.Click(`//a[normalize-space()="`+text+`"]`))
}

func (v *visitor) press(text string) { v.t.Helper(); v.pressFor(http.StatusOK, text) }

func (v *visitor) pressFor(status int, text string) {
	v.t.Helper()
	v.goes(status, chromedp.Click(`//button[normalize-space()="`+text+`"]`))
}

// types fills in the field with a label.
func (v *visitor) types(label, text string) {
	v.t.Helper()
	id, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](fmt.Sprintf(
		"(Array.from(document.querySelectorAll('label')).find(l => l.textContent.trim() === %q) || {htmlFor: ''}).htmlFor", label)))
	if err != nil || id == "" {
		v.t.Fatalf("there is no field %q (%v)", label, err)
	}
	v.do(chromedp.SetValue(chromedp.ID(id), text))
}

// sees fails the test when the page lacks a text.
func (v *visitor) sees(texts ...string) {
	v.t.Helper()
	page, err := chromedp.Run(v.ctx, chromedp.Text(chromedp.CSS("body")))
	if err != nil {
		v.t.Fatal(err)
	}
	page = strings.Join(strings.Fields(page), " ")
	for _, text := range texts {
		if !strings.Contains(page, text) {
			v.t.Errorf("the page lacks %q:\n%s", text, page)
		}
	}
}

// look checks the page as it is drawn, and takes its picture.
func (v *visitor) look(name string) {
	v.t.Helper()
	wide, err := chromedp.Run(v.ctx, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`))
	if err != nil {
		v.t.Fatal(err)
	}
	if wide > v.width {
		v.t.Errorf("%s is %d pixels wide, on a screen of %d", name, wide, v.width)
	}
	styled, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](`getComputedStyle(document.querySelector('header')).borderBottomStyle`))
	if err != nil || styled != "solid" {
		v.t.Errorf("%s has no style (%s, %v)", name, styled, err)
	}
	unnamed, err := chromedp.Run(v.ctx, chromedp.Evaluate[int](
		`Array.from(document.querySelectorAll('input:not([type=hidden]), select, textarea')).filter(e => e.labels.length == 0).length`))
	if err != nil || unnamed != 0 {
		v.t.Errorf("%s has %d fields without a label (%v)", name, unnamed, err)
	}
	cut, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](
		`Array.from(document.querySelectorAll('main *, header *')).filter(e => !e.closest('.unseen, thead, .skip, .scroll') && e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML).join(' ')`))
	if err != nil || cut != "" {
		v.t.Errorf("%s: something is wider than its place: %.300s (%v)", name, cut, err)
	}
	if v.shots == "" {
		return
	}
	picture, err := chromedp.Run(v.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(v.shots, v.name+"-"+name+".png"), picture, 0o600)
	}
	if err != nil {
		v.t.Error(err)
	}
}

// TestPage goes through the pages as an operator does, once with scripts on a wide screen and once without on a phone,
// while a simulated Asterisk brings a call.
func TestPage(t *testing.T) {
	for name, c := range map[string]struct {
		width, height int64
		scripts       bool
		user, clid    string
	}{
		"wide":  {1280, 800, true, "marta", "555000204"},
		"phone": {360, 740, false, "joel", "555000205"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "", nil)
			base, _ := s.serveAdmin(t, nil)
			v := browser(t, base, name, c.width, c.height)
			if !c.scripts {
				_, err := chromedp.Call(v.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
				if err != nil {
					t.Fatal(err)
				}
			}
			v.open("/")
			v.sees("Log in")
			v.look("login")
			v.logIn("admin", "admin-2026")
			v.sees("Hello, admin!", "Calls in progress")
			v.makesUser(c.user, c.clid)
			v.toppedUp(c.user)
			call := s.dialled(c.clid)
			v.seesHold()
			call.hangUp(42900 * time.Millisecond)
			v.seesCharge(c.user)
			v.makesGroup(c.user)
			v.looksAround(c.user)
			v.press("Log out")
			v.sees("You are logged out.")

			v.logIn(c.user, "secret-2026")
			v.sees("Hello, "+c.user+"!", "558 s", "0:09:18")
			v.look("own")
			v.follow("Call to 59899123000, 0:00:42")
			v.sees("Talked for 42 seconds")
			v.goes(http.StatusForbidden, chromedp.Navigate(v.base+"/users"))
			v.sees("This is for administrators only.")
			v.look("forbidden")
			v.press("Log out")
			v.goes(http.StatusUnauthorized, chromedp.Navigate(v.base+"/calls"))
			v.look("led-to-login")
			v.types("Username", "admin")
			v.types("Password", "admin-2026")
			v.press("Log in")
			v.sees("59899123000") // the page that was asked for

			// The test must notice what it is there to notice.
			v.do(chromedp.Evaluate[chromedp.Void](`{ const s = document.createElement('style'); s.textContent = 'p { color: red }'; document.head.append(s) }`))
			lab.Eventually(t, 10*time.Second, func() bool { return strings.Contains(strings.Join(v.complaints(), " "), "Content Security Policy") }, "a complaint about an inline style")
		})
	}
}

func (v *visitor) logIn(name, password string) {
	v.t.Helper()
	v.open("/")
	v.types("Username", name)
	v.types("Password", password)
	v.press("Log in")
}

// makesUser makes a user, after a mistake.
func (v *visitor) makesUser(name, clid string) {
	v.t.Helper()
	v.look("home-empty")
	v.follow("Users")
	v.follow("New user")
	v.look("new-user")
	v.types("Username", name)
	v.types("Password", "secret-2026")
	v.types("Name", "Marta Pérez")
	v.types("Phone number (clid)", "five five five")
	v.pressFor(http.StatusBadRequest, "Make the user")
	v.sees("must be 1 to 20 digits")
	v.look("new-user-mistake")
	v.types("Password", "secret-2026")
	v.types("Phone number (clid)", clid)
	v.press("Make the user")
	v.sees("The user "+name+" is made.", "0 s")
	v.look("user-new")
}

func (v *visitor) toppedUp(name string) {
	v.t.Helper()
	v.types("Seconds", "sixty")
	v.pressFor(http.StatusBadRequest, "Book")
	v.sees("positive whole number")
	v.look("money-mistake")
	v.types("Seconds", "600")
	v.types("Note", "receipt 17")
	v.press("Book")
	v.sees("600 s added to "+name+".", "receipt 17", "0:10:00")
	v.goes(http.StatusOK, chromedp.Reload())
	page, err := chromedp.Run(v.ctx, chromedp.Text(chromedp.CSS("body")))
	if err != nil || strings.Contains(page, "added to") {
		v.t.Errorf("the message is shown twice (%v)", err)
	}
}

// phoneCall is a call in progress.
type phoneCall struct {
	site *site
	clid string
	talk chan time.Duration
	done chan error
}

// dialled has a simulated Asterisk place a call, and returns once its phones talk.
func (s *site) dialled(clid string) *phoneCall {
	s.t.Helper()
	call := &phoneCall{s, clid, make(chan time.Duration), make(chan error, 1)}
	talking := make(chan struct{})
	p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller", UniqueID: "pbx-1795000000.1", CallerID: clid, Extension: "59899123000"}}
	p.Dial = func(d *agitest.Dial) {
		close(talking)
		d.Talk = <-call.talk
	}
	go func() {
		err := p.Call(context.WithoutCancel(s.t.Context()), s.addr)
		if err == nil {
			err = p.H("reducer").Call(context.WithoutCancel(s.t.Context()), s.addr)
		}
		call.done <- err
	}()
	select {
	case <-talking:
	case err := <-call.done:
		s.t.Fatalf("the call was not dialled: %v %s", err, p.Vars["TALKTIME_REASON"])
	}
	return call
}

// hangUp ends the call as if it had talked for so long.
func (c *phoneCall) hangUp(talk time.Duration) {
	c.site.t.Helper()
	c.talk <- talk
	if err := <-c.done; err != nil {
		c.site.t.Fatal(err)
	}
}

func (v *visitor) seesHold() {
	v.t.Helper()
	v.open("/")
	v.look("home-call")
	v.follow("Holds")
	v.sees("1 hold", "59899123000", "60 s")
	v.look("holds")
	v.goes(http.StatusOK, chromedp.Click(chromedp.CSS("td a[href$='/release']")))
	v.look("release")
	v.follow("Cancel")
	v.sees("In progress")
	v.look("call-open")
}

func (v *visitor) seesCharge(name string) {
	v.t.Helper()
	v.follow("Calls")
	v.sees("1 call", "charged", "0:00:42", "42 s")
	v.look("calls")
	v.goes(http.StatusOK, chromedp.Click(chromedp.CSS("td a[href^='/calls/']")))
	v.sees("Talked for 42 seconds (0:00:42), which cost 42 s.", "60 s per minute", "The house: revenue", "42.900 seconds")
	v.look("call")
	v.open("/users/" + name)
	v.sees("558 s", "0:09:18", "−42 s")
	v.look("user")
	v.open("/users/" + name + "/entries")
	v.look("entries")
	v.follow("Statistics")
	v.follow("This month")
	v.sees("Calls 1", "100.0 %", "0:00:42", "Uruguay", "42 s", "Calls at once")
	v.look("statistics")
}

func (v *visitor) makesGroup(name string) {
	v.t.Helper()
	v.follow("Groups")
	v.look("groups-empty")
	v.follow("New group")
	v.look("new-group")
	v.types("Name", "field team")
	v.types("First refill", "2130-01-31")
	v.types("Members", name)
	v.press("Make the group")
	v.sees("The group field team is made.", "2130-02-28", name)
	v.look("group")
	v.follow("Refill now")
	v.look("refill")
	v.press("Refill now")
	v.sees("The refill of 2130-01-31 is applied.", "1250 s")
	v.follow("Groups")
	v.look("groups")
	v.open("/users/" + name)
	v.types("What", "take")
	v.types("Seconds", "692")
	v.press("Book")
	v.sees("692 s taken from " + name + ".")
}

func (v *visitor) looksAround(name string) {
	v.t.Helper()
	v.open("/")
	v.look("home")
	v.open("/users")
	v.look("users")
	v.types("Name or number", name[:3])
	v.press("Search")
	v.sees("1 user", name)
	v.open("/calls?user=" + name + "&number=598&state=settled")
	v.sees("59899123000")
	for _, page := range []string{"edit", "password", "delete"} {
		v.open("/users/" + name + "/" + page)
		v.look(page)
	}
	v.goes(http.StatusNotFound, chromedp.Navigate(v.base+"/nothing"))
	v.look("not-found")
	dark := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}
	if _, err := chromedp.Call(v.ctx, emulation.SetEmulatedMedia, dark); err != nil {
		v.t.Fatal(err)
	}
	for _, page := range []string{"", "users/" + name, "users/" + name + "/delete"} {
		v.open("/" + page)
		v.look("dark-" + strings.ReplaceAll(page, "/", "-"))
	}
	if _, err := chromedp.Call(v.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{}); err != nil {
		v.t.Fatal(err)
	}
}
