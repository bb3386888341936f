package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"talktime/internal/wiring"
	"talktime/pbx"
	"talktime/queues"
)

// Pauses between two looks at the members of queues.
const (
	membersPause = time.Minute
	membersRetry = time.Second // while there is no connection: nobody is asked then
)

// memberKeeper keeps whose the telephones of queues are, by their interfaces.
type memberKeeper interface {
	KeepQueueMembers(ctx context.Context, names map[string]string) error
}

// memberTeller tells who is in which queue: pbx.Client.
type memberTeller interface {
	QueueStatus(ctx context.Context) ([]pbx.QueueState, error)
}

// watchMembers keeps whose the telephones of queues are: as Asterisk is set up at first, the queue_log names the telephone where a member is
// added, and the member where he makes a pause. It may run in any number of processes.
func watchMembers(ctx context.Context, keeper memberKeeper, manager memberTeller, log *slog.Logger) {
	told := false
	for pause := time.Duration(0); wiring.Pause(ctx, pause); {
		err := lookAtMembers(ctx, keeper, manager)
		if pause = membersPause; errors.Is(err, pbx.ErrAway) { // the client tells of that
			pause = membersRetry
			continue
		}
		if err != nil && ctx.Err() == nil && !told {
			log.Warn("whose the telephones of the queues are was not looked up; trying again every minute", "err", err)
		}
		told = err != nil
	}
}

// lookAtMembers keeps the members that have a name of their own.
func lookAtMembers(ctx context.Context, keeper memberKeeper, manager memberTeller) error {
	all, err := manager.QueueStatus(ctx) // and no channels, for which another right is needed
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, queue := range all {
		for _, m := range queue.Members {
			if phone, name := queues.AgentKey(m.Interface), queues.AgentKey(m.Name); phone != name && phone != "" && name != "" {
				names[phone] = name
			}
		}
	}
	return keeper.KeepQueueMembers(ctx, names)
}
