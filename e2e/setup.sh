#!/bin/bash
# Installs what the real-world tests stand on: SIPp and MariaDB on the host, and Asterisk in a chroot of its own.
#
#   e2e/setup.sh             everything but the browser
#   e2e/setup.sh chromium    the browser as well
#
# Nothing is started, and nothing that is there already is touched: run it as often as you like. It needs root on Debian;
# anywhere else it says what is missing. Exit 0: all is there. Exit 3: something is missing, named on stderr, and the
# tests that need it will skip.
#
#   TALKTIME_TEST_CACHE        where the chroot lives, about 450 MB; default ~/.cache/talktime-test
#   TALKTIME_ASTERISK_SUITES   Debian suites to take Asterisk from, the first that works wins; default "forky sid bullseye"
set -euo pipefail

cache=${TALKTIME_TEST_CACHE:-$HOME/.cache/talktime-test}
suites=${TALKTIME_ASTERISK_SUITES:-forky sid bullseye}
PATH=$PATH:/usr/sbin:/sbin

say() { printf 'setup: %s\n' "$*" >&2; }

# packages prints the Debian packages that the host lacks.
packages() {
  command -v debootstrap >/dev/null || echo debootstrap
  command -v sipp >/dev/null || echo sip-tester
  command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null || echo mariadb-server-core
  command -v mariadb >/dev/null || echo mariadb-client-core
  command -v ss >/dev/null || echo iproute2
  command -v curl >/dev/null || echo curl
  command -v gcc >/dev/null || echo gcc
  [ -e /usr/include/stdlib.h ] || echo libc6-dev
  if [ "$browser" ]; then command -v chromium >/dev/null || echo chromium; fi
}

# chroot_ready tells whether one of the suites is there. A chroot gets its final name only when it is complete.
chroot_ready() {
  local suite
  for suite in $suites; do [ ! -d "$cache/asterisk-$suite" ] || return 0; done
  return 1
}

# without_services runs a command while Debian's packages are forbidden to start their services. A policy of the host's
# own stays; one of ours may be left of a run that was killed.
without_services() {
  local policy=/usr/sbin/policy-rc.d status=0
  if [ -e $policy ] && ! grep -q 'talktime' $policy; then "$@"; return; fi
  trap "rm -f $policy" EXIT
  printf '#!/bin/sh\n# of talktime, e2e/setup.sh: gone when it has finished\nexit 101\n' > $policy
  chmod 755 $policy
  "$@" || status=$?
  rm -f $policy
  trap - EXIT
  return $status
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
}

install_packages() {
  local log=$cache/log/packages.log
  say "installing $*"
  { without_services apt_install "$@" || { apt-get -q update && without_services apt_install "$@"; }; } > "$log" 2>&1 ||
    { say "apt-get failed, see $log"; return 1; }
}

# mirror prints the Debian mirror that the host itself uses.
mirror() {
  local sites
  sites=$(apt-get indextargets --format '$(SITE)' 'Label: Debian')
  if [ -z "$sites" ]; then
    apt-get -q update >&2
    sites=$(apt-get indextargets --format '$(SITE)' 'Label: Debian')
  fi
  head -n 1 <<< "$sites"
}

# fill_chroot DIR SUITE runs in a mount namespace of its own, so that no mount of debootstrap's outlives it.
fill_chroot() {
  local dir=$1 suite=$2 site script=
  site=$(mirror)
  [ "$site" ] || { echo "the host's apt sources name no Debian mirror"; return 1; }
  # A debootstrap older than the suite has no script for it; all recent suites share that of sid.
  [ -e "/usr/share/debootstrap/scripts/$suite" ] || script=/usr/share/debootstrap/scripts/sid
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$dir" "$site" $script || return 1

  printf '#!/bin/sh\nexit 101\n' > "$dir/usr/sbin/policy-rc.d"
  chmod 755 "$dir/usr/sbin/policy-rc.d"
  printf 'Acquire::Check-Valid-Until "false";\n' > "$dir/etc/apt/apt.conf.d/99talktime" # a mirror may be a frozen snapshot
  cp /etc/resolv.conf "$dir/etc/resolv.conf"
  chroot "$dir" apt-get -q update || return 1
  chroot "$dir" env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends \
    asterisk asterisk-core-sounds-en-gsm odbc-mariadb unixodbc || return 1
  chroot "$dir" asterisk -V || return 1
  rm -rf "$dir"/var/lib/apt/lists/* "$dir"/var/cache/apt/*

  # From here on nothing but loopback: Asterisk's own resolver must not ask the host's name servers.
  echo 'nameserver 127.0.0.1' > "$dir/etc/resolv.conf"
  echo '127.0.0.1 localhost' > "$dir/etc/hosts"
}

build_chroot() {
  local suite=$1 partial=$cache/partial log=$cache/log/asterisk-$1.log
  say "building a chroot with Asterisk from Debian $suite (about a minute)"
  rm -rf --one-file-system "$partial"
  if unshare --mount --propagation private "$BASH" "$0" --fill "$partial" "$suite" > "$log" 2>&1; then
    mv "$partial" "$cache/asterisk-$suite"
    say "$(chroot "$cache/asterisk-$suite" asterisk -V) is ready"
  else
    say "Debian $suite gave no Asterisk, see $log"
    rm -rf --one-file-system "$partial"
    return 1
  fi
}

browser=
case ${1:-} in
  '') ;;
  chromium) browser=1 ;;
  --fill) fill_chroot "$2" "$3"; exit ;;
  *) sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

missing=$(packages)
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  say "this needs root on Debian, to run Asterisk in a chroot and to install packages"
  [ -z "$missing" ] || say "missing, by Debian's names: ${missing//$'\n'/ } (as root: apt-get install --no-install-recommends ${missing//$'\n'/ })"
  chroot_ready || say "missing: the chroot with Asterisk in $cache (as root on Debian: e2e/setup.sh)"
  exit 3
fi
if [ -z "$missing" ] && chroot_ready; then exit 0; fi

# One at a time; whoever waited finds the work done.
mkdir -p "$cache/log"
exec 9> "$cache/lock"
flock 9
failed=
missing=$(packages)
if [ "$missing" ]; then install_packages $missing || failed=1; fi
if ! chroot_ready; then
  for suite in $suites; do build_chroot "$suite" && break; done
  chroot_ready || failed=1
fi
if [ "$failed" ]; then say "not complete; the tests that need what is missing will skip"; exit 3; fi
say "done"
