package stats

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// Codes are country calling codes with the names of the countries.
type Codes map[string]string

// BuiltInCodes are the codes of all countries, and of services that belong to none, as digits. Of those that several countries share,
// longer ones tell the smaller countries apart; what is left is called after the largest. The map is the caller's own.
func BuiltInCodes() Codes {
	codes := make(Codes)
	for line := range strings.Lines(countryCodes) {
		code, country, _ := strings.Cut(strings.TrimSpace(line), " ")
		codes[code] = country
	}
	return codes
}

// codeTree finds the longest code that a number begins with.
type codeTree struct {
	nodes    []codeNode // the first is the root
	codes    []countryCode
	prefixes []string // that are left out of a number
	text     string   // what rule says
}

// codeNode is a place in the tree.
type codeNode struct {
	next [10]int32 // by digit; 0: nothing goes on there
	code int32     // of the digits that lead here, from 1; 0: none
}

// countryCode is a code with its digits, as it is shown, and the country.
type countryCode struct{ digits, shown, country string }

// newCodeTree makes a tree of codes, which may begin with + each; plus shows all of them so. Codes of anything but digits are left out.
func newCodeTree(codes Codes, plus bool, prefixes []string) *codeTree {
	t := &codeTree{nodes: make([]codeNode, 1), prefixes: slices.Clone(prefixes)}
	slices.SortStableFunc(t.prefixes, func(a, b string) int { return len(b) - len(a) })
	var digits []string
	for _, code := range slices.Sorted(maps.Keys(codes)) { // with + before the same without, which then counts
		c := countryCode{strings.TrimPrefix(code, "+"), code, codes[code]}
		if plus {
			c.shown = "+" + c.digits
		}
		if t.add(c) {
			digits = append(digits, c.digits)
		}
	}
	slices.Sort(digits)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(digits), " ")))
	t.text = hex.EncodeToString(sum[:8]) + " " + strings.Join(t.prefixes, ",")
	return t
}

// add takes a code into the tree, unless it is none.
func (t *codeTree) add(c countryCode) bool {
	if c.digits == "" || strings.Trim(c.digits, "0123456789") != "" {
		return false
	}
	at := int32(0)
	for _, digit := range []byte(c.digits) {
		next := t.nodes[at].next[digit-'0']
		if next == 0 {
			next = int32(len(t.nodes)) //nolint:gosec // codes are few
			t.nodes = append(t.nodes, codeNode{})
			t.nodes[at].next[digit-'0'] = next
		}
		at = next
	}
	t.codes = append(t.codes, c)
	t.nodes[at].code = int32(len(t.codes)) //nolint:gosec // the same
	return true
}

// rule is another text for codes that count otherwise. What countries are called and how codes are shown does not count.
func (t *codeTree) rule() string { return t.text }

// find is the place in codes of the longest code that a number begins with, from 1; 0: there is none.
func (t *codeTree) find(number []byte) int32 {
	digits := t.international(number)
	at, found := int32(0), int32(0)
	for _, c := range digits {
		if !isDigit(c) {
			break
		}
		if at = t.nodes[at].next[c-'0']; at == 0 {
			break
		}
		if code := t.nodes[at].code; code != 0 {
			found = code
		}
	}
	return found
}

// international is a number without the + or the access prefix before it.
func (t *codeTree) international(number []byte) []byte {
	if len(number) > 0 && number[0] == '+' {
		return number[1:]
	}
	for _, p := range t.prefixes {
		if len(number) >= len(p) && string(number[:len(p)]) == p {
			return number[len(p):]
		}
	}
	return number
}

// countryCodes are those of ITU-T E.164, with the numbering plans of +1 and +7.
const countryCodes = `1 United States
1242 Bahamas
1246 Barbados
1264 Anguilla
1268 Antigua and Barbuda
1284 British Virgin Islands
1340 US Virgin Islands
1345 Cayman Islands
1441 Bermuda
1473 Grenada
1649 Turks and Caicos Islands
1658 Jamaica
1664 Montserrat
1670 Northern Mariana Islands
1671 Guam
1684 American Samoa
1721 Sint Maarten
1758 Saint Lucia
1767 Dominica
1784 Saint Vincent and the Grenadines
1787 Puerto Rico
1809 Dominican Republic
1829 Dominican Republic
1849 Dominican Republic
1868 Trinidad and Tobago
1869 Saint Kitts and Nevis
1876 Jamaica
1939 Puerto Rico
20 Egypt
211 South Sudan
212 Morocco
213 Algeria
216 Tunisia
218 Libya
220 Gambia
221 Senegal
222 Mauritania
223 Mali
224 Guinea
225 Ivory Coast
226 Burkina Faso
227 Niger
228 Togo
229 Benin
230 Mauritius
231 Liberia
232 Sierra Leone
233 Ghana
234 Nigeria
235 Chad
236 Central African Republic
237 Cameroon
238 Cape Verde
239 Sao Tome and Principe
240 Equatorial Guinea
241 Gabon
242 Republic of the Congo
243 Democratic Republic of the Congo
244 Angola
245 Guinea-Bissau
246 British Indian Ocean Territory
247 Ascension Island
248 Seychelles
249 Sudan
250 Rwanda
251 Ethiopia
252 Somalia
253 Djibouti
254 Kenya
255 Tanzania
256 Uganda
257 Burundi
258 Mozambique
260 Zambia
261 Madagascar
262 Reunion
263 Zimbabwe
264 Namibia
265 Malawi
266 Lesotho
267 Botswana
268 Eswatini
269 Comoros
27 South Africa
290 Saint Helena
291 Eritrea
297 Aruba
298 Faroe Islands
299 Greenland
30 Greece
31 Netherlands
32 Belgium
33 France
34 Spain
350 Gibraltar
351 Portugal
352 Luxembourg
353 Ireland
354 Iceland
355 Albania
356 Malta
357 Cyprus
358 Finland
359 Bulgaria
36 Hungary
370 Lithuania
371 Latvia
372 Estonia
373 Moldova
374 Armenia
375 Belarus
376 Andorra
377 Monaco
378 San Marino
379 Vatican City
380 Ukraine
381 Serbia
382 Montenegro
383 Kosovo
385 Croatia
386 Slovenia
387 Bosnia and Herzegovina
389 North Macedonia
39 Italy
40 Romania
41 Switzerland
420 Czech Republic
421 Slovakia
423 Liechtenstein
43 Austria
44 United Kingdom
45 Denmark
46 Sweden
47 Norway
48 Poland
49 Germany
500 Falkland Islands
501 Belize
502 Guatemala
503 El Salvador
504 Honduras
505 Nicaragua
506 Costa Rica
507 Panama
508 Saint Pierre and Miquelon
509 Haiti
51 Peru
52 Mexico
53 Cuba
54 Argentina
55 Brazil
56 Chile
57 Colombia
58 Venezuela
590 Guadeloupe
591 Bolivia
592 Guyana
593 Ecuador
594 French Guiana
595 Paraguay
596 Martinique
597 Suriname
598 Uruguay
599 Caribbean Netherlands
5999 Curacao
60 Malaysia
61 Australia
62 Indonesia
63 Philippines
64 New Zealand
65 Singapore
66 Thailand
670 East Timor
672 Australian External Territories
673 Brunei
674 Nauru
675 Papua New Guinea
676 Tonga
677 Solomon Islands
678 Vanuatu
679 Fiji
680 Palau
681 Wallis and Futuna
682 Cook Islands
683 Niue
685 Samoa
686 Kiribati
687 New Caledonia
688 Tuvalu
689 French Polynesia
690 Tokelau
691 Micronesia
692 Marshall Islands
7 Russia
76 Kazakhstan
77 Kazakhstan
800 International Freephone
808 International Shared Cost
81 Japan
82 South Korea
84 Vietnam
850 North Korea
852 Hong Kong
853 Macau
855 Cambodia
856 Laos
86 China
870 Inmarsat
878 Universal Personal Telecommunications
880 Bangladesh
881 Global Mobile Satellite System
882 International Networks
883 International Networks
886 Taiwan
888 Telecommunications for Disaster Relief
90 Turkey
91 India
92 Pakistan
93 Afghanistan
94 Sri Lanka
95 Myanmar
960 Maldives
961 Lebanon
962 Jordan
963 Syria
964 Iraq
965 Kuwait
966 Saudi Arabia
967 Yemen
968 Oman
970 Palestine
971 United Arab Emirates
972 Israel
973 Bahrain
974 Qatar
975 Bhutan
976 Mongolia
977 Nepal
979 International Premium Rate
98 Iran
992 Tajikistan
993 Turkmenistan
994 Azerbaijan
995 Georgia
996 Kyrgyzstan
998 Uzbekistan`
