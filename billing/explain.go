package billing

import (
	"fmt"

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
	prices := []LegPrice{}
	last := call.Seconds
	for _, leg := range call.Legs {
		last -= leg.Seconds
		p := LegPrice{Number: leg.Number, Rate: leg.Rate, Steps: []PriceStep{{"nothing was talked on this leg", 0}}}
		if leg.Seconds > 0 {
			var err error
			if p, err = explainLeg(leg.Number, leg.Rate, leg.Seconds); err != nil {
				return nil, err
			}
		}
		prices = append(prices, p)
	}
	if last == 0 && len(call.Legs) > 0 && call.Seconds > 0 {
		return append(prices, LegPrice{Number: call.Number, Rate: call.Rate, Steps: []PriceStep{{"nothing was talked on this leg", 0}}}), nil
	}
	p, err := explainLeg(call.Number, call.Rate, last)
	return append(prices, p), err
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
	p.Steps = append(p.Steps, PriceStep{
		fmt.Sprintf("%d s of talk in increments of %d/%d s are %d s; × %s per minute ÷ 60, rounded up to a millionth",
			seconds, max(r.First, 1), max(r.Increment, 1), p.BilledSeconds, r.PerMinute), talk,
	})
	if missing := r.Minimum - talk - r.ConnectFee; missing > 0 {
		p.Steps = append(p.Steps, PriceStep{fmt.Sprintf("up to the minimum of %s", r.Minimum), missing})
	}
	return p, nil
}
