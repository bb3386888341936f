package billing

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"talktime/models"
	"talktime/money"
)

// GiveUp ends a call that holds money, at an operator's word, and notes it in the audit log in the same transaction. Where
// a witness has seen an answer the call is charged; else the hold is given back, and evidence that comes later is still
// charged. It returns what was held and what became of the call. One that holds nothing, because somebody else was quicker
// for instance, is models.ErrNotFound, and nothing is noted.
func (s *Service) GiveUp(ctx context.Context, callID, actor string) (held money.Amount, charge Charge, err error) {
	if err := checkCallID(callID); err != nil {
		return 0, Charge{}, err
	}
	tried := false
	err = s.do(ctx, s.laneKey(Identity{}, callID), Keys{Calls: []string{callID}}, nil, func(st *State) error {
		call := st.Calls[callID]
		if call.State != models.CallOpen {
			if tried && call.SettledBy == SourceOperator { // the answer to our own commit was lost
				return nil
			}
			return fmt.Errorf("call %s holds nothing: %w", callID, models.ErrNotFound)
		}
		now := s.now()
		c, after, err := s.policy.settle(st, CallResult{CallID: callID, Exact: true, GiveUp: true, By: SourceOperator}, now)
		if err != nil {
			return err
		}
		st.apply(c)
		st.Logged = append(st.Logged, givenUp(call, after, actor, now))
		held, charge, tried = call.Held(), after, true
		return nil
	})
	if err != nil { // whoever decides may still be at it
		return 0, Charge{}, err
	}
	return held, charge, nil
}

func givenUp(before models.Call, after Charge, actor string, now time.Time) models.AuditLine {
	return models.AuditLine{
		At: now, Actor: actor, Action: "hold.release", Target: strconv.FormatInt(before.ID, 10),
		Before: logText(map[string]any{"call_id": before.CallID, "state": before.State, "held": before.Held()}),
		After:  logText(map[string]any{"call_id": before.CallID, "state": after.State, "held": money.Amount(0), "charged": after.Amount}),
	}
}

// logText is v as the audit log has it.
func logText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("%T cannot be written as JSON: %v", v, err)) // plain records of ours
	}
	return string(text)
}
