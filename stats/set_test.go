package stats

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// setTexts are texts as CDR tables have them, and such as might be taken for another.
func setTexts() []string {
	texts := []string{
		"", "0", "00", "1", "01", "10", "+", "+1", "+01", "++1", "1+", "s", "h", "*97", "#31#", "anonymous", "2104", "02104", "+2104",
		"999999999999999999", "+999999999999999999", "1000000000000000000", "+1000000000000000000", "0000000000000000000", "18446744073709551616",
		"1700000000.1", "1700000000.01", "01700000000.1", "1700000000.", ".1", "1700000000.1.1", "+1700000000.1", "0.0", "0.1", "34359738367.268435455",
		"34359738368.1", "1.268435456", "1.-1", "-1.1", "pbx-1700000000.1", "pbx-1700000000.01", "pbx-", "pbx", "pbx--1700000000.1", "-1700000000.1", "-", "a-b-1700000000.17",
		"pbx-1700000000", "192.0.2.1/1700000000.1", "192.0.2.1/1700000000.1#2", "192.0.2.1-1700000000.1", "a-b/1700000000.1", "a/b-1700000000.1", "/1700000000.1", "ä-1700000000.1", "\x00", "\xff", strings.Repeat("7", 300), "1700000000.1 ",
	}
	for i := range 300 {
		texts = append(texts, fmt.Sprintf("%d.%d", 1_700_000_000+i/7*13, i*3), fmt.Sprintf("pbx1-%d.%d", 1_700_000_000+i%50, i%90), fmt.Sprint(4930_000_000+i*i*7919), fmt.Sprintf("+%d", 4930_000_000+i*i*7919))
	}
	return texts
}

// readSet is a set that was written and read again.
func readSet(t *testing.T, s *Set) *Set {
	t.Helper()
	var again Set
	rest, err := again.MergeFrom(append(s.AppendTo([]byte("before"))[len("before"):], "behind"...))
	if err != nil || string(rest) != "behind" {
		t.Fatalf("%q, %v", rest, err)
	}
	return &again
}

// TestSetCountsTexts: any texts in any order, in parts that were merged and written and read, give exactly how many differ.
func TestSetCountsTexts(t *testing.T) {
	t.Parallel()
	all := setTexts()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 2))
		known := map[string]bool{}
		var whole, parts, written Set
		for range 1 + random.IntN(5) {
			var part Set
			for range random.IntN(4000) / (1 + random.IntN(40)) {
				text := all[random.IntN(len(all))]
				known[text] = true
				whole.Add([]byte(text))
				part.Add([]byte(text))
				if random.IntN(500) == 0 {
					part.Len() // which must not change what comes after
				}
			}
			if random.IntN(2) == 0 {
				part = *readSet(t, &part)
			}
			parts.Merge(&part)
			if _, err := written.MergeFrom(part.AppendTo(nil)); err != nil {
				t.Fatal(err)
			}
			if random.IntN(3) == 0 {
				written.Len()
			}
		}
		for name, s := range map[string]*Set{"whole": &whole, "merged": &parts, "written": &written, "read": readSet(t, &parts)} {
			if got := s.Len(); got != len(known) {
				t.Fatalf("seed %d: %s has %d texts of %d", seed, name, got, len(known))
			}
		}
		if a, b := whole.AppendTo(nil), parts.AppendTo(nil); !bytes.Equal(a, b) || !bytes.Equal(a, readSet(t, &whole).AppendTo(nil)) {
			t.Fatalf("seed %d: the same texts are written in two ways", seed)
		}
	}
}

// TestSetOfDays: ids of days in order, of which some go on over midnight, come back, or were added by themselves.
func TestSetOfDays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 5))
		known := map[string]bool{}
		var days, parts Set
		last := ""
		for day := range 10 {
			var one Set
			raw := random.IntN(4) == 0
			for i := range random.IntN(50) {
				id := fmt.Sprintf("%s%d.%d", []string{"", "pbx-", "192.0.2.1/"}[random.IntN(3)], 1_760_000_000+86400*day+i*random.IntN(1700), i)
				if random.IntN(100) == 0 && last != "" {
					id = last
				}
				known[id] = true
				last = id
				if one.Add([]byte(id)); raw {
					days.Add([]byte(id))
				}
			}
			if !raw {
				if _, err := days.MergeFrom(one.AppendTo(nil)); err != nil {
					t.Fatal(err)
				}
			}
			parts.Merge(&one)
			if random.IntN(5) == 0 && days.Len() != len(known) {
				t.Fatalf("seed %d: %d ids of %d", seed, days.Len(), len(known))
			}
		}
		var merged Set
		merged.Merge(&days)
		if days.Len() != len(known) || parts.Len() != len(known) || merged.Len() != len(known) || readSet(t, &days).Len() != len(known) {
			t.Fatalf("seed %d: %d, %d and %d ids of %d", seed, days.Len(), parts.Len(), merged.Len(), len(known))
		}
		if !bytes.Equal(days.AppendTo(nil), parts.AppendTo(nil)) {
			t.Fatalf("seed %d: the same ids are written in two ways", seed)
		}
	}
}

// TestSetKeysDiffer: no two texts have one key.
func TestSetKeysDiffer(t *testing.T) {
	t.Parallel()
	type kept struct {
		key  uint64
		what kindOfText
	}
	seen := map[kept]string{}
	for _, text := range setTexts() {
		key, what := keyOf([]byte(text))
		if other, taken := seen[kept{key, what}]; what != aText && taken && other != text {
			t.Errorf("%q and %q have one key", text, other)
		}
		seen[kept{key, what}] = text
	}
}

// TestSetIsSmall: unique ids of a day take about four bytes each once they are written, numbers of one country five.
func TestSetIsSmall(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var ids, numbers Set
	second, counter := 1_760_000_000, 10_000
	for range 20_000 {
		second, counter = second+random.IntN(9), counter+1+random.IntN(3)
		ids.Add(fmt.Appendf(nil, "%d.%d", second, counter))
		numbers.Add(fmt.Appendf(nil, "49%d", 1_000_000_000+random.Int64N(8_000_000_000)))
	}
	if n := len(ids.AppendTo(nil)); n > 3*20_000 {
		t.Errorf("20000 ids take %d bytes", n)
	}
	for _, name := range []string{"pbx1-", "192.0.2.1/", "[2001:db8::1]/"} {
		var named Set
		for i := range 20_000 {
			named.Add(fmt.Appendf(nil, "%s%d.%d", name, 1_760_000_000+3*i, i))
		}
		if n := len(named.AppendTo(nil)); n > 3*20_000 || len(named.texts) > 0 {
			t.Errorf("20000 ids behind %s take %d bytes, and %d are kept as texts", name, n, len(named.texts))
		}
	}
	if n := len(numbers.AppendTo(nil)); n > 5*20_000 {
		t.Errorf("20000 numbers take %d bytes", n)
	}
}

// FuzzSet: texts in any order, cut anywhere into parts.
func FuzzSet(f *testing.F) {
	f.Add([]byte("1700000000.1\n1700000000.2\n+49301\n49301\ns\npbx-1700000000.1\n"), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, cut uint8) {
		known := map[string]bool{}
		var whole, parts, part Set
		for i, text := range bytes.Split(data, []byte("\n")) {
			known[string(text)] = true
			whole.Add(text)
			part.Add(text)
			if i%(int(cut)+1) == 0 {
				if _, err := parts.MergeFrom(part.AppendTo(nil)); err != nil {
					t.Fatal(err)
				}
				part = Set{}
			}
		}
		parts.Merge(&part)
		if whole.Len() != len(known) || parts.Len() != len(known) || readSet(t, &parts).Len() != len(known) {
			t.Fatalf("%d texts: %d, in parts %d", len(known), whole.Len(), parts.Len())
		}
	})
}

// TestSpoiledSets: of what was changed after it was written nothing becomes a set that cannot be written.
func TestSpoiledSets(t *testing.T) {
	t.Parallel()
	var whole Set
	for _, text := range setTexts() {
		whole.Add([]byte(text))
	}
	written, random, taken := whole.AppendTo(nil), rand.New(rand.NewPCG(1, 6)), 0
	for range 3000 {
		data := bytes.Clone(written)
		if random.IntN(2) == 0 {
			data = data[:random.IntN(len(data))]
		}
		for range 1 + random.IntN(4) {
			if len(data) > 0 {
				data[random.IntN(len(data))] = byte(random.IntN(256))
			}
		}
		if setOf(t, data) {
			taken++
		}
	}
	if taken < 100 {
		t.Errorf("%d were taken for sets", taken)
	}
}

// setOf reports whether data is a set, which must be one that can be written and read.
func setOf(t *testing.T, data []byte) bool {
	t.Helper()
	var s Set
	if _, err := s.MergeFrom(data); err != nil {
		return false
	}
	s.Len()
	s.AppendTo(nil) // which reads all of it
	if n, again := s.Len(), readSet(t, &s); again.Len() != n {
		t.Fatalf("%d, and read again %d", n, again.Len())
	}
	return true
}

// FuzzSetMergeFrom: what nobody wrote is refused, or taken for a set that can be written again.
func FuzzSetMergeFrom(f *testing.F) {
	var s Set
	for _, text := range setTexts() {
		s.Add([]byte(text))
	}
	whole := s.AppendTo(nil)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, data []byte) { setOf(t, data) })
}
