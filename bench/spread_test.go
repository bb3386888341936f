package main

import (
	"testing"
	"time"
)

func TestSamples(t *testing.T) {
	t.Parallel()
	s := samples{4, 1, 3, 2}
	if s.median() != 2.5 || s.min() != 1 || s.max() != 4 || (samples{5, 9, 1}).median() != 5 {
		t.Errorf("median %v, min %v, max %v", s.median(), s.min(), s.max())
	}
	if got := s.over(samples{2, 1, 1, 4}); got[0] != 2 || got[1] != 1 || got[2] != 3 || got[3] != 0.5 {
		t.Errorf("ratios %v", got)
	}
	var took []time.Duration
	for i := range 200 {
		took = append(took, time.Duration(200-i))
	}
	if p := percentile(took, 99); p != 198 {
		t.Errorf("99 %% of 1…200 do not exceed %d", p)
	}
	for v, want := range map[float64]string{1234567.6: "1,234,568", 999.4: "999", 12.34: "12.3", 1.005: "1.00", 0.9: "0.90"} {
		if got := number(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}

func TestFigureIsMet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		figure figure
		met    bool
	}{
		"a lower bound that is reached":    {figure{goal: 3, got: samples{2, 3, 4}}, true},
		"a lower bound that is not":        {figure{goal: 3, got: samples{2.9, 2.9, 4}}, false},
		"an upper bound that is kept":      {figure{goal: 2, atMost: true, got: samples{2, 1, 9}}, true},
		"an upper bound that is exceeded ": {figure{goal: 2, atMost: true, got: samples{2.1}}, false},
	} {
		if c.figure.met() != c.met {
			t.Error(name)
		}
	}
}
