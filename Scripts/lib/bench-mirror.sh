# The mirror against nginx on the same bytes in the same run: a warm blob of 1 GiB, fetched by curl over loopback from
# each in turn. Prints medians, the ratio, and the server's CPU seconds per GB. Needs lib/common.sh, lib/image.sh and
# lib/cluster.sh; $hawker is the program.

mirror_usage='mirror [--rounds N] [--min-ratio R]
  --rounds N     fetches from each (default 9)
  --min-ratio R  fail if the mirror has less than R of nginx'"'"'s throughput (default 0.5)'

rounds=9
min_ratio=0.5
blob_bytes=$((1 << 30))

bench_mirror() {
    while [ $# -gt 0 ]; do
        case $1 in
        --rounds) rounds=${2:?--rounds needs a number}; shift ;;
        --min-ratio) min_ratio=${2:?--min-ratio needs a number}; shift ;;
        *) fail "unknown argument $1; usage: Scripts/bench $mirror_usage" ;;
        esac
        shift
    done
    require_space "$work" 4000
    start_servers
    measure
    print_row
}

# A registry with an image of one layer of noise, a node that has it in its cache, and nginx on the node's own file:
# the same pages of memory serve both.
start_servers() {
    local mirror peers
    start_registry
    run_with_progress "push an image with a layer of 1 GiB" push_big_image
    layer=$(cat "$work/layer")
    free_port; mirror=$port
    free_port; peers=$port
    write_node_settings bench "$mirror" "$peers" "$peers"
    sed -i 's/^static = .*/static = []/' "$work/bench/hawker.toml"
    start_node bench "$mirror"
    hawker_pid=$child
    hawker_url="http://127.0.0.1:$mirror/v2/bench/image/blobs/$layer?ns=localhost:$registry_port"
    curl -fsS -o /dev/null -H "Accept: $manifest_type" \
        "http://127.0.0.1:$mirror/v2/bench/image/manifests/1?ns=localhost:$registry_port"
    run_with_progress "warm the node's cache, and compare what it sends with the layer's digest" same_digest
    start_nginx "$(find "$work/bench/cache" -name "*${layer#sha256:}" -size "${blob_bytes}c" | head -n 1)"
}

manifest_type=application/vnd.oci.image.manifest.v1+json

push_big_image() {
    local layout="$work/layout"
    umoci init --layout "$layout"
    umoci new --image "$layout:1"
    mkdir -p "$work/image"
    head -c "$blob_bytes" /dev/urandom >"$work/image/noise"
    add_layer_by_hand "$layout" "$work/image/noise" "$work/image/noise" application/vnd.oci.image.layer.v1.tar
    rm "$work/image/noise"
    push_image "$layout" 1 bench/image:1
    jq -r '.layers[0].digest' "$(layout_manifest "$layout")" >"$work/layer"
    rm -r "$layout"
}

same_digest() {
    [ "$(curl -fsS "$hawker_url" | sha256sum | cut -c 1-64)" = "${layer#sha256:}" ]
}

start_nginx() {
    [ -n "$1" ] || fail "the node's cache does not hold the layer"
    free_port
    mkdir -p "$work/nginx/files"
    ln -s "$1" "$work/nginx/files/blob"
    cat >"$work/nginx/nginx.conf" <<END
user root;
worker_processes auto;
pid $work/nginx/pid;
error_log $work/log/nginx.log;
daemon off;
events { }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path $work/nginx/body;
    proxy_temp_path $work/nginx/proxy;
    fastcgi_temp_path $work/nginx/fastcgi;
    uwsgi_temp_path $work/nginx/uwsgi;
    scgi_temp_path $work/nginx/scgi;
    server {
        listen 127.0.0.1:$port;
        root $work/nginx/files;
    }
}
END
    start_child "$work/log/nginx.log" nginx -p "$work/nginx" -c "$work/nginx/nginx.conf"
    wait_for 10 "$child" nginx listens "$port"
    nginx_pid=$child
    nginx_url=http://127.0.0.1:$port/blob
}

# One fetch in bytes per second.
fetch() { curl -fsS -o /dev/null -w '%{speed_download}\n' "$1"; }

# CPU seconds that a process and its children have used.
cpu_seconds() {
    local pid
    for pid in "$1" $(cat "/proc/$1/task/"*/children 2>/dev/null); do
        cat "/proc/$pid/stat"
    done | awk -v ticks="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); sum += $12 + $13 } END { print sum / ticks }'
}

measure() {
    local round
    say "fetch it $rounds times from each, in turn"
    fetch "$nginx_url" >/dev/null
    hawker_cpu=$(cpu_seconds "$hawker_pid")
    nginx_cpu=$(cpu_seconds "$nginx_pid")
    for ((round = 0; round < rounds; round++)); do
        fetch "$nginx_url" >>"$work/nginx.speeds"
        fetch "$hawker_url" >>"$work/hawker.speeds"
    done
    hawker_cpu=$(awk "BEGIN { print $(cpu_seconds "$hawker_pid") - $hawker_cpu }")
    nginx_cpu=$(awk "BEGIN { print $(cpu_seconds "$nginx_pid") - $nginx_cpu }")
}

# speeds NAME: median, least and most in MB/s.
speeds() {
    sort -n "$work/$1.speeds" | awk '
        { all[NR] = $1 / 1e6 }
        END {
            middle = NR % 2 ? all[(NR + 1) / 2] : (all[NR / 2] + all[NR / 2 + 1]) / 2
            printf "%.0f %.0f %.0f", middle, all[1], all[NR]
        }'
}

print_row() {
    local name median least most cpu ratio
    printf '\n%-8s %12s %16s %14s\n' SERVER 'MEDIAN MB/s' 'RANGE MB/s' 'CPU s per GB'
    for name in nginx hawker; do
        read -r median least most < <(speeds "$name"; echo)
        cpu=${name}_cpu
        printf '%-8s %12s %16s %14s\n' "$name" "$median" "$least–$most" \
            "$(awk "BEGIN { printf \"%.3f\", ${!cpu} * 1e9 / ($rounds * $blob_bytes) }")"
    done
    ratio=$(awk "BEGIN { printf \"%.2f\", $(speeds hawker | cut -d ' ' -f 1) / $(speeds nginx | cut -d ' ' -f 1) }")
    printf '\nwarm blob of 1 GiB through the mirror: %s of nginx\n' "$ratio"
    awk "BEGIN { exit !($ratio >= $min_ratio) }" || fail "less than $min_ratio of nginx"
}
