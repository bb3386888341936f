#!/bin/bash
# Runs bin/fastagi and bin/admin together until Ctrl-C or SIGTERM, which ends both cleanly.
#   script/run.sh [demo]     demo adds simulated callers
# Every TALKTIME_… variable that is set is honoured. Without a database setting: ./data/talktime.db.
set -u
cd "$(dirname "$0")/.." || exit 1
bin/admin --validate > /dev/null 2>&1 || { bin/admin --validate; exit 1; }

# In a demo several calls of one user go on at once; a short limit makes each hold a part of his credit only.
[ "${1:-}" = demo ] && export TALKTIME_MAX_CALL_SECONDS="${TALKTIME_MAX_CALL_SECONDS:-60}"

servers=() callers=
told=$(mktemp)   # the password that admin serve may make: not in the middle of the log
stop() {
  trap - EXIT
  rm -f "$told"
  trap '' INT TERM   # once is enough
  if [ -n "$callers" ]; then
    kill -TERM "$callers" 2> /dev/null
    for _ in {1..50}; do kill -0 "$callers" 2> /dev/null || break; sleep 0.1; done
    kill -KILL "$callers" 2> /dev/null   # it waits for a server that does not answer
  fi
  [ ${#servers[@]} -gt 0 ] && kill -TERM "${servers[@]}" 2> /dev/null
  wait
  exit "$1"
}
alive() { for pid in "${servers[@]}"; do kill -0 "$pid" 2> /dev/null || return 1; done; }
trap 'stop 0' INT TERM
trap 'stop 1' EXIT

has_admin() { bin/admin user list --json 2> /dev/null | grep -qE '"admin": ?true'; }
known=
has_admin && known=1

# Sessions of their own: Ctrl-C reaches this script alone, which ends them in order.
setsid bin/admin serve > "$told" & servers+=($!)
setsid bin/fastagi & servers+=($!)
for _ in {1..50}; do   # the first administrator comes before the demo's users
  alive || stop 1
  has_admin && break
  sleep 0.1
done
sleep 0.5
alive || stop 1
echo
if [ -s "$told" ]; then
  cat "$told"
elif [ -n "$known" ]; then
  echo "an administrator is there already; a new password for the user admin: bin/admin user passwd admin"
fi
echo
if [ "${1:-}" = demo ]; then
  # Not on the terminal itself, where its progress would run into the log.
  setsid bin/admin simulate --users 5 --balance 600 --loop 2> >(cat >&2) & callers=$!
else
  n=1
  while bin/admin user show "guest$n" > /dev/null 2>&1; do n=$((n + 1)); done   # one who is not there yet
  imsi=$((724990000000300 + n))
  scheme=http address=${TALKTIME_ADMIN_LISTEN:-127.0.0.1:5000}
  [ -n "${TALKTIME_TLS_CERT:-}" ] && scheme=https
  secret=PASSWORD
  [ -n "${TALKTIME_ADMIN_PASSWORD:-}" ] && secret='$TALKTIME_ADMIN_PASSWORD'   # by its name: a terminal may be watched
  cat << END
Try it from another terminal, with the password of admin for PASSWORD:
  curl -c cookies.txt -d "username=admin&password=$secret" $scheme://$address/login
  curl -b cookies.txt -H 'Content-Type: application/json' -d '{"username":"guest$n","password":"guest-2026","clid":"$((555000300 + n))","imsi":"$imsi","admin":false}' $scheme://$address/api/users
  curl -b cookies.txt -H 'Content-Type: application/json' -d '{"signal":"+","type_":"increase","value":600,"userId":$imsi}' $scheme://$address/api/balance

END
fi
wait -n   # whichever ends first, ends the others
code=$?
callers=${callers:+$(kill -0 "$callers" 2> /dev/null && echo "$callers")}
stop $code
