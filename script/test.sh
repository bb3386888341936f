#!/bin/bash
# Everything, as a fresh Debian with Go, git and make can run it: installs what is missing where it can. What
# cannot be had is skipped loudly; with CI=true a skip is a failure.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

e2e/setup.sh
case $? in
  0) ;;
  3) echo "WARNING: the tests against MariaDB and Asterisk will be SKIPPED (see above)" >&2
     [ "${CI:-}" = true ] && exit 1 ;;
  *) exit 1 ;;
esac
set -e
make --no-print-directory build
go vet ./...
race=
if command -v gcc > /dev/null; then race=-race; else echo "WARNING: no gcc, so no race detector" >&2; fi
# Databases and Asterisk share two cores: packages one after another keeps their timing honest.
go test -p 2 $race -shuffle=on -timeout 20m $(go list ./... | grep -vE '^talktime/e2e')
exec go test -p 1 -count=1 -timeout 40m ./e2e/...
