#!/bin/sh
# Installs the given Debian/Ubuntu packages where apt-get is, prints their names elsewhere.
set -eu
if ! command -v apt-get >/dev/null 2>&1; then
    echo "This system has no apt-get. Install the equivalents of: $*"
    exit 1
fi
missing=""
for package in "$@"; do
    # A virtual name (libjpeg-dev) is provided by another package; ask dpkg for both.
    dpkg-query -W -f '${Status} ${Package} ${Provides}\n' 2>/dev/null |
        grep "^install ok installed" | grep -qE "[ ,]$package( |,|$|:)" || missing="$missing $package"
done
[ -n "$missing" ] || { echo "Every package is installed."; exit 0; }
as_root=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "Run as root: apt-get install$missing"; exit 1; }
    as_root=sudo
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
