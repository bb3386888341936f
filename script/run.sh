#!/bin/bash
# Runs bin/fastagi and bin/admin together until Ctrl-C or SIGTERM, which ends both cleanly.
#   script/run.sh [demo]     demo adds simulated callers
# Every TALKTIME_… variable that is set is honoured. Without a database setting: ./data/talktime.db.
set -u
cd "$(dirname "$0")/.." || exit 1
bin/admin --validate > /dev/null || exit 1

children=()
stop() {
  trap - INT TERM EXIT
  [ ${#children[@]} -gt 0 ] && kill -TERM "${children[@]}" 2> /dev/null
  wait
  exit "${1:-0}"
}
trap 'stop 0' INT TERM
trap 'stop 1' EXIT

# The embedded file is prepared once, before two processes open it. A server's schema is the operator's business.
case ${TALKTIME_DATABASE_URL:-sqlite:} in sqlite:*) bin/admin migrate > /dev/null || exit 1 ;; esac

bin/fastagi & children+=($!)
bin/admin serve & children+=($!)
if [ "${1:-}" = demo ]; then
  bin/admin simulate --users 5 --balance 600 --loop & children+=($!)
fi
wait -n   # whichever ends first, ends the others
code=$?
trap - EXIT
stop $code
