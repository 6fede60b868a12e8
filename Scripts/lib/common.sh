# Shared by the scripts beside this folder: messages, progress, child processes, clean-up. Source it from bash
# with `set -euo pipefail` in force.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
started=$SECONDS
children=()   # numbers of the processes started here, oldest first
work=""       # the run's own folder; clean_up removes it

# A line of progress with the seconds since the start.
say() { clear_line; printf '[%3d s] %s\n' $((SECONDS - started)) "$*"; }

# One sentence to standard error, then the end.
fail() { clear_line; printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

clear_line() { if [ -t 1 ]; then printf '\r\033[K'; fi; }

# run_with_progress WHAT COMMAND...: runs a command, its output into $work/log/step.log, and says what runs:
# on a terminal by a line that counts the seconds, else by a line every 15 s. Shows the output if it fails.
run_with_progress() {
    local what=$1 log="$work/log/step.log" begin=$SECONDS pid status=0
    shift
    say "$what"
    "$@" >"$log" 2>&1 &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        local seconds=$((SECONDS - begin))
        if [ -t 1 ]; then
            printf '\r\033[K        … %d s  %s' "$seconds" "$(tail -n 1 "$log" | tr '\r' ' ' | cut -c 1-60)"
        elif [ "$seconds" -gt 0 ] && [ $((seconds % 15)) -eq 0 ] && [ "${last_tick:-}" != "$begin/$seconds" ]; then
            last_tick=$begin/$seconds
            say "  … $seconds s"
        fi
    done
    wait "$pid" || status=$?
    clear_line
    if [ "$status" -ne 0 ]; then
        tail -n 40 "$log" >&2
        fail "this failed (status $status): $what"
    fi
}

# A TCP port of loopback on which nobody listens, below the kernel's ephemeral range; never the same twice.
next_port=$((20000 + RANDOM % 9000))
free_port() {
    while :; do
        next_port=$((next_port + 1))
        if ! listens "$next_port"; then port=$next_port; return; fi
    done
}

# Whether something accepts connections on a port of loopback.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start_child LOG COMMAND...: starts a process that survives this shell's terminal. Sets `child` to its number and
# `child_log` to its log.
start_child() {
    local log=$1
    shift
    child_log=$log
    setsid "$@" >>"$log" 2>&1 </dev/null &
    child=$!
    children+=("$child")
}

# wait_for SECONDS PID WHAT COMMAND...: until the command succeeds; fails when the process ends before.
wait_for() {
    local until=$((SECONDS + $1)) pid=$2 what=$3
    shift 3
    while ! "$@" >/dev/null 2>&1; do
        is_alive "$pid" || fail "$what: the process ended: $(tail -n 20 "$child_log")"
        [ "$SECONDS" -lt "$until" ] || fail "$what: not ready in time: $(tail -n 20 "$child_log")"
        sleep 0.1
    done
}

# Whether a process runs; one that ended and was not yet collected does not.
is_alive() { kill -0 "$1" 2>/dev/null && ! grep -qs '^State:.Z' "/proc/$1/status"; }

# Ends a process: SIGTERM, ten seconds, SIGKILL.
stop_child() {
    local tries=0
    kill -TERM "$1" 2>/dev/null || return 0
    while is_alive "$1"; do
        tries=$((tries + 1))
        if [ "$tries" -eq 100 ]; then kill -KILL "$1" 2>/dev/null || true; fi
        [ "$tries" -lt 120 ] || return 0
        sleep 0.1
    done
}

# Ends every process started here, newest first, unmounts what a killed containerd may have left, and removes
# the run's folder.
clean_up() {
    local index mountpoint
    for ((index = ${#children[@]} - 1; index >= 0; index--)); do
        stop_child "${children[index]}"
    done
    children=()
    [ -n "$work" ] && [ -d "$work" ] || return 0
    while read -r mountpoint; do
        umount -l "$mountpoint" || true
    done < <(awk -v inside="$work/" 'index($2, inside) == 1 { print $2 }' /proc/mounts | sort -r)
    rm -rf "$work"
}

# Makes the run's folder and removes it at the end, whatever the end.
make_work_folder() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/hawker-$1.XXXXXX")
    mkdir "$work/log"
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# Fails unless a command runs as root.
require_root() { [ "$(id -u)" = 0 ] || fail "$1 needs root: run it with sudo"; }

# require_space FOLDER MEGABYTES
require_space() {
    local free
    free=$(df --output=avail -BM "$1" | tail -n 1 | tr -dc 0-9)
    [ "$free" -ge "$2" ] || fail "$1 has $free MB free and $2 MB are needed: set TMPDIR to a folder with more"
}
