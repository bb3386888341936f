package stats

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Zone is a part of the world, or of a country, by which calls are told apart.
type Zone struct {
	ID      int64
	Country string
	Region  string // of the country; may be empty
}

// Label is the country with the region.
func (z Zone) Label() string {
	if z.Region == "" {
		return z.Country
	}
	return z.Country + " " + z.Region
}

// Zones finds the zone of a number: that of the longest prefix that it begins with.
type Zones struct {
	tree     *codeTree
	zones    []Zone // by the place of the prefix in the tree, from 0
	labels   []string
	shortest int // digits of a number that has a zone at all
}

// zonePrefix is a row of a file of zones.
type zonePrefix struct {
	Zone

	prefix string
}

// numberDigits is how many digits a number has at least that begins with a country's calling code. Shorter ones are extensions.
const numberDigits = 7

// BuiltInZones are one zone for each country, whose id is the shortest of its calling codes, and the lowest of those. Numbers of fewer
// than 7 digits have no zone. Access prefixes are left out of numbers, as + is.
func BuiltInZones(accessPrefixes []string) *Zones {
	codes := BuiltInCodes()
	ids := make(map[string]int64)
	var rows []zonePrefix
	byLength := func(a, b string) int { return 100*(len(a)-len(b)) + strings.Compare(a, b) }
	for _, code := range slices.SortedFunc(maps.Keys(codes), byLength) {
		country := codes[code]
		if ids[country] == 0 {
			ids[country], _ = strconv.ParseInt(code, 10, 64)
		}
		rows = append(rows, zonePrefix{Zone{ids[country], country, ""}, code})
	}
	z := newZones(rows, accessPrefixes)
	z.shortest = numberDigits
	return z
}

// Bounds of a file of zones.
const (
	maxZones    = 200_000
	maxZoneName = 80
	maxPrefix   = 15
	maxMistakes = 20 // that are told at once
)

// ReadZones reads a file of zones: CSV with the columns zone_id, country, region and prefix, of which the region may be empty. A first
// line with these names is left out. A zone may have several rows, one for each prefix. The error tells all mistakes with their lines.
func ReadZones(r io.Reader, accessPrefixes []string) (*Zones, error) {
	buffered := bytes.NewBuffer(nil)
	if _, err := io.Copy(buffered, io.LimitReader(r, 64<<20)); err != nil {
		return nil, err
	}
	reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(buffered.Bytes(), []byte("\ufeff"))))
	reader.FieldsPerRecord, reader.ReuseRecord, reader.TrimLeadingSpace = -1, true, true
	f := zoneFile{zones: make(map[int64]Zone), lines: make(map[string]int)}
	for first := true; len(f.mistakes) < maxMistakes; first = false {
		fields, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			f.mistakes = append(f.mistakes, err) // which tells the line
			break
		}
		if first && strings.EqualFold(strings.TrimSpace(fields[0]), "zone_id") {
			continue
		}
		line, _ := reader.FieldPos(0)
		if err := f.add(line, fields); err != nil {
			f.mistakes = append(f.mistakes, fmt.Errorf("line %d: %w", line, err))
		}
	}
	if len(f.rows) == 0 && len(f.mistakes) == 0 {
		f.mistakes = append(f.mistakes, errors.New("there is no zone in it"))
	}
	if err := errors.Join(f.mistakes...); err != nil {
		return nil, err
	}
	return newZones(f.rows, accessPrefixes), nil
}

// zoneFile is what has been read of a file.
type zoneFile struct {
	rows     []zonePrefix
	zones    map[int64]Zone
	lines    map[string]int // of the prefixes
	mistakes []error
}

func (f *zoneFile) add(line int, fields []string) error {
	if len(fields) != 4 {
		return fmt.Errorf("there are %d columns, but must be zone_id, country, region and prefix", len(fields))
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	id, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || id < 1 || id > 1<<53 {
		return fmt.Errorf("zone_id %.40q must be a whole number from 1 on", fields[0])
	}
	prefix := strings.TrimPrefix(fields[3], "+")
	if prefix == "" || len(prefix) > maxPrefix || strings.Trim(prefix, "0123456789") != "" {
		return fmt.Errorf("prefix %.40q must have 1 to %d digits", fields[3], maxPrefix)
	}
	if !zoneName(fields[1]) || fields[1] == "" || !zoneName(fields[2]) {
		return fmt.Errorf("country and region must be text of at most %d characters, and the country must not be empty", maxZoneName)
	}
	zone := Zone{id, strings.Clone(fields[1]), strings.Clone(fields[2])}
	if before, ok := f.zones[id]; ok && before != zone {
		return fmt.Errorf("zone %d is %s here, and %s further up", id, zone.Label(), before.Label())
	}
	if before := f.lines[prefix]; before != 0 {
		return fmt.Errorf("prefix %s is in line %d already", prefix, before)
	}
	if len(f.rows) >= maxZones {
		return fmt.Errorf("there are more than %d rows", maxZones)
	}
	prefix = strings.Clone(prefix)
	f.zones[id], f.lines[prefix] = zone, line
	f.rows = append(f.rows, zonePrefix{zone, prefix})
	return nil
}

func zoneName(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxZoneName && !strings.ContainsFunc(s, unicode.IsControl)
}

func newZones(rows []zonePrefix, accessPrefixes []string) *Zones {
	codes, byPrefix := make(Codes), make(map[string]Zone)
	for _, row := range rows {
		codes[row.prefix], byPrefix[row.prefix] = row.Label(), row.Zone
	}
	z := &Zones{tree: newCodeTree(codes, false, accessPrefixes)}
	for _, code := range z.tree.codes {
		zone := byPrefix[code.digits]
		z.zones, z.labels = append(z.zones, zone), append(z.labels, zone.Label())
	}
	return z
}

// of is the place of a number's zone; -1: it has none.
func (z *Zones) of(number []byte) int {
	if z.shortest > 0 && len(z.tree.international(number)) < z.shortest {
		return -1
	}
	return int(z.tree.find(number)) - 1
}

// Countries are the names of all countries that have a zone, ascending.
func (z *Zones) Countries() []string {
	names := make(map[string]bool)
	for _, zone := range z.zones {
		names[zone.Country] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Regions are the ids of the zones of some countries, ascending, by country and label. Names are compared without regard to case;
// those that no country has are left out.
func (z *Zones) Regions(countries []string) map[string]map[string][]int64 {
	found := make(map[string]map[string][]int64)
	for i, zone := range z.zones {
		if !slices.ContainsFunc(countries, func(name string) bool { return strings.EqualFold(name, zone.Country) }) {
			continue
		}
		if found[zone.Country] == nil {
			found[zone.Country] = make(map[string][]int64)
		}
		ids := found[zone.Country][z.labels[i]]
		if at, ok := slices.BinarySearch(ids, zone.ID); !ok {
			found[zone.Country][z.labels[i]] = slices.Insert(ids, at, zone.ID)
		}
	}
	return found
}
