#!/usr/bin/env bash
# make run: starts Tern, runs examples/hello.py with the real SDK, prints its result and where to look, and keeps serving
# until Ctrl-C. ONCE=1 stops after the result. RUN_FOLDER=build/run is where its files go. TERN_* variables are settings of Tern
# (`build/tern config docs`).
set -euo pipefail
cd "$(dirname "$0")/.."

tern=build/tern
folder=${RUN_FOLDER:-build/run}
flyte=(.venv/bin/flyte --config "$folder/config.yaml")
ready=$folder/ready
log=$folder/tern.log
server=

bold='' plain=''
if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

stop() {
    trap - EXIT INT TERM
    if [ -n "$server" ] && kill -TERM "$server" 2>/dev/null; then
        wait "$server" || true
        "$tern" stop >/dev/null 2>&1 || true # the supervisor too, when no task runs
    fi
}

busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start() {
    local listen=()
    if [ -z "${TERN_SERVER_LISTEN:-}" ] && { busy 30080 || busy 30002; }; then
        say "Port 30080 or 30002 is taken: using free ones."
        listen=(--listen localhost:0)
    fi
    mkdir -p "$folder"
    rm -f "$ready"
    # Tasks run in the venv that set-up made, unless their image has one of its own.
    VIRTUAL_ENV=$PWD/.venv "$tern" serve "${listen[@]}" --ready-file "$ready" 2>"$log" &
    server=$!
    for _ in $(seq 300); do
        [ -s "$ready" ] && return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    say "Tern did not start:"
    tail -n 20 "$log"
    return 1
}

# What `flyte create config --devbox --builder remote` writes, for the address in use.
write_config() {
    cat >"$folder/config.yaml" <<YAML
admin:
  endpoint: dns:///$1
  insecure: true
image:
  builder: remote
task:
  domain: development
  project: flytesnacks
YAML
}

trap stop EXIT
trap 'exit 130' INT TERM

start
address=$(cat "$ready")
name=hello-$(date +%s)
write_config "$address"
say "Tern answers at $address. Running examples/hello.py as $name:"
if ! "${flyte[@]}" run --follow --name "$name" examples/hello.py main; then
    say "The run did not succeed. The server's log ends with:"
    tail -n 20 "$log"
    exit 1
fi
say "Its result:"
"${flyte[@]}" get io "$name" --outputs-only
say "See http://$address/v2/domain/development/project/flytesnacks/runs/$name"
echo "From a notebook, its files and frames open after: eval \"\$($tern env)\""
[ -z "${ONCE:-}" ] || exit 0
cat <<TEXT

Your own workflows:
    source .venv/bin/activate
    flyte --config $folder/config.yaml run --follow FILE.py TASK
The server's log: $log

Serving at $address until Ctrl-C.
TEXT
wait "$server"
