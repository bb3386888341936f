package store_test

import (
	"testing"

	"talktime/queues"
	"talktime/store/storetest"
)

// TestQueueTamperingIsFound, whatever was changed.
func TestQueueTamperingIsFound(t *testing.T) {
	t.Parallel()
	lines := []string{
		"1812528000|NONE|NONE|NONE|QUEUESTART|",
		"1812528001|NONE|sales|Iva|ADDMEMBER|",
		"1812528010|1.1|sales|NONE|ENTERQUEUE|x|5550177|1",
		"1812528011|1.1|sales|Bob|RINGNOANSWER|1000",
		"1812528020|1.1|sales|Iva|CONNECT|10|1.2|5",
		"1812528021|1.1|NONE|NONE|DID|5550100",
		"1812528022|1.1|sales|Iva|PAUSE|lunch",
		"1812528080|1.1|sales|Iva|COMPLETECALLER|10|60|1",
		"1812528081|1.1|slow|NONE|ENTERQUEUE|x|5550177|2",
		"1812528090|1.1|slow|NONE|EXITWITHKEY|5|2|2|9",
		"1812528100|1.2|slow|NONE|ABANDON|1|1|7", // which was counted back
		"1812528110|1.3|sales|NONE|ENTERQUEUE||5550178|1",
	}
	tamperings := []string{
		"UPDATE queue_items SET outcome = 4 WHERE outcome = 3",
		"UPDATE queue_items SET queue_id = 2 WHERE n = 0 AND call_id = '1.1'",
		"UPDATE queue_items SET agent_id = 2 WHERE outcome = 2",
		"UPDATE queue_items SET wait = wait + 1 WHERE outcome = 3",
		"UPDATE queue_items SET talk = 0 WHERE outcome = 2",
		"UPDATE queue_items SET ring = 2000 WHERE n = -1",
		"UPDATE queue_items SET moment = moment + 1 WHERE outcome = 6",
		"UPDATE queue_items SET entered = entered + 1 WHERE outcome = 6",
		"UPDATE queue_items SET ended = ended + 1 WHERE outcome = 6",
		"UPDATE queue_items SET url = 'y' WHERE outcome = 2",
		"UPDATE queue_items SET did = '' WHERE outcome = 2",
		"UPDATE queue_items SET caller = '' WHERE outcome = 2",
		"UPDATE queue_items SET pressed = '6' WHERE outcome = 6",
		"UPDATE queue_items SET place = 1 WHERE outcome = 6",
		"UPDATE queue_items SET final = 99 WHERE outcome = 6",
		"UPDATE queue_items SET final = 3 WHERE outcome = 6",
		"UPDATE queue_items SET counted = FALSE WHERE outcome = 3",
		"UPDATE queue_items SET counted = TRUE WHERE outcome = 6",
		"UPDATE queue_items SET n = 7 WHERE outcome = 6",
		"UPDATE queue_items SET call_id = '1.10' WHERE call_id = '1.1' AND n = 1",
		"UPDATE queue_items SET call_id = '9' WHERE call_id = '1.2'", // behind the last call
		"DELETE FROM queue_items WHERE n = -1",
		"DELETE FROM queue_items WHERE outcome = 0",
		"DELETE FROM queue_items WHERE outcome = 3",
		"UPDATE queue_calls SET started = started + 1 WHERE call_id = '1.1'",
		"UPDATE queue_calls SET ended = ended + 1 WHERE call_id = '1.1'",
		"UPDATE queue_calls SET talk = 61 WHERE call_id = '1.1'",
		"UPDATE queue_calls SET caller = '1' WHERE call_id = '1.1'",
		"UPDATE queue_calls SET caller = NULL WHERE call_id = '1.1'",
		"UPDATE queue_calls SET url = '' WHERE call_id = '1.1'",
		"UPDATE queue_calls SET did = NULL WHERE call_id = '1.1'",
		"UPDATE queue_calls SET tag = 'a' WHERE call_id = '1.1'",
		"UPDATE queue_calls SET log = REPLACE(log, 'COMPLETECALLER', 'COMPLETEAGENT') WHERE call_id = '1.1'",
		"UPDATE queue_calls SET log = REPLACE(log, '|5550178|', '|5550179|') WHERE call_id = '1.3'",
		"UPDATE queue_calls SET log = REPLACE(log, '1812528022|1.1|sales|Iva|PAUSE|lunch', '') WHERE call_id = '1.1'",
		"UPDATE queue_calls SET log = REPLACE(log, '1812528021', '1812528095') WHERE call_id = '1.1'", // out of its order
		"UPDATE queue_calls SET log = REPLACE(log, '|1.2|', '|1.1|') WHERE call_id = '1.2'",
		"UPDATE queue_calls SET log = 'x' WHERE call_id = '1.2'",
		"UPDATE queue_calls SET call_id = '1.4' WHERE call_id = '1.2'",
		"DELETE FROM queue_calls WHERE call_id = '1.2'",
		"DELETE FROM queue_calls WHERE call_id = '1.3'",
		"DELETE FROM queue_open_calls",
		"UPDATE queue_open_calls SET call_id = '1.2'",
		"UPDATE queue_open_calls SET call_id = '1.9'",
		"UPDATE queue_open_calls SET since = since - 1",
		"UPDATE queue_open_calls SET last_at = last_at - 1",
		"UPDATE queue_events SET at = at + 1",
		"UPDATE queue_events SET line = REPLACE(line, 'lunch', 'l')",
		"DELETE FROM queue_events WHERE at = 1812528022000000",
		"DELETE FROM queue_events WHERE at = 1812528000000000",
		"UPDATE queue_feed SET restarted = 0",
		"UPDATE queue_feed SET restarted = restarted - 1",
		"UPDATE queue_feed SET restarted = restarted + 1",
		"UPDATE queue_feed SET restarted = 1812529000000000",
		"UPDATE queue_names SET name = 'x' WHERE id = 1 AND agent = FALSE",
		"DELETE FROM queue_names WHERE id = 1 AND agent = TRUE",
		"DELETE FROM queue_names WHERE name = 'NONE' AND agent = FALSE",
		"DELETE FROM queue_agents",
		"DELETE FROM queue_agents WHERE agent_id = (SELECT id FROM queue_names WHERE name = 'Bob')",
		"INSERT INTO queue_agents (queue_id, agent_id) VALUES (99, 1)",
		"UPDATE queue_agents SET agent_id = 99 WHERE agent_id = 1 AND queue_id = 1",
		"DELETE FROM queue_names WHERE id = 2 AND agent = FALSE",
		"UPDATE queue_days SET data = 'x'",
		"UPDATE queue_days SET part = 1",
		"UPDATE queue_days SET to_at = 1812528090000000",
		"UPDATE queue_days SET from_at = 1812528050000000",
	}
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newQueueDesk(t, database)
		for _, tampering := range tamperings {
			d.empties()
			d.stores(1812528200, queueEvents(t, lines...)...)
			if n := d.packs(queueEnd, 9); n != 1 {
				t.Fatalf("%d days are packed", n)
			}
			v := d.isProven()
			if v.Entered != 3 || v.Counted != 1 || v.Facts.Offered != 4 || v.Facts.Waiting != 1 || v.NoAnswers != 1 || v.Days != 1 {
				t.Fatalf("%+v", v)
			}
			d.exec(tampering)
			if v := d.verified(); v.Clean() || len(v.Findings) == 0 || v.Found < int64(len(v.Findings)) || v.Findings[0].String() == "" {
				t.Errorf("%s is not found: %+v", tampering, v)
			}
		}
		d.empties()
		var many []queues.Event
		for range 3 {
			many = append(many, queueEvents(t, lines...)...)
		}
		d.stores(1812528200, many...)
		d.exec("UPDATE queue_items SET moment = moment + 60000000")
		if v := d.verified(); v.Found == 0 {
			t.Error(v)
		}
	})
}
