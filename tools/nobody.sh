#!/usr/bin/env bash
# Runs a command as uid 65534: no groups, no rights, no cgroup of its own. Needs root.
#     tools/nobody.sh PATH[:PATH...] COMMAND [ARGUMENT...]
# The paths are what the command needs to see. Where one lies below a folder that is closed to others (a Python in root's
# home), an empty folder takes that one's place, for this command alone, and only those paths are in it.
set -euo pipefail

if [ -z "${TERN_NOBODY_HOLD:-}" ]; then
    hold=$(mktemp -d)
    trap 'rmdir "$hold"' EXIT
    TERN_NOBODY_HOLD=$hold unshare --mount -- "$0" "$@"
    exit
fi

# The topmost folder above the path that others cannot pass; empty when there is none.
closed_above() {
    local found='' at=$1
    while [ "$at" != / ]; do
        at=$(dirname "$at")
        (($(stat -c '0%a' "$at") & 1)) || found=$at
    done
    printf '%s' "$found"
}

IFS=: read -ra paths <<<"$1"
shift
mount -t tmpfs -o mode=700 tern-nobody "$TERN_NOBODY_HOLD"
declare -A closed
for i in "${!paths[@]}"; do
    above=$(closed_above "${paths[i]}")
    [ -n "$above" ] || continue
    closed[$above]=1
    mkdir "$TERN_NOBODY_HOLD/$i"
    mount --bind "${paths[i]}" "$TERN_NOBODY_HOLD/$i"
done
for above in "${!closed[@]}"; do
    mount -t tmpfs -o mode=755 tern-nobody "$above"
done
for i in "${!paths[@]}"; do
    [ -d "$TERN_NOBODY_HOLD/$i" ] || continue
    mkdir -p "${paths[i]}"
    mount --bind "$TERN_NOBODY_HOLD/$i" "${paths[i]}"
done
# Local runs of the SDK write there, whoever runs them: another account may have made it.
mkdir -p /tmp/flyte
mount -t tmpfs -o mode=1777 tern-nobody /tmp/flyte
unset TERN_NOBODY_HOLD
exec setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --no-new-privs -- "$@"
