#!/bin/bash
# usage: s3_bench.sh BUILD     measures the S3 endpoint alone (s3d) in a folder of its own below BUILD, removed afterwards.
set -eu
build=$(realpath "$1")
dir=$(mktemp -d "$build/bench/s3-XXXXXX")
server=
cleanup() {
    [ -z "$server" ] || { kill "$server" && wait "$server" || true; }
    rm -rf "$dir"
}
trap cleanup EXIT
"$build/test/s3d" serve "$dir" 127.0.0.1:0 "$dir/ready" &
server=$!
while [ ! -f "$dir/ready" ]; do sleep 0.02; done
at=127.0.0.1:$(cat "$dir/ready")
read -r id secret <<<"$("$build/test/s3d" keys "$dir" 1 '*' d r 1 | tr '\n' ' ')"
run() { "$build/bench/s3_bench" "$1" "$at" "$id" "$secret" "${@:2}" --pid "$server"; }
for n in 1 2 3 4 5; do run put --below "bench/d/$n" --seconds "${SECONDS_EACH:-3}"; done
run put --below bench/d/6 --connections 1 --seconds 2
head -c $((1 << 30)) /dev/zero | "$build/test/s3d" put "$dir" big
for _ in 1 2 3 4 5; do run get big --seconds "${SECONDS_GET:-5}"; done
grep -E 'VmRSS|VmHWM' "/proc/$server/status"
