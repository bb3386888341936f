// Package talktime_test checks rules that hold for the module as a whole: which package may import
// which, what must not be in the code, and what the commands are made of.
package talktime_test

import (
	"cmp"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "talktime"

// layer says what one folder, with everything below it, may import. The longest matching folder counts.
// .golangci.yaml repeats this for editors; this test is what decides.
type layer struct {
	dir   string
	may   []string // folders of ours, each with everything below it
	third []string // modules of others; "*" for any that no owner claims
	why   string   // reason for what is left out
}

// layers is the order of the program from the outside to the inside. A folder that is missing here
// fails the test, so that a new package gets its place by decision.
func layers() []layer {
	all := []string{"*"}
	return []layer{
		{
			"cmd",
			[]string{"agi", "adminapi", "billing", "tariff", "voucher", "routing", "dialcode", "stats", "cdrgen", "queues", "livecalls", "midcall", "filter", "models", "money", "store", "pbx", "dialplan", "web", "internal"},
			all,
			"a command wires everything together, but takes nothing that only tests need",
		},
		{
			"adminapi",
			[]string{"adminapi", "billing", "tariff", "voucher", "routing", "stats", "queues", "livecalls", "filter", "models", "money", "pbx", "web", "internal/password"},
			all,
			"the API takes interfaces and lets cmd hand the rest in: with a database, a connection to Asterisk or settings of its own it could not be tested alone",
		},
		{
			"adminapi/elastix",
			[]string{"pbx", "models"},
			nil,
			"it translates what the telephone system says; connections and HTTP are whoever's who serves it",
		},
		{
			"agi/agitest", nil, nil,
			"the scripted Asterisk must not share a mistake with the server it tests",
		},
		{
			"agi",
			[]string{"billing", "dialplan", "models", "money"},
			[]string{"github.com/CyCoreSystems/agi", "golang.org/x/sync"},
			"call scripts ask billing through an interface; with a database or the API in here a call would depend on them",
		},
		{
			"billing",
			[]string{"models", "money"},
			[]string{"golang.org/x/sync"},
			"decisions about money are pure: no SQL, no telephone, no HTTP, no settings; those depend on billing, not the other way round",
		},
		{
			"tariff",
			[]string{"billing", "models", "money"},
			nil,
			"which rate a number has is found in memory: whoever keeps decks or reads files from operators hands them in",
		},
		{
			"routing",
			[]string{"billing", "models", "money", "tariff"},
			nil,
			"which carriers take a call is found in memory, beside the rates; whoever keeps carriers and routes hands them in",
		},
		{
			"voucher",
			[]string{"models", "money"},
			nil,
			"what a code looks like depends on nobody; whoever keeps or sells codes asks",
		},
		{
			"voucher/sheet",
			[]string{"voucher", "models", "money"},
			[]string{"codeberg.org/go-pdf/fpdf"},
			"the file is made of values; the store does not need to know what it looks like",
		},
		{
			"stats",
			[]string{"stats", "filter", "models", "money"},
			nil,
			"figures come from counted facts, whoever counted them",
		},
		{
			"stats/sheet", nil,
			[]string{"github.com/xuri/excelize/v2"},
			"a table is made of values; whoever has figures brings them",
		},
		{
			"cdrgen",
			[]string{"stats"},
			nil,
			"invented records depend on nothing but what a record is; whoever needs many of them imports it",
		},
		{
			"queues",
			[]string{"queues", "models"},
			nil,
			"calls are put together from log lines, wherever those are kept",
		},
		{
			"queues/queuegen",
			[]string{"queues"},
			nil,
			"an invented log depends on nothing but what a line is; whoever needs a long one imports it",
		},
		{
			"queues/live",
			[]string{"queues", "pbx", "models"},
			nil,
			"what Asterisk says now is joined with what the log says of today; the rest of queues needs no Asterisk",
		},
		{
			"filter", nil, nil,
			"the search language knows no table of ours; whoever uses it brings the fields",
		},
		{
			"models",
			[]string{"money"},
			nil,
			"the records everybody shares must not pull anything in",
		},
		{
			"money", nil, nil,
			"amounts are arithmetic and nothing else",
		},
		{
			"dialcode", nil, nil,
			"a table and what finds in it",
		},
		{
			"store",
			[]string{"store", "billing", "tariff", "voucher", "stats", "queues", "filter", "models", "money", "pbx/extension"},
			all,
			"the database carries out what billing decided; it must not know who asked",
		},
		{
			"livecalls",
			[]string{"pbx", "billing", "models", "money"},
			[]string{"golang.org/x/sync"},
			"it joins what Asterisk and the books say, and changes neither; whoever keeps the books hands them in",
		},
		{
			"midcall",
			[]string{"billing", "models", "money", "pbx", "dialplan"},
			nil,
			"it carries from billing to Asterisk what was decided; whoever has a database, or an Asterisk, hands it in",
		},
		{
			"pbx",
			[]string{"pbx", "models"},
			all,
			"a telephone system knows nothing of money or of our database",
		},
		{
			"pbx/extension",
			[]string{"models"},
			nil,
			"what an extension is depends on no connection: the tables of a PBX are the store's, Asterisk is pbx's",
		},
		{
			"dialplan", nil, nil,
			"files and names; whoever needs them imports them",
		},
		{
			"web", nil, nil,
			"templates and styles; the figures in them come from adminapi",
		},
		{
			"internal",
			[]string{"models"},
			[]string{"golang.org/x"},
			"small tools that know nothing of calls or money",
		},
		{
			"internal/config",
			[]string{"dialcode", "money"},
			[]string{"github.com/joho/godotenv"},
			"settings are handed to a package as values by cmd, so that config needs to know none of them",
		},
		{
			"internal/wiring",
			[]string{"store", "pbx", "internal/config"},
			[]string{"golang.org/x"},
			"what both commands do with their settings, and nothing else may",
		},
		{"e2e", []string{"*"}, all, "tests the whole"},
		{"bench", []string{"*"}, all, "measures the whole"},
		{".", nil, nil, "the root has tests only"},
	}
}

// owners says who alone may import a module, so that its ways stay behind one seam.
func owners() []layer {
	agi := "its replies are one behind after a hang-up and its listener stalls; agi alone deals with that"
	db := "SQL and its errors stay in store; everybody else speaks billing.Store and the like"
	http := "HTTP stays in adminapi; services must be usable without it"
	return []layer{
		{dir: "github.com/CyCoreSystems/agi", may: []string{"agi"}, why: agi},
		{dir: "github.com/CyCoreSystems/ari", may: []string{"pbx"}, why: "ARI has no timeouts of its own; pbx alone deals with that"},
		{dir: "gorm.io", may: []string{"store"}, why: db},
		{dir: "github.com/glebarez", may: []string{"store", "bench", "e2e"}, why: db},
		{dir: "github.com/go-sql-driver", may: []string{"store", "bench", "e2e"}, why: db},
		{dir: "github.com/pressly/goose", may: []string{"store"}, why: db},
		{dir: "database/sql", may: []string{"store", "bench", "e2e"}, why: db},
		{dir: "github.com/gin-gonic", may: []string{"adminapi"}, why: http},
		{dir: "github.com/gin-contrib", may: []string{"adminapi"}, why: http},
		{dir: "github.com/danielgtaylor/huma", may: []string{"adminapi"}, why: http},
		{dir: "codeberg.org/go-pdf/fpdf", may: []string{"voucher/sheet"}, why: "PDF is one way to write down a batch; nobody else draws"},
		{dir: "github.com/xuri/excelize", may: []string{"stats/sheet"}, why: "Excel is one way to write down a table; nobody else speaks it"},
		{dir: "github.com/joho/godotenv", may: []string{"internal/config"}, why: "settings have one reader, which checks all of them"},
	}
}

// source is one parsed Go file.
type source struct {
	dir, path string
	test      bool
	file      *ast.File
}

func (s source) imports() []string {
	var paths []string
	for _, i := range s.file.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// sources parses every Go file of the module. Files are read here, and not by the go command, so that
// go test knows them and does not repeat an old result.
func sources(t *testing.T) ([]source, *token.FileSet) {
	t.Helper()
	var all []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") || d.Name() == "testdata" || name == "data" || name == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Errorf("%v", err)
			return nil
		}
		if !leftOut(file) {
			all = append(all, source{dir: filepath.ToSlash(filepath.Dir(name)), path: name, test: strings.HasSuffix(name, "_test.go"), file: file})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, fset
}

// leftOut reports whether a build constraint keeps the file out of every build of the product.
func leftOut(file *ast.File) bool {
	for _, group := range file.Comments {
		if group.Pos() > file.Package {
			break
		}
		for _, c := range group.List {
			expr, err := constraint.Parse(c.Text)
			if err != nil {
				continue
			}
			without := expr.Eval(func(tag string) bool { return tag != "deps" && tag != "ignore" })
			if !without && expr.Eval(func(string) bool { return true }) {
				return true
			}
		}
	}
	return false
}

// within reports whether a folder or import path is another one or below it.
func within(p, root string) bool {
	return root == "*" || p == root || strings.HasPrefix(p, root+"/")
}

func anyWithin(p string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return within(p, root) })
}

// layerOf finds the rule for a folder; the longest one that holds it.
func layerOf(dir string) (layer, bool) {
	var candidates []layer
	for _, l := range layers() {
		if within(dir, l.dir) {
			candidates = append(candidates, l)
		}
	}
	if len(candidates) == 0 {
		return layer{}, false
	}
	return slices.MaxFunc(candidates, func(a, b layer) int { return cmp.Compare(len(a.dir), len(b.dir)) }), true
}

// TestImports checks the directions of imports. Tests may import what they like.
func TestImports(t *testing.T) {
	t.Parallel()
	all, _ := sources(t)
	for _, s := range all {
		if s.test {
			continue
		}
		l, found := layerOf(s.dir)
		if !found {
			t.Errorf("%s: the package has no place in layers() of arch_test.go yet", s.path)
			continue
		}
		for _, p := range s.imports() {
			if why := denied(s.dir, l, p); why != "" {
				t.Errorf("%s imports %s: %s", s.path, p, why)
			}
		}
	}
}

// denied returns the reason why a folder must not import a path, or nothing when it may.
func denied(dir string, l layer, p string) string {
	if p == module || strings.HasPrefix(p, module+"/") {
		ours := strings.TrimPrefix(strings.TrimPrefix(p, module), "/")
		switch {
		case anyWithin(ours, []string{"e2e", "bench"}) && !anyWithin(dir, []string{"e2e", "bench"}):
			return "it is there for tests only"
		case within(ours, "cmd"):
			return "commands are at the top"
		case within(ours, "store/storetest") && !anyWithin(dir, []string{"store", "e2e", "bench"}):
			return "it is there for tests only"
		case within(ours, l.dir) || anyWithin(ours, l.may):
			return ""
		}
		return l.why
	}
	for _, o := range owners() {
		if within(p, o.dir) && !anyWithin(dir, o.may) {
			return o.why
		}
	}
	if !strings.Contains(strings.SplitN(p, "/", 2)[0], ".") || anyWithin(p, l.third) {
		return "" // the standard library, or named
	}
	return l.why
}

// TestDenied makes sure that the rules above refuse what they are meant to refuse.
func TestDenied(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dir, imports string
		allowed      bool
	}{
		{"cmd/fastagi", "talktime/store", true},
		{"cmd/fastagi", "talktime/store/storetest", false},
		{"cmd/admin", "talktime/e2e/lab", false},
		{"cmd/admin", "talktime/cmd/fastagi", false},
		{"cmd/admin", "gorm.io/gorm", false},
		{"adminapi/callstat", "talktime/adminapi/session", true},
		{"adminapi", "talktime/store", false},
		{"adminapi", "talktime/agi", false},
		{"adminapi", "talktime/pbx", true},
		{"agi", "talktime/adminapi", false},
		{"agi", "talktime/store", false},
		{"agi", "talktime/billing", true},
		{"agi", "github.com/CyCoreSystems/agi", true},
		{"agi/agitest", "talktime/agi", false},
		{"agi/agitest", "github.com/CyCoreSystems/agi", false},
		{"billing", "database/sql", false},
		{"billing", "talktime/store", false},
		{"billing", "gorm.io/gorm/clause", false},
		{"billing", "net/http", true},
		{"models", "talktime/billing", false},
		{"models", "talktime/money", true},
		{"money", "golang.org/x/sync/errgroup", false},
		{"store", "gorm.io/gorm", true},
		{"store/storetest", "github.com/go-sql-driver/mysql", true},
		{"store", "talktime/agi", false},
		{"pbx", "github.com/CyCoreSystems/ari/v6", true},
		{"pbx", "talktime/billing", false},
		{"livecalls", "talktime/store", false},
		{"web", "talktime/models", false},
		{"internal/config", "talktime/models", false},
		{"bench", "github.com/go-sql-driver/mysql", true},
	} {
		l, found := layerOf(tt.dir)
		if !found {
			t.Errorf("%s has no layer", tt.dir)
			continue
		}
		if why := denied(tt.dir, l, tt.imports); (why == "") != tt.allowed {
			t.Errorf("%s imports %s: allowed %v (%s), want %v", tt.dir, tt.imports, why == "", why, tt.allowed)
		}
	}
	if _, found := layerOf("util"); found {
		t.Error("a package util has a layer")
	}
}

// TestEveryPackageHasADoc: what a package is for stands above its package clause, in one file.
func TestEveryPackageHasADoc(t *testing.T) {
	t.Parallel()
	all, _ := sources(t)
	docs := make(map[string]int)
	for _, s := range all {
		if s.test {
			continue
		}
		docs[s.dir] += 0
		if s.file.Doc == nil {
			continue
		}
		docs[s.dir]++
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			want = "Command " + path.Base(s.dir) + " "
		}
		if !strings.HasPrefix(s.file.Doc.Text(), want) {
			t.Errorf("%s: the package comment must begin with %q", s.path, want)
		}
	}
	for dir, n := range docs {
		if n != 1 {
			t.Errorf("%s: %d files have a package comment, want one", dir, n)
		}
	}
}

// TestNoFloats: no floating point near a price. A result of time.Duration.Seconds and the like is one too.
func TestNoFloats(t *testing.T) {
	t.Parallel()
	all, fset := sources(t)
	for _, s := range all {
		if s.test || !anyWithin(s.dir, []string{"money", "billing", "models"}) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if what := float(n); what != "" {
				t.Errorf("%s: %s: money is counted in whole millionths", fset.Position(n.Pos()), what)
			}
			return true
		})
	}
}

// float names the floating point in a node itself, if there is any.
func float(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Ident:
		if n.Name == "float64" || n.Name == "float32" || n.Name == "complex128" || n.Name == "complex64" {
			return n.Name
		}
	case *ast.BasicLit:
		if n.Kind == token.FLOAT || n.Kind == token.IMAG {
			return n.Value
		}
	case *ast.SelectorExpr:
		switch n.Sel.Name {
		case "Float", "ParseFloat", "FormatFloat", "Float64", "Float32", "Inf", "NaN":
			return n.Sel.Name
		}
	case *ast.CallExpr:
		if sel, ok := n.Fun.(*ast.SelectorExpr); ok && len(n.Args) == 0 {
			switch sel.Sel.Name {
			case "Seconds", "Minutes", "Hours":
				return sel.Sel.Name + "()"
			}
		}
	}
	return ""
}

func TestFloatIsFound(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"float64(x)": true, "1.5": true, "1e6": true, "d.Seconds()": true, "strconv.ParseFloat(s, 64)": true,
		"big.Float{}": true, "math.Inf(1)": true, "1_000_000": false, "v.Seconds": false, "math.MaxInt64": false, "d / time.Second": false,
	} {
		expr, err := parser.ParseExpr(code)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		ast.Inspect(expr, func(n ast.Node) bool {
			found = found || float(n) != ""
			return true
		})
		if found != want {
			t.Errorf("%s: found %v, want %v", code, found, want)
		}
	}
}

// TestNoInitNoTODO: nothing runs before main, and nothing is left unfinished behind a panic.
func TestNoInitNoTODO(t *testing.T) {
	t.Parallel()
	all, fset := sources(t)
	for _, s := range all {
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					t.Errorf("%s: init runs unseen; let main call what is needed", fset.Position(n.Pos()))
				}
			case *ast.CallExpr:
				if unfinished(n) {
					t.Errorf("%s: panic stands in place of code", fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

// unfinished reports whether a call is a panic that marks missing code.
func unfinished(call *ast.CallExpr) bool {
	if f, ok := call.Fun.(*ast.Ident); !ok || f.Name != "panic" {
		return false
	}
	found := false
	for _, arg := range call.Args {
		ast.Inspect(arg, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text := strings.ToLower(lit.Value)
				found = found || strings.Contains(text, "todo") || strings.Contains(text, "implement")
			}
			return true
		})
	}
	return found
}

// TestDocumentedLogLines: the lines that docs/operations.md explains are lines that the program writes.
func TestDocumentedLogLines(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	all, _ := sources(t)
	for _, s := range all {
		if !s.test {
			ast.Inspect(s.file, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					code.WriteString(lit.Value + "\n")
				}
				return true
			})
		}
	}
	lines := 0
	for line := range strings.Lines(string(page)) {
		cell, isLine := strings.CutPrefix(line, "| ERROR ")
		if !isLine {
			cell, isLine = strings.CutPrefix(line, "| WARN ")
		}
		if !isLine {
			cell, isLine = strings.CutPrefix(line, "| INFO ")
		}
		if !isLine {
			continue
		}
		cell, _, _ = strings.Cut(cell, " | ")
		for i, quoted := range strings.Split(cell, "`") {
			if i%2 == 0 {
				continue
			}
			lines++
			if message := strings.Trim(quoted, "…"); !strings.Contains(code.String(), message) {
				t.Errorf("docs/operations.md explains %q, which nothing writes", message)
			}
		}
	}
	if lines < 10 {
		t.Errorf("%d lines were found in docs/operations.md; has the table changed its form?", lines)
	}
}
