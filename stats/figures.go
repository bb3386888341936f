package stats

import (
	"cmp"
	"slices"

	"talktime/money"
)

// Sum is money in one currency.
type Sum struct {
	Currency string
	Revenue  money.Amount // what was charged, adjustments included
	Cost     money.Amount // what carriers ask
}

// Margin is what is left of the revenue. What carriers ask in another currency is not in it: amounts of different currencies are
// never added.
func (s Sum) Margin() money.Amount { return saturated(s.Revenue, -s.Cost) }

// Figures are what was counted of some calls. Every figure that a page shows is computed from these.
type Figures struct {
	Attempts int64 // calls that were permitted and are over
	Answered int64 // of these: answered, however short
	Reached  int64 // of these: that the network brought to the called, see reached
	Seconds  int64 // of talk, as they were charged
	PDDCalls int64 // of these: whose delay from dialling to ringing is known
	PDDSum   int64 // of those delays, in milliseconds
	Sums     []Sum // by currency, ascending; none of calls without money
}

// ASR is the answer-seizure ratio: answered per attempts, in percent. False: there were no attempts.
func (f *Figures) ASR() (Hundredths, bool) { return percentage(f.Answered, f.Attempts), f.Attempts > 0 }

// NER is the network effectiveness ratio: calls that the network brought to the called, whether he took them, was busy, refused or
// did not answer, per attempts, in percent. False: there were no attempts.
func (f *Figures) NER() (Hundredths, bool) { return percentage(f.Reached, f.Attempts), f.Attempts > 0 }

// ACD is the average call duration: seconds of talk per answered call. False: none was answered.
func (f *Figures) ACD() (Hundredths, bool) {
	return Hundredths(ratio(100*f.Seconds, f.Answered)), f.Answered > 0
}

// PDD is the mean post-dial delay in milliseconds, over the calls of which it is known. False: of none.
func (f *Figures) PDD() (int64, bool) { return ratio(f.PDDSum, f.PDDCalls), f.PDDCalls > 0 }

// Minutes are those of talk.
func (f *Figures) Minutes() Hundredths { return minutes(f.Seconds) }

// Causes of Q.850 that say that the called was reached: normal clearing, busy, no user responding, no answer, call rejected. 127 is
// no cause: Asterisk says it of what nobody told it a cause of.
const (
	causeClearing, causeBusy, causeNoResponse, causeNoAnswer, causeRejected = 16, 17, 18, 19, 21

	causeUnspecified = 127
)

// reached reports whether the network brought a call to the called. The cause tells, where it is known; else Asterisk's word: a
// caller who gave up had reached him if it rang.
func reached(c *Call) bool {
	if c.Answered {
		return true
	}
	switch c.Cause {
	case causeClearing, causeBusy, causeNoResponse, causeNoAnswer, causeRejected:
		return true
	case 0, causeUnspecified:
		return c.Status == "BUSY" || c.Status == "NOANSWER" || c.Status == "CANCEL" && c.PDD >= 0
	}
	return false
}

// addCall counts a call.
func (f *Figures) addCall(c *Call) {
	f.Attempts++
	if reached(c) {
		f.Reached++
	}
	if c.PDD >= 0 {
		f.PDDCalls++
		f.PDDSum += c.PDD
	}
	if !c.Answered {
		return
	}
	f.Answered++
	f.Seconds += c.Seconds
	if c.Currency != "" {
		f.pay(Sum{Currency: c.Currency, Revenue: c.Charge})
	}
	if asked := cmp.Or(c.CostIn, c.Currency); asked != "" && c.Cost != 0 {
		f.pay(Sum{Currency: asked, Cost: c.Cost})
	}
}

// Merge counts everything that another one did.
func (f *Figures) Merge(o *Figures) {
	f.Attempts += o.Attempts
	f.Answered += o.Answered
	f.Reached += o.Reached
	f.Seconds += o.Seconds
	f.PDDCalls += o.PDDCalls
	f.PDDSum += o.PDDSum
	for _, s := range o.Sums {
		f.pay(s)
	}
}

func (f *Figures) pay(more Sum) {
	i, found := slices.BinarySearchFunc(f.Sums, more.Currency, func(s Sum, currency string) int { return cmp.Compare(s.Currency, currency) })
	if !found {
		f.Sums = slices.Insert(f.Sums, i, Sum{Currency: more.Currency})
	}
	f.Sums[i].Revenue = saturated(f.Sums[i].Revenue, more.Revenue)
	f.Sums[i].Cost = saturated(f.Sums[i].Cost, more.Cost)
}

// saturated is a sum that stays at the greatest amount there is: 9 billion of a currency are no reason to answer nothing.
func saturated(a, b money.Amount) money.Amount {
	sum, err := money.Add(a, b)
	switch {
	case err == nil:
		return sum
	case a < 0:
		return -money.Max
	}
	return money.Max
}
