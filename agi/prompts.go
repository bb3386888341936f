package agi

import (
	"errors"
	"slices"
)

// A Recording is something that the scripts recharge and card say. What is played is the first that there is of: the file
// that Scripts.Recordings has under its name, the file of its name in the folder Scripts.Prompts, and its stock.
type Recording struct {
	Name  string
	Stock []string // of Asterisk's core sounds, one after the other
	Says  string   // what a recording of one's own would say
}

// Recordings lists them. The slice is the caller's own. Those of refusals (nocredit and so on) are played by caller and
// authorize as well, there without a stock.
func Recordings() []Recording {
	return []Recording{
		{"recharge-enter", []string{"number", "astcc-followed-by-the-pound-key"}, "Enter the number of your voucher, then press the pound key."},
		{"recharge-done", []string{"auth-thankyou"}, "Thank you. The balance follows."},
		{"recharge-unknown", []string{"privacy-incorrect"}, "There is no voucher with this number."},
		{"recharge-used", []string{"number", "is-in-use"}, "This voucher has been used."},
		{"recharge-blocked", []string{"privacy-incorrect"}, "This voucher is blocked."},
		{"recharge-expired", []string{"privacy-incorrect"}, "This voucher has expired."},
		{"recharge-limit", []string{"please-try-call-later"}, "Too many wrong numbers. Try again later."},
		{"recharge-error", []string{"please-try-call-later"}, "This cannot be done now. Try again later."},
		{"card-language", []string{"vm-press"}, "For this language press …; the key is said next."},
		{"card-pin", []string{"agent-pass"}, "Enter the PIN of your card, then press the pound key."},
		{"card-wrong-pin", []string{"vm-incorrect"}, "There is no card with this PIN."},
		{"card-blocked", []string{"vm-incorrect"}, "This card is blocked."},
		{"card-expired", []string{"vm-incorrect"}, "This card has expired."},
		{"card-limit", []string{"please-try-call-later"}, "Too many wrong PINs. Try again later."},
		{"card-number", []string{"vm-enter-num-to-call", "vm-then-pound"}, "Enter the number you wish to call, then press the pound key; star begins anew."},
		{"card-wrong-number", []string{"privacy-incorrect"}, "This is no number."},
		{"card-time", []string{"vm-youhave"}, "You may talk for; minutes or seconds follow."},
		{"card-busy", []string{"number", "is-in-use"}, "The number is busy."},
		{"card-no-answer", []string{"number-not-answering"}, "Nobody answers."},
		{"card-failed", []string{"all-circuits-busy-now"}, "The number cannot be reached now."},
		{"goodbye", []string{"vm-goodbye"}, "Goodbye."},
		{"nocredit", []string{"cannot-complete-as-dialed"}, "Your credit does not pay for this call."},
		{"unknowncaller", []string{"cannot-complete-as-dialed"}, "This phone has no account."},
		{"unknowncallee", []string{"ss-noservice"}, "This number is not in service."},
		{"blocked", []string{"cannot-complete-as-dialed"}, "The account is blocked."},
		{"limit", []string{"cannot-complete-as-dialed"}, "A limit of the account forbids this call."},
		{"norate", []string{"ss-noservice"}, "This number cannot be called."},
		{"error", []string{"please-try-call-later"}, "This cannot be done now. Try again later."},
	}
}

// ownFile is the operator's own file for a prompt; "" where there can be none.
func (s *Scripts) ownFile(name string) string {
	if file := s.Recordings[name]; file != "" {
		return file
	}
	if s.Prompts == "" {
		return ""
	}
	return s.Prompts + "/" + name
}

// play plays a prompt until it ends, or one of the keys in escape is pressed, which it returns. A recording that is missing
// is replaced by its stock, or passed over.
func (s *Scripts) play(ch *Channel, name, escape string) (key string, err error) {
	if file := s.ownFile(name); file != "" {
		if key, err = ch.StreamFile(file, escape); !errors.Is(err, ErrFailed) {
			return key, err
		}
	}
	all := Recordings()
	i := slices.IndexFunc(all, func(r Recording) bool { return r.Name == name })
	for _, file := range all[i].Stock {
		key, err = ch.StreamFile(file, escape)
		if err != nil && !errors.Is(err, ErrFailed) || key != "" {
			return key, err
		}
	}
	return "", nil
}

// tell plays a prompt to its end.
func (s *Scripts) tell(ch *Channel, name string) error {
	_, err := s.play(ch, name, "")
	return err
}
