# What the scripts need of the machine that they run on: Debian packages, a Swift toolchain, root. To be sourced:
#
#   source "$(dirname "$0")/machine.sh"      goes to the top of the repository
#   need build test                          installs what is missing of these groups of packaging/dependencies
#   find_swift                               puts the toolchain's `swift` on PATH, or says how to get one
#   build_release                            leaves the programs, as they are shipped, in $release
#
# SWIFT names another command to run instead of `swift` (a wrapper, another toolchain).

set -euo pipefail
export LC_ALL=C.UTF-8
# A login shell of an ordinary user has no sbin, where nft, ip and debootstrap are.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
# SwiftPM keeps its caches under HOME, which a clean environment may not have.
export HOME="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"
cd "$(dirname "${BASH_SOURCE[0]}")/.."

release=.build/release

say() { printf '\033[1m%s\033[0m\n' "$*"; }

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

is_root() { [ "$(id -u)" = 0 ]; }

# The comment at the head of the script is its help.
show_help() {
    sed -n '2,${/^#/!q; s/^# \{0,1\}//; p}' "scripts/${0##*/}"
    exit 0
}

# packages_of GROUP...: the packages of these groups, one a line.
packages_of() {
    awk -v wanted="$*" '
        BEGIN { split(wanted, list, " "); for (each in list) groups[list[each]] }
        { sub(/#.*/, "") }
        NF == 2 { split($2, of, ","); for (each in of) if (of[each] in groups) { print $1; next } }
        NF != 0 && NF != 2 { print FILENAME ":" FNR ": want PACKAGE GROUP[,GROUP...]: " $0 > "/dev/stderr"; exit 1 }
    ' packaging/dependencies
}

# missing_of GROUP...: those among them that are not installed.
missing_of() {
    packages_of "$@" | while read -r package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

need() {
    local missing
    missing=$(missing_of "$@" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    local command="apt-get install --yes --no-install-recommends ${missing% }"
    is_root || die "packages are missing. Install them as root, then run this again:
    apt-get update && $command"
    say "installing ${missing% }"
    (
        export DEBIAN_FRONTEND=noninteractive
        # A proxy or a daemon that is wanted for a test or a comparison must not start serving on this machine.
        policy=/usr/sbin/policy-rc.d
        if [ ! -e $policy ]; then
            trap 'rm -f $policy' EXIT
            printf '#!/bin/sh\nexit 101\n' >$policy
            chmod +x $policy
        fi
        apt-get -qq update
        $command -qq -o Dpkg::Use-Pty=0 >/dev/null
    )
}

find_swift() {
    local place
    [ -z "${SWIFT:-}" ] || return 0
    SWIFT=swift
    command -v swift >/dev/null && return 0
    for place in "$HOME/.local/share/swiftly/bin" /opt/swift/usr/bin /usr/share/swift/usr/bin /opt/swift*/usr/bin; do
        if [ -x "$place/swift" ]; then
            export PATH="$PATH:$place"
            return 0
        fi
    done
    die "no Swift toolchain found. Get Swift 6.3 for Debian 12 from https://www.swift.org/install/linux/ and put its
usr/bin on PATH."
}

# The Swift runtime is linked in, so that a gateway needs no toolchain; what the distribution patches stays dynamic, and is
# resolved at the start so that the tables for it can be made read-only.
build_release() {
    need build
    find_swift
    for product in gatehoused gatehousectl; do
        $SWIFT build -c release --static-swift-stdlib -Xlinker -z -Xlinker now --product "$product"
    done
}
