# What the quickstart measures and judges. Needs lib/common.sh, lib/image.sh and lib/cluster.sh.

# received NAME FILTER: bytes of content that a node took from the sources a jq filter selects.
received() {
    "$hawker" status --socket "$work/$1/hawker.sock" --json |
        jq "[.received[] | select($2) | .content_bytes] | add // 0"
}

# print_sources NAME...: the table of bytes by source per node.
print_sources() {
    local name from_registry from_peers
    printf '\n%-6s %15s %15s %10s\n' NODE 'FROM REGISTRY' 'FROM PEERS' 'PEER SHARE'
    for name in "$@"; do
        from_registry=$(received "$name" '.is_peer | not')
        from_peers=$(received "$name" .is_peer)
        printf '%-6s %15d %15d %9s%%\n' "$name" "$from_registry" "$from_peers" \
            "$(share "$from_peers" $((from_registry + from_peers)))"
    done
}

share() { awk -v part="$1" -v all="$2" 'BEGIN { printf "%.1f", (all > 0 ? 100 * part / all : 0) }'; }

# sent DIGEST: bytes of a blob that the registry has sent, from its access log: answers to GET, whole or ranged, also
# those cut short (the log counts what left).
sent() {
    awk -v digest="$1" '
        $6 == "\"GET" && $7 ~ ("/blobs/" digest "$") && ($9 == 200 || $9 == 206) { sum += $10 }
        END { printf "%d\n", sum }' "$work/log/registry.log"
}

# print_registry MANIFEST: what the registry sent of each layer.
print_registry() {
    local type digest size
    printf '\n%-10s %-22s %15s %15s\n' LAYER 'STORED AS' SIZE 'REGISTRY SENT'
    while read -r type digest size; do
        printf '%-10s %-22s %15d %15d\n' "${digest:7:10}" "${type##*layer.v1.}" "$size" "$(sent "$digest")"
    done < <(jq -r '.layers[] | "\(.mediaType) \(.digest) \(.size)"' "$1")
    printf '\n'
}

# check WHAT COMMAND...: says whether the command succeeded; `failures` counts those that did not.
failures=0
check() {
    local what=$1
    shift
    if "$@" >/dev/null; then
        echo "  ok      $what"
    else
        echo "  FAILED  $what"
        failures=$((failures + 1))
    fi
}

cri_is_ok() { [ "$(cri_state "$1")" = ok ]; }

# holds_image NAME IMAGE: whether a node's containerd has every layer, unpacked.
holds_image() {
    ctr --address "$work/$1/containerd/containerd.sock" --namespace k8s.io images check |
        awk -v image="$2" '$1 == image && / complete / && $NF == "true" { found = 1 } END { exit !found }'
}

# took_from_peer NAME PEER MANIFEST: at least 99 % of the bytes of the layers.
took_from_peer() {
    local layers
    layers=$(jq '[.layers[].size] | add' "$3")
    [ $(($(received "$1" ".source == \"$2\"") * 100)) -ge $((layers * 99)) ]
}

# sent_each_layer_once MANIFEST
sent_each_layer_once() {
    local digest size
    while read -r digest size; do
        [ "$(sent "$digest")" -eq "$size" ] || return 1
    done < <(jq -r '.layers[] | "\(.digest) \(.size)"' "$1")
}

# containerd_asked_no_blob: containerd took every blob from its node, none from the registry behind its back.
containerd_asked_no_blob() {
    ! grep -q '"GET [^"]*/blobs/.*"containerd/' "$work/log/registry.log"
}

# disk_bytes NAME: what a node's cache and its containerd's content store take together; a file with two names counts
# once.
disk_bytes() {
    local containerd="$work/$1/containerd/root"
    du --block-size=1 --summarize --total "$containerd/io.containerd.content.v1.content" \
        "$work/$1/cache/blobs" "$work/$1/cache/partial" | awk 'END { print $1 }'
}

# takes_disk_once NAME MANIFEST: the cache and containerd's content store together at most 1.02 of the image's layers.
# The blobs that both have become one file a few seconds after the pull.
takes_disk_once() {
    local layers end=$((SECONDS + 30))
    layers=$(jq '[.layers[].size] | add' "$2")
    while [ $(($(disk_bytes "$1") * 100)) -gt $((layers * 102)) ]; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.5
    done
}

# Most memory that a process has held, in MiB.
peak_memory() { awk '/^VmHWM/ { printf "%d\n", $2 / 1024 }' "/proc/$1/status"; }
