package pbx

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestNewestOfAFlatFolder: where there are more files than a search looks at, those are looked at that are the latest by their names.
func TestNewestOfAFlatFolder(t *testing.T) {
	t.Parallel()
	const days, each, looks = 20, 20, 30
	first := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	for name, one := range map[string]string{"by unique id": "", "by date": "", "in a day": "2026/11/20"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			if err := os.MkdirAll(filepath.Join(folder, one), 0o700); err != nil {
				t.Fatal(err)
			}
			for day := range days {
				for n := range each {
					at := first.AddDate(0, 0, day).Add(time.Duration(n) * time.Minute)
					file := fmt.Sprintf("q-%d.%d.wav", at.Unix(), n)
					if name == "by date" {
						file = at.Format("auto-20060102-150405-") + fmt.Sprintf("204-%d.wav", n)
					}
					file = filepath.Join(folder, one, file)
					if err := os.WriteFile(file, nil, 0o600); err != nil {
						t.Fatal(err)
					}
					if err := os.Chtimes(file, at, at); err != nil {
						t.Fatal(err)
					}
				}
			}
			r := NewRecordings(folder)
			r.looks = looks
			l, err := r.Search(t.Context(), RecordingSearch{Most: 25, Location: time.UTC})
			if err != nil || len(l.Found) != 25 || !l.More || l.Cut != (one != "") { // of a day not all were looked at
				t.Fatalf("%d, more %v, cut %v, %v", len(l.Found), l.More, l.Cut, err)
			}
			want := first.AddDate(0, 0, days-1).Add((each - 1) * time.Minute)
			for i, f := range l.Found {
				if !f.Modified.Equal(want) || f.Day != want.Format(time.DateOnly) && one == "" {
					t.Fatalf("%d is %+v, want that of %s", i, f, want)
				}
				if want = want.Add(-time.Minute); i == each-1 {
					want = first.AddDate(0, 0, days-2).Add((each - 1) * time.Minute)
				}
			}
			l, err = r.Search(t.Context(), RecordingSearch{Most: 500, Location: time.UTC})
			if err != nil || len(l.Found) != looks || !l.Cut {
				t.Errorf("all: %d, cut %v, %v", len(l.Found), l.Cut, err)
			}
			if one != "" {
				return
			}
			l, err = r.Search(t.Context(), RecordingSearch{From: "2026-11-03", To: "2026-11-04", Most: 100, Location: time.UTC})
			if err != nil || len(l.Found) != each || l.Cut || l.Found[0].Day != "2026-11-03" {
				t.Errorf("an old day: %d, cut %v, %v", len(l.Found), l.Cut, err)
			}
		})
	}
}

func TestMadeAt(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"q-1804596131.52.wav": "2027-03-09 12:42:11", "1804596131.52.wav": "2027-03-09 12:42:11", "a/b-100000000.1.gsm": "1973-03-03 09:46:40", "auto-20261121-140211-204.wav": "2026-11-21 14:02:11", "20261121-140211.mp3": "2026-11-21 14:02:11",
		"out-204-20261121-140211-1804596131.52.wav": "2027-03-09 12:42:11",
		"0551234567.wav": "", "q-1.wav": "", "1234567.89.wav": "", "12345678901.5.wav": "", "1.1804596131.52.wav": "", "1804596131..wav": "", "120261121-140211.wav": "", "20261121-1402110.wav": "", "20261321-140211.wav": "",
		"20261121.wav": "", "20261121-140211/x.wav": "", ".wav": "", "": "",
	} {
		at, ok := madeAt(name, time.UTC)
		if got := at.Format(time.DateTime); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %s, %v; want %q", name, got, ok, want)
		}
	}
}
