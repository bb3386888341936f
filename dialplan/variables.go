package dialplan

// Channel variables that agi sets and the dialplan reads.
const (
	// VarStatus is OK or the reason class of a refusal: NOCREDIT, UNKNOWNCALLER, UNKNOWNCALLEE, BLOCKED,
	// LIMIT, NORATE, ERROR. Nothing but OK may lead to a Dial.
	VarStatus = "TALKTIME_STATUS"
	// VarReason is the refusal in words.
	VarReason = "TALKTIME_REASON"
	// VarCelcomStatus is the status in the fewer words of the program we are compatible with.
	VarCelcomStatus = "CELCOM_STATUS"
	// VarSeconds is how long the call may last once answered; of one that is held in slices, its first slice.
	VarSeconds = "TALKTIME_SECONDS"
	// VarTarget is the first argument for Dial: Tech/resource[&Tech/resource…].
	VarTarget = "TALKTIME_TARGET"
	// VarRing is the second: seconds to ring.
	VarRing = "TALKTIME_RING"
	// VarOptions is the third: options that hold the limit, L(ms).
	VarOptions = "TALKTIME_OPTIONS"
	// VarDialArgs is the three joined by commas.
	VarDialArgs = "TALKTIME_DIALARGS"
	// VarAttempts is how many carriers the call may be dialled at, one after the other; 1 when it does not go by a route.
	// Of a call with a route VarTarget and VarDialArgs with "_1", "_2"… behind them are those of each; without, they are those
	// of the carrier who is to be dialled now.
	VarAttempts = "TALKTIME_ATTEMPTS"
	// VarCarrier with 1, 2… behind it is the name of each carrier.
	VarCarrier = "TALKTIME_CARRIER_"
	// VarAt is where the first of these carriers stands among all of the call's. Only agi reads it.
	VarAt = "TALKTIME_AT"
	// VarEmergency is 1 on a call to an emergency number, which the reducer leaves alone.
	VarEmergency = "TALKTIME_EMERGENCY"
	// VarBalance is what the scripts balance and recharge found available, as a decimal number.
	VarBalance = "TALKTIME_BALANCE"
	// VarRecharge is what came of the recharge script: OK, UNKNOWN, USED, BLOCKED, EXPIRED, LIMIT, ERROR; empty when no
	// code was entered.
	VarRecharge = "TALKTIME_RECHARGE"
	// VarAmount is what the recharge script put on the account, as a decimal number; empty for nothing.
	VarAmount = "TALKTIME_AMOUNT"
)

// VarFollowed is the extension by whose follow-me a telephone rings, and who pays for that outside. Only the dialplan sets and reads it.
const VarFollowed = "TALKTIME_FOLLOWED"

// Channel variables that the dialplan sets and agi reads. Both are epoch seconds with a fraction.
const (
	// VarAnswered is when the callee answered, set by AnsweredRoutine.
	VarAnswered = "TALKTIME_ANSWERED"
	// VarEnded is when the h extension began, which is when the call ended.
	VarEnded = "TALKTIME_ENDED"
)

// Channel variables of the warning before the end of a call, which midcall sets and WarningContext reads.
const (
	// VarWarnChannel is the channel of the caller who is to hear it.
	VarWarnChannel = "TALKTIME_WARN_CHANNEL"
	// VarWarnSound is the sound file that is played, without its ending.
	VarWarnSound = "TALKTIME_WARN_SOUND"
)

// WarningContext is the context of the two halves of a Local channel with which a caller is warned: the extension whisper speaks
// to him alone, the extension sound plays the file. Its channels are no calls: they make no records, and whoever reads records leaves
// out those that have this context.
const WarningContext = "talktime-warning"

// AnsweredRoutine is the context of the routine that Dial runs on the callee's channel when that
// answers, through its option U(): it sets VarAnswered on the caller's channel.
const AnsweredRoutine = "talktime-answered"

// GlobalServer is the dialplan's global variable with the address of the fastagi command, such as
// agi://127.0.0.1:4573, to which the samples add the script's path.
const GlobalServer = "TALKTIME"
