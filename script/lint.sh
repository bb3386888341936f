#!/bin/sh
# Runs the linters and formatters at the versions this project is checked with.
#
#   script/lint.sh              the whole module
#   script/lint.sh ./agi/...    some packages
#   script/lint.sh --fix        lets the tools repair what they can, formatting included
#   script/lint.sh --install    only installs the tools
#
# The tools are built once, in about two minutes, into ${TALKTIME_TOOLS:-$HOME/.cache/talktime-tools}/bin.
# They are not in go.mod: there they would raise the versions of our own dependencies.
set -eu

golangci_version=v2.15.0
gofumpt_version=v0.12.0

tools=${TALKTIME_TOOLS:-$HOME/.cache/talktime-tools}
bin=$tools/bin
cd "$(dirname "$0")/.."

# installed FILE VERSION: was the tool built from exactly this version of its module?
installed() {
	[ -x "$bin/$1" ] && go version -m "$bin/$1" | grep -q "^	mod	.*	$2	"
}

# need NAME PACKAGE VERSION: builds the tool unless it is there.
# It is built beside its final place and moved, so that two runs at once do not meet a half-written file.
need() {
	installed "$1" "$3" && return
	echo "lint: installing $1 $3 into $bin" >&2
	mkdir -p "$bin"
	scratch=$(mktemp -d "$tools/build.XXXXXX")
	if ! GOBIN=$scratch GOFLAGS= CGO_ENABLED=0 go install "$2@$3"; then
		rm -rf "$scratch"
		echo "lint: cannot install $1 $3" >&2
		exit 1
	fi
	mv -f "$scratch/$1" "$bin/$1"
	rmdir "$scratch"
}

need golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint "$golangci_version"
need gofumpt mvdan.cc/gofumpt "$gofumpt_version"

fix=
case ${1:-} in
--install)
	exit 0
	;;
--fix)
	fix=1
	shift
	;;
esac

failed=0

# gofumpt by itself, too: it also reads files that do not compile, and those behind build tags.
sources=$(find . -name '*.go' -not -path './.git/*' -not -path './data/*')
if [ -n "$sources" ]; then
	if [ -n "$fix" ]; then
		echo "$sources" | xargs "$bin/gofumpt" -w
	else
		unformatted=$(echo "$sources" | xargs "$bin/gofumpt" -l) || failed=1
		if [ -n "$unformatted" ]; then
			echo "lint: not formatted as gofumpt does it (script/lint.sh --fix):" >&2
			echo "$unformatted" >&2
			failed=1
		fi
	fi
fi

"$bin/golangci-lint" config verify || failed=1
if [ -n "$fix" ]; then
	"$bin/golangci-lint" run --fix "${@:-./...}" || failed=1
else
	"$bin/golangci-lint" run "${@:-./...}" || failed=1
fi
exit "$failed"
