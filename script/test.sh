#!/bin/bash
# Everything, as a fresh Debian with Go, git and make can run it: installs what is missing where it can. What
# cannot be had is skipped loudly; with CI=true a skip is a failure.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

e2e/setup.sh chromium
case $? in
  0) ;;
  3) echo "WARNING: the tests against MariaDB, Asterisk and a browser will be SKIPPED where something is missing (see above)" >&2
     [ "${CI:-}" = true ] && exit 1 ;;
  *) exit 1 ;;
esac
set -e
make --no-print-directory build
go vet ./...
race=
if command -v gcc > /dev/null; then race=-race; else echo "WARNING: no gcc, so no race detector" >&2; fi
# The race detector pays where goroutines share memory. Where they meet in a database or drive other programs it only
# makes everything ten times slower, and lock waits end in what they are meant to end in.
slow='^talktime/(e2e|bench|store|cmd/admin|adminapi$)'
go test -p 1 $race -shuffle=on -timeout 15m $(go list ./... | grep -vE "$slow")
# The API under the race detector without what asks for everything in every way, or for one thing after the other: that follows without it.
patient='^(TestDocs|TestDocument|TestEveryRouteIsDocumented|TestExamplesOfDocs|TestFrozenDatabase|TestCountsOfMany|TestChangeWithoutNotes|TestPlainAnswers|FuzzBodies)$'
go test -p 1 $race -short -shuffle=on -skip "$patient" -timeout 30m ./adminapi
# Statistics of a million calls, of which the race detector has seen fewer.
go test -p 1 -run Reference -timeout 15m ./stats
# Databases and Asterisk share two cores: packages one after another.
go test -p 1 -shuffle=on -timeout 15m $(go list ./... | grep -E "$slow" | grep -v '^talktime/e2e')
exec go test -p 1 -count=1 -timeout 30m ./e2e/...
