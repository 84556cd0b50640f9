#!/usr/bin/env bash
# Start and stop a private Docker daemon that shares nothing with one that may already run.
#
#   scripts/dockerd.sh start FOLDER    starts it (as root) and waits until it answers on FOLDER/docker.sock
#   scripts/dockerd.sh stop FOLDER     stops that daemon and its containers, and no other
#
# It has its own socket, data, state and pid file, no bridge and no packet-filter rules: a second daemon with a
# bridge would fight the first one over both. Containers have no network or the host's, which is all we use.
set -euo pipefail

command=${1:?start or stop}
folder=$(realpath -m "${2:?folder of the daemon}")

start() {
    mkdir -p "$folder"
    # Socket paths are limited to about 100 bytes, so the folder should be short, below /tmp.
    dockerd --host "unix://$folder/docker.sock" --data-root "$folder/data" --exec-root "$folder/exec" \
        --pidfile "$folder/docker.pid" --bridge none --iptables=false --ip6tables=false --ip-forward=false \
        --ip-masq=false --userland-proxy=false </dev/null >"$folder/dockerd.log" 2>&1 &
    local pid=$!
    for _ in $(seq 120); do
        if docker --host "unix://$folder/docker.sock" info >/dev/null 2>&1; then
            return 0
        fi
        if ! kill -0 "$pid" 2>/dev/null; then
            break
        fi
        sleep 0.5
    done
    echo "dockerd did not come up; the end of its log:" >&2
    tail -n 30 "$folder/dockerd.log" >&2
    docker --host "unix://$folder/docker.sock" info >&2 || true
    stop
    return 1
}

stop() {
    local pid
    pid=$(cat "$folder/docker.pid" 2>/dev/null) || return 0
    # A reused pid must not be hit: the process has to be a dockerd that serves this folder.
    if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$folder/docker.sock"; then
        kill "$pid"
        for _ in $(seq 60); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.5
        done
    fi
    # What a killed daemon leaves mounted would keep the folder from being removed.
    awk -v folder="$folder/" 'index($2, folder) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount || true
}

case $command in
    start) start ;;
    stop) stop ;;
    *) echo "usage: $0 start|stop FOLDER" >&2; exit 2 ;;
esac
