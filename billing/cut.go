package billing

import "talktime/models"

// CutWords says why we ended a call, as a sentence; empty for one that we did not end.
func CutWords(call models.Call) string {
	switch call.Cut {
	case "":
		return ""
	case CutBlocked:
		return "It was ended while it went on: the account was blocked."
	case CutNoRate:
		return "It was ended while it went on: its number had no rate any more."
	case CutLimit:
		return "It was ended while it went on: a limit of the user forbade it by then."
	}
	return "It was ended while it went on: " + call.Cut + "."
}
