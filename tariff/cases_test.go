package tariff_test

import (
	"testing"

	"talktime/billing"
	"talktime/models"
)

// The price list of the cases below, in the zone Europe/Berlin: an hour before UTC in winter, two in summer.
const priceList = `prefix,destination,rate,connect_fee,first,increment,minimum,grace,from,to,days,hours
49,Germany,0.012,,,,,,,,,
4917,Germany mobile,0.12,,30,6,,,,,,
49180,Germany premium,1.2,0.5,60,60,,,,,,
4932,free,0,,,,,,,,,
4933,a fee for the answer,0,0.1,,,,,,,,
44,UK,0.03,,60,60,,,,,,
4420,London,0.01,,,,0.05,,,,,
4479,UK mobile,0.25,0.02,20,10,0.1,,,,,
33,France,0.01,,,,,3,,,,
336,France mobile,0.1,0.05,,,0.06,5,,,,
7,next to nothing,0.000001,,,,,,,,,
77,sevens and threes,0.1,,7,3,,,,,,
1,USA by day,0.02,,,,,,,,,
1,USA by night,0.01,,,,,,,,,20:00-08:00
1,USA on weekends,0.005,,,,,,,,"sat,sun",
39,Italy until March,0.02,,,,,,,2026-03-01,,
39,Italy,0.03,,,,,,2026-03-01,,,
8,Asia,0.5,,,,,,,,,
81,Japan in April,0.05,,,,,,2026-04-01,2026-05-01,,
`

// TestRatingCases: what a call to a number, begun at an instant, costs after so many whole seconds of talk. Each figure was
// worked out by hand, as the last column shows; × 60 s means that so much is billed.
func TestRatingCases(t *testing.T) {
	t.Parallel()
	var rates []models.DeckRate
	for _, row := range readAll(t, priceList) {
		if row.Bad != nil {
			t.Fatalf("line %d: %v", row.Line, row.Bad)
		}
		rates = append(rates, row.DeckRate)
	}
	deck := newDeck(t, "Europe/Berlin", rates...)
	const monday = "2026-03-02T11:00:00Z"
	for _, c := range []struct {
		number  string
		at      string
		seconds int64
		want    string
		why     string
	}{
		// By the second.
		{"4930", monday, 0, "0", "nothing was talked, and the answer costs nothing"},
		{"4930", monday, 1, "0.0002", "0.012 ÷ 60"},
		{"4930", monday, 59, "0.0118", "59 × 0.0002"},
		{"4930", monday, 60, "0.012", "a minute"},
		{"4930", monday, 61, "0.0122", "61 × 0.0002"},
		{"4930", monday, 3600, "0.72", "60 × 0.012"},
		{"4930", monday, 86400, "17.28", "1440 × 0.012"},
		{"+4930", monday, 60, "0.012", "the + says nothing"},
		// 30/6.
		{"491711", monday, 0, "0", "no increment has begun"},
		{"491711", monday, 1, "0.06", "30 s: half a minute of 0.12"},
		{"491711", monday, 29, "0.06", "30 s"},
		{"491711", monday, 30, "0.06", "30 s"},
		{"491711", monday, 31, "0.072", "36 s × 0.002"},
		{"491711", monday, 36, "0.072", "36 s"},
		{"491711", monday, 37, "0.084", "42 s × 0.002"},
		{"491711", monday, 60, "0.12", "30 + 5 × 6 = 60 s"},
		{"491711", monday, 61, "0.132", "66 s × 0.002"},
		// 60/60 with a connect fee.
		{"49180", monday, 0, "0.5", "it was answered: the fee alone"},
		{"49180", monday, 1, "1.7", "0.5 + 1.2"},
		{"49180", monday, 60, "1.7", "0.5 + 1.2"},
		{"49180", monday, 61, "2.9", "0.5 + 2 × 1.2"},
		{"49180", monday, 120, "2.9", "0.5 + 2 × 1.2"},
		{"49180", monday, 121, "4.1", "0.5 + 3 × 1.2"},
		// Free, and free but for the answer.
		{"4932", monday, 3600, "0", "nothing a minute"},
		{"4933", monday, 0, "0.1", "the fee"},
		{"4933", monday, 7200, "0.1", "the fee, and 120 × 0"},
		// 60/60.
		{"4411", monday, 1, "0.03", "a whole minute"},
		{"4411", monday, 60, "0.03", "a minute"},
		{"4411", monday, 61, "0.06", "two minutes"},
		{"4411", monday, 600, "0.3", "10 × 0.03"},
		// A minimum.
		{"442071", monday, 0, "0.05", "the minimum, since it was answered"},
		{"442071", monday, 1, "0.05", "0.01 ÷ 60 = 0.000167 is less than the minimum"},
		{"442071", monday, 300, "0.05", "5 × 0.01 is the minimum itself"},
		{"442071", monday, 301, "0.050167", "0.01 × 301 ÷ 60 = 0.0501666…, up to a millionth"},
		{"442071", monday, 600, "0.1", "10 × 0.01"},
		// 20/10 with fee and minimum.
		{"447911", monday, 0, "0.1", "the fee of 0.02 is less than the minimum"},
		{"447911", monday, 1, "0.103334", "20 s: 0.25 × 20 ÷ 60 = 0.0833333…, up to 0.083334, + 0.02"},
		{"447911", monday, 20, "0.103334", "20 s"},
		{"447911", monday, 21, "0.145", "30 s: 0.125 + 0.02"},
		{"447911", monday, 30, "0.145", "30 s"},
		{"447911", monday, 31, "0.186667", "40 s: 0.25 × 40 ÷ 60 = 0.1666666…, up to 0.166667, + 0.02"},
		// Grace.
		{"331", monday, 0, "0", "within the grace of 3 s"},
		{"331", monday, 3, "0", "within the grace"},
		{"331", monday, 4, "0.000667", "0.01 × 4 ÷ 60 = 0.0006666…: past the grace all seconds count"},
		{"336", monday, 5, "0", "the grace of 5 s spares fee and minimum, too"},
		{"336", monday, 6, "0.06", "0.1 × 6 ÷ 60 + 0.05, which is the minimum itself"},
		{"336", monday, 7, "0.061667", "0.1 × 7 ÷ 60 = 0.0116666…, up to 0.011667, + 0.05"},
		{"336", monday, 60, "0.15", "0.1 + 0.05"},
		// The edges of rounding: up, once, for the whole call.
		{"72", monday, 1, "0.000001", "a sixtieth of a millionth, up"},
		{"72", monday, 60, "0.000001", "a millionth"},
		{"72", monday, 61, "0.000002", "61 ÷ 60 millionths, up"},
		{"72", monday, 3601, "0.000061", "3601 ÷ 60 = 60.0166… millionths, up"},
		{"771", monday, 1, "0.011667", "7 s: 0.1 × 7 ÷ 60 = 0.0116666…"},
		{"771", monday, 8, "0.016667", "7 + 3 = 10 s: 0.1 × 10 ÷ 60 = 0.0166666…"},
		{"771", monday, 10, "0.016667", "10 s"},
		{"771", monday, 11, "0.021667", "13 s: 0.1 × 13 ÷ 60 = 0.0216666…"},
		// Hours of the day. 2 March 2026 is a Monday.
		{"1212", "2026-03-02T18:59:59Z", 60, "0.02", "19:59:59: day"},
		{"1212", "2026-03-02T19:00:00Z", 60, "0.01", "20:00:00: night"},
		{"1212", "2026-03-02T22:59:30Z", 60, "0.01", "23:59:30, and over midnight: night"},
		{"1212", "2026-03-02T23:30:00Z", 60, "0.01", "00:30:00 on Tuesday: the same night"},
		{"1212", "2026-03-03T06:59:59Z", 60, "0.01", "07:59:59: night"},
		{"1212", "2026-03-03T07:00:00Z", 60, "0.02", "08:00:00: day"},
		{"1212", "2026-03-03T06:59:50Z", 600, "0.1", "begun at 07:59:50: the whole call by night"},
		{"1212", "2026-03-07T11:00:00Z", 60, "0.005", "Saturday noon"},
		{"1212", "2026-03-08T10:00:00Z", 60, "0.005", "Sunday"},
		{"1212", "2026-03-07T22:00:00Z", 60, "0.01", "Saturday 23:00: both hold, and that of the night stands first"},
		{"1212", "2026-03-06T22:59:59Z", 60, "0.01", "Friday 23:59:59: night"},
		{"1212", "2026-07-06T17:59:59Z", 60, "0.02", "a Monday in summer, 19:59:59"},
		{"1212", "2026-07-06T18:00:00Z", 60, "0.01", "20:00:00, which is 18:00 UTC in summer"},
		// Sundays with 23 and with 25 hours.
		{"1212", "2026-03-29T00:59:59Z", 60, "0.01", "01:59:59, the last second of winter: night"},
		{"1212", "2026-03-29T05:59:59Z", 60, "0.01", "07:59:59 in summer already: night"},
		{"1212", "2026-03-29T06:00:00Z", 60, "0.005", "08:00:00: weekend"},
		{"1212", "2026-10-25T00:30:00Z", 60, "0.01", "02:30 for the first time: night"},
		{"1212", "2026-10-25T06:59:59Z", 60, "0.01", "07:59:59 in winter again: night"},
		{"1212", "2026-10-25T07:00:00Z", 60, "0.005", "08:00:00: weekend"},
		// Prices that change on a date, at midnight in the zone of the list.
		{"3906", "2026-02-28T22:59:59Z", 60, "0.02", "the last second of February"},
		{"3906", "2026-02-28T23:00:00Z", 60, "0.03", "1 March 00:00:00"},
		{"3906", "2026-02-28T22:59:59Z", 3600, "1.2", "begun at the old price: 60 × 0.02"},
		{"8190", "2026-03-31T21:59:59Z", 60, "0.5", "31 March 23:59:59: Asia"},
		{"8190", "2026-03-31T22:00:00Z", 60, "0.05", "1 April 00:00:00 in summer: Japan"},
		{"8190", "2026-04-30T21:59:59Z", 60, "0.05", "30 April 23:59:59: Japan"},
		{"8190", "2026-04-30T22:00:00Z", 60, "0.5", "1 May: Asia again"},
	} {
		rate, ok := deck.Find(c.number, instant(t, c.at))
		if !ok {
			t.Errorf("%s at %s has no rate", c.number, c.at)
			continue
		}
		cost, err := billing.Cost(rate, c.seconds)
		if err != nil || cost != amount(t, c.want) {
			t.Errorf("%s at %s for %d s costs %s (%v), want %s: %s", c.number, c.at, c.seconds, cost, err, c.want, c.why)
		}
		price, err := billing.Price(c.number, rate, c.seconds)
		if err != nil || price.Cost != cost {
			t.Errorf("%s for %d s is explained as %s (%v), but costs %s", c.number, c.seconds, price.Cost, err, cost)
		}
	}
}
