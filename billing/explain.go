package billing

import (
	"fmt"
	"slices"
	"time"

	"talktime/models"
	"talktime/money"
)

// LegPrice is how the price of one leg of a call comes about. Its Steps add up to its Cost.
type LegPrice struct {
	Number        string       `json:"number"`
	Rate          models.Rate  `json:"rate"`
	Seconds       int64        `json:"seconds"`        // talked
	BilledSeconds int64        `json:"billed_seconds"` // rounded up to increments
	Steps         []PriceStep  `json:"steps"`
	Cost          money.Amount `json:"cost"`
}

// PriceStep is one addition on the way to a price.
type PriceStep struct {
	Does   string       `json:"does"`
	Amount money.Amount `json:"amount"`
}

// Explain tells how the charge of a settled call comes about: leg by leg, each by its own rate, as CallCost adds them.
func Explain(call models.Call) ([]LegPrice, error) {
	last := models.Leg{Number: call.Number, Rate: call.Rate, Seconds: call.Seconds}
	for _, leg := range call.Legs {
		last.Seconds -= leg.Seconds
	}
	prices := []LegPrice{}
	for i, leg := range append(slices.Clone(call.Legs), last) {
		p := LegPrice{Number: leg.Number, Rate: leg.Rate, Steps: []PriceStep{{"nothing was talked on this leg", 0}}}
		if leg.Seconds != 0 || i == len(call.Legs) && call.Seconds == 0 {
			var err error
			if p, err = explainLeg(leg.Number, leg.Rate, leg.Seconds); err != nil {
				return nil, err
			}
		}
		prices = append(prices, p)
	}
	prices[0].Steps = append(measuredStep(call), prices[0].Steps...)
	return prices, nil
}

// TriedCarrier is a carrier to whom a call was to be given.
type TriedCarrier struct {
	Name   string      `json:"name"`
	Target string      `json:"target"`
	Result string      `json:"result"`
	Rate   models.Rate `json:"rate"` // what he asks
}

// Carriers are those to whom a call was to be given, in order; the last one took it, or was dialled last. There are none
// without a route.
func Carriers(call models.Call) []TriedCarrier {
	tried := []TriedCarrier{}
	last, routed := call.Routing.Carrier()
	if !routed {
		return tried
	}
	for _, a := range call.Routing.Attempts[:call.Routing.At] {
		tried = append(tried, TriedCarrier{a.Name, a.Target, "could not take the call, or had no room for it", a.Buy})
	}
	result := "is the one the call was given to"
	switch {
	case call.State == models.CallSettled:
		result = "took the call"
	case call.Status == "CHANUNAVAIL" || call.Status == "CONGESTION":
		result = "could not take the call"
	case call.Status != "":
		result = "took the call, which nobody answered"
	}
	return append(tried, TriedCarrier{last.Name, last.Target, result, last.Buy})
}

// CarrierNames are the names of the carriers to whom a call was to be given, in order; never nil.
func CarrierNames(call models.Call) []string {
	names := []string{}
	for _, c := range Carriers(call) {
		names = append(names, c.Name)
	}
	return names
}

// measuredStep says what the whole seconds of a call come from: the evidence is judged again, as it was at the
// settlement, whose last word was that the call is over. There is none for calls that later evidence disputes: that stands
// among the notes too.
func measuredStep(call models.Call) []PriceStep {
	v := Judge(call, append(slices.Clone(call.Notes), models.Evidence{Leg: len(call.Legs), Over: true}))
	if !v.Known || !v.Answered || v.Seconds != call.Seconds || call.Disputed != 0 {
		return nil
	}
	from := v.measured.what
	if v.measured.by != "" {
		from = sourceWords(v.measured.by) + ", " + from
	}
	switch before := v.measured.before; {
	case before > 0:
		from += fmt.Sprintf(" less the %s s that the channel was up before", thousandths(before))
	case before < 0:
		from += fmt.Sprintf(" less the %s s that the channel may have been up before", thousandths(-before))
	}
	text := fmt.Sprintf("%s s were measured (%s)", thousandths(max(v.measured.ms, 0)), from)
	if len(call.Legs) > 0 {
		text += " on all legs together"
	}
	if v.measured.ms%1000 > 0 {
		text += fmt.Sprintf("; whole seconds count: %d s", call.Seconds)
	}
	return []PriceStep{{text, 0}}
}

// thousandths are milliseconds in seconds: 6.3 of 6300.
func thousandths(ms int64) string { return (money.Amount(ms) * (money.Unit / 1000)).String() }

func sourceWords(source string) string {
	switch source {
	case SourceCaller:
		return "the caller's leg"
	case SourceReducer:
		return "the reducer"
	case SourceCDR:
		return "the CDR database"
	case SourceReconciler:
		return "the reconciler"
	case SourceOperator:
		return "an operator"
	case SourceRepeat, SourceEmergency:
		return "the channel"
	}
	return source
}

// ExplainHold tells why an open call holds what it holds: the price of talk up to the limit, without grace, which a call
// may pass. It is nil for a call that holds nothing.
func ExplainHold(call models.Call) (*LegPrice, error) {
	if call.State != models.CallOpen {
		return nil, nil //nolint:nilnil // there is nothing to explain
	}
	rate := call.Rate
	rate.Grace = 0
	p, err := explainLeg(call.Number, rate, call.Limit)
	if err != nil {
		return nil, err
	}
	p.Rate = call.Rate
	limit := "the limit of the call"
	if call.Keeper != 0 && call.Cut == "" {
		limit = "and is extended while the call goes on"
	}
	p.Steps = append([]PriceStep{{fmt.Sprintf("the hold pays for %d s of talk, %s", call.Limit, limit), 0}}, p.Steps...)
	if earlier := call.Held() - p.Cost; earlier != 0 {
		p.Steps = append(p.Steps, PriceStep{"what may have been talked before, on earlier legs", earlier})
		p.Cost = call.Held()
	}
	return &p, nil
}

// Ending says who ended a call without a charge and when, and what that means for the money. It is empty for calls in other
// states. actor is the operator who released it, where that is known; times are in the given zone.
func Ending(call models.Call, actor string, zone *time.Location) string {
	by, when := sourceWords(call.SettledBy), "an unknown time"
	if actor != "" {
		by = fmt.Sprintf("the operator %q", actor)
	}
	if by == "" {
		by = "somebody unknown"
	}
	if call.Ended != nil {
		when = call.Ended.In(zone).Format("2006-01-02 15:04:05 MST")
	}
	const free = " Nothing was charged, and the money that was held is free again."
	switch {
	case call.State == models.CallReleased && call.Status == "": // the permission was taken back
		return fmt.Sprintf("Released by %s: the call was not made. That was known by %s.", by, when) + free
	case call.State == models.CallReleased:
		return fmt.Sprintf("Released by %s: nobody answered (%s). The call had ended by %s.", by, call.Status, when) + free
	case call.State != models.CallUnreconciled:
		return ""
	case call.Unauthorized && call.UserID == 0:
		return fmt.Sprintf("Reported by %s at %s, and never authorised. Nothing was held and nothing charged: it is not known who called.", by, when)
	case call.Unauthorized:
		return fmt.Sprintf("Reported by %s at %s, and never authorised. Nothing was held and nothing charged; further evidence may still charge it.", by, when)
	}
	return fmt.Sprintf("Released by %s at %s without anybody's word of how long was talked.", by, when) + free +
		" Should evidence of the talk come yet, it will be charged then."
}

// Price tells what a call of so many whole seconds costs at a rate, step by step, as a call that was settled is explained.
func Price(number string, rate models.Rate, seconds int64) (LegPrice, error) {
	return explainLeg(number, rate, seconds)
}

func explainLeg(number string, r models.Rate, seconds int64) (LegPrice, error) {
	p := LegPrice{Number: number, Rate: r, Seconds: seconds, BilledSeconds: BilledSeconds(r, seconds), Steps: []PriceStep{}}
	var err error
	if p.Cost, err = Cost(r, seconds); err != nil {
		return p, err
	}
	if r.Grace > 0 && seconds <= r.Grace {
		p.BilledSeconds = 0
		p.Steps = append(p.Steps, PriceStep{fmt.Sprintf("%d s of talk are within the grace of %d s: free", seconds, r.Grace), 0})
		return p, nil
	}
	if r.ConnectFee != 0 {
		p.Steps = append(p.Steps, PriceStep{"connect fee", r.ConnectFee})
	}
	talk, err := money.MulDiv(r.PerMinute, p.BilledSeconds, secondsPerMinute, money.Up)
	if err != nil {
		return p, err
	}
	text := fmt.Sprintf("%d s of talk, charged by the second", seconds)
	if first, further := max(r.First, 1), max(r.Increment, 1); first > 1 || further > 1 {
		text = fmt.Sprintf("%d s of talk in increments of %d/%d: %d s", seconds, first, further, p.BilledSeconds)
	}
	text += fmt.Sprintf("; × %s per minute ÷ 60", r.PerMinute)
	down, err := money.MulDiv(r.PerMinute, p.BilledSeconds, secondsPerMinute, money.Down)
	if err != nil {
		return p, err
	}
	if down != talk {
		text += ", rounded up to a millionth"
	}
	p.Steps = append(p.Steps, PriceStep{text, talk})
	if missing := r.Minimum - talk - r.ConnectFee; missing > 0 {
		p.Steps = append(p.Steps, PriceStep{fmt.Sprintf("up to the minimum of %s", r.Minimum), missing})
	}
	return p, nil
}
