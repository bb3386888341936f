package money_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"talktime/money"
)

func TestParseAndPrint(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]money.Amount{
		"0": 0, "1": money.Unit, "+2.5": 2_500_000, "-0.25": -250_000, "0.000001": 1, "-0.000001": -1,
		"9223372036854.775807": money.Max, "-9223372036854.775808": -money.Max - 1, "00012.10": 12_100_000,
	} {
		got, err := money.Parse(text)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "-", "+", ".", ".5", "5.", "1e3", "1,000", " 1", "1 ", "0x10", "--1", "1.2.3", "١", "NaN",
		"0.0000001", "9223372036854.775808", "-9223372036854.775809", "99999999999999999999",
	} {
		if got, err := money.Parse(text); err == nil {
			t.Errorf("Parse(%q) = %d, want an error", text, got)
		}
	}
}

func TestPrintedAmountParsesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := money.Amount(rapid.Int64().Draw(t, "amount"))
		got, err := money.Parse(want.String())
		if err != nil || got != want {
			t.Fatalf("%d printed as %q came back as %d, %v", want, want.String(), got, err)
		}
	})
}

func TestJSONIsADecimalString(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(map[string]money.Amount{"balance": 1_250_000})
	if err != nil || string(body) != `{"balance":"1.25"}` {
		t.Fatalf("got %s, %v", body, err)
	}
	var back map[string]money.Amount
	if err := json.Unmarshal(body, &back); err != nil || back["balance"] != 1_250_000 {
		t.Fatalf("got %v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"balance":1.25}`), &back); err == nil {
		t.Fatal("a JSON number was accepted as an amount")
	}
}

// TestArithmeticAgainstBigIntegers compares every operation with arbitrary precision.
func TestArithmeticAgainstBigIntegers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		c := rapid.Int64().Filter(func(v int64) bool { return v != 0 }).Draw(t, "c")
		r := rapid.SampledFrom([]money.Rounding{money.Down, money.Up, money.Nearest}).Draw(t, "rounding")
		same(t, "add", new(big.Int).Add(big.NewInt(a), big.NewInt(b)))(money.Add(money.Amount(a), money.Amount(b)))
		same(t, "muldiv", bigMulDiv(a, b, c, r))(money.MulDiv(money.Amount(a), b, c, r))
	})
}

func same(t *rapid.T, name string, want *big.Int) func(money.Amount, error) {
	return func(got money.Amount, err error) {
		if !want.IsInt64() {
			if !errors.Is(err, money.ErrOverflow) {
				t.Fatalf("%s: want overflow for %v, got %d, %v", name, want, got, err)
			}
			return
		}
		if err != nil || int64(got) != want.Int64() {
			t.Fatalf("%s: got %d, %v; want %v", name, got, err, want)
		}
	}
}

func bigMulDiv(a, b, c int64, r money.Rounding) *big.Int {
	product := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
	quotient, rest := new(big.Int).QuoRem(product, big.NewInt(c), new(big.Int))
	if rest.Sign() == 0 {
		return quotient
	}
	twice := new(big.Int).Mul(rest.Abs(rest), big.NewInt(2))
	if r == money.Up || r == money.Nearest && twice.Cmp(new(big.Int).Abs(big.NewInt(c))) >= 0 {
		step := int64(product.Sign() * big.NewInt(c).Sign())
		quotient.Add(quotient, big.NewInt(step))
	}
	return quotient
}

func TestDivisionByZeroIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := money.MulDiv(1, 1, 0, money.Up); err == nil {
		t.Fatal("no error")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("12.5")
	f.Add("-9223372036854.775808")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := money.Parse(s)
		if err != nil {
			return
		}
		if back, err := money.Parse(a.String()); err != nil || back != a {
			t.Fatalf("%q → %d → %q → %d, %v", s, a, a.String(), back, err)
		}
	})
}

func ExampleMulDiv() {
	perMinute, _ := money.Parse("0.0125")
	cost, _ := money.MulDiv(perMinute, 90, 60, money.Up)
	fmt.Println(cost)
	// Output: 0.01875
}
