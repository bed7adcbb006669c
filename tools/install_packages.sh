#!/bin/sh
# Installs the Debian packages that the named purposes of tools/packages.txt need and that are
# missing. Says what it is about to install; does nothing, quickly, when everything is there.
#
#   tools/install_packages.sh build test
#
# MAGPIE_PACKAGES=skip turns it off, for machines that have the libraries under other names.
set -eu

[ "${MAGPIE_PACKAGES:-}" = skip ] && exit 0
list=$(dirname "$0")/packages.txt

wanted=
for purpose in "$@"; do
  grep -q "^$purpose:" "$list" || { echo "error: no purpose '$purpose' in $list" >&2; exit 2; }
  wanted="$wanted $(sed -n "s/^$purpose://p" "$list" | tr '\n' ' ')"
done

# One look at dpkg's database for all packages; apt is asked only when something is missing.
names=$(for entry in $wanted; do echo "${entry%%=*}"; done)
installed=
if [ -n "$names" ] && command -v dpkg-query >/dev/null; then
  # shellcheck disable=SC2086
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $names 2>/dev/null |
              sed -n 's/ installed$//p' | tr '\n' ' ')
fi
missing=
for entry in $wanted; do
  package=${entry%%=*}
  case " $installed $missing " in *" $package "*) continue ;; esac
  case $entry in *=*) command -v "${entry#*=}" >/dev/null && continue ;; esac
  missing="$missing $package"
done
missing=${missing# }
[ -z "$missing" ] && exit 0

# shellcheck disable=SC1091
system=$( . /etc/os-release 2>/dev/null && echo "${ID:-} ${VERSION_ID:-}" || true)
if [ "$system" != "debian 12" ]; then
  cat >&2 <<TEXT
error: these packages of Debian 12 are needed and were not found here:
  $missing
This machine is '${system:-unknown}', where their names may differ. Install their counterparts by
hand and run again with MAGPIE_PACKAGES=skip, or use Debian 12 (a container is enough).
TEXT
  exit 1
fi

as_root=
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "error: packages are missing and neither root nor sudo is at hand. As root, run:" >&2
    echo "  apt-get update && apt-get install $missing" >&2
    exit 1
  fi
  as_root=sudo
fi

echo "Installing Debian packages for '$*': $missing"
options="-qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
$as_root apt-get update $options
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y --no-install-recommends $options $missing >/dev/null
