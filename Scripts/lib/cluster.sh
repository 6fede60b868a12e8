# A registry, Hawker nodes and containerds on loopback, each with its own folder under $work. Needs lib/common.sh;
# $hawker is the program.

# Starts docker-registry; sets `registry_port`. Its access log is $work/log/registry.log.
start_registry() {
    free_port
    registry_port=$port
    mkdir -p "$work/registry"
    cat >"$work/registry.yml" <<END
version: 0.1
log:
  level: error
  accesslog:
    disabled: false
storage:
  filesystem:
    rootdirectory: $work/registry
http:
  addr: 127.0.0.1:$registry_port
  secret: loopback
END
    start_child "$work/log/registry.log" docker-registry serve "$work/registry.yml"
    wait_for 20 "$child" "docker-registry on port $registry_port" listens "$registry_port"
}

# push_image LAYOUT TAG NAME: as it is, without skopeo's own compression of layers.
push_image() {
    skopeo --insecure-policy copy --quiet --preserve-digests --dest-tls-verify=false \
        "oci:$1:$2" "docker://localhost:$registry_port/$3"
}

# write_node_settings NAME MIRROR_PORT PEER_PORT OTHER_PEER_PORT
write_node_settings() {
    mkdir -p "$work/$1"
    chmod 700 "$work/$1"
    cat >"$work/$1/hawker.toml" <<END
[node]
name = "$1"

[mirror]
listen = "127.0.0.1:$2"

[peers]
listen = "127.0.0.1:$3"
static = ["127.0.0.1:$4"]
cluster = "quickstart"

[cache]
path = "$work/$1/cache"
quota = "4GiB"
free_floor = "256MiB"

[containerd]
socket = "$work/$1/containerd/containerd.sock"
check_seconds = 1

[admin]
socket = "$work/$1/hawker.sock"

[status]
listen = "off"

[log]
level = "info"

[[registry]]
host = "localhost:$registry_port"
url = "http://localhost:$registry_port"
END
}

# start_node NAME MIRROR_PORT: starts the daemon; its number is in `child`.
start_node() {
    start_child "$work/log/node-$1.log" "$hawker" daemon --config "$work/$1/hawker.toml"
    wait_for 20 "$child" "node $1" listens "$2"
}

# node_connected NAME: whether the node has a connected peer.
node_connected() {
    "$hawker" peers --socket "$work/$1/hawker.sock" --json | jq -e 'any(.state == "connected")'
}

# Whether the kernel can mount overlays in this folder (not on an overlay itself, as in many containers).
can_overlay() {
    local folder="$work/overlay" result=1
    mkdir -p "$folder/lower" "$folder/upper" "$folder/work" "$folder/merged"
    if mount -t overlay overlay -o "lowerdir=$folder/lower,upperdir=$folder/upper,workdir=$folder/work" \
        "$folder/merged" 2>/dev/null; then
        umount "$folder/merged"
        result=0
    fi
    rm -rf "$folder"
    return "$result"
}

# write_containerd_config NAME: the least that keeps a containerd to itself, without anything about registries.
write_containerd_config() {
    local folder="$work/$1/containerd" snapshotter=native
    if can_overlay; then snapshotter=overlayfs; fi
    mkdir -p "$folder"
    cat >"$folder/config.toml" <<END
version = 2
root = "$folder/root"
state = "$folder/state"
oom_score = 0

[grpc]
  address = "$folder/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
  path = "$folder/opt"

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "$snapshotter"
END
}

# configure_containerd NAME MODE MIRROR_PORT: what an operator runs on a node.
configure_containerd() {
    local folder="$work/$1/containerd"
    "$hawker" containerd apply --mode "$2" --config "$folder/config.toml" --state-dir "$folder/hawker-state" \
        --hosts-dir "$folder/certs.d" \
        --registry "localhost:$registry_port=http://localhost:$registry_port" --mirror "http://127.0.0.1:$3"
}

# start_containerd NAME
start_containerd() {
    local folder="$work/$1/containerd"
    start_child "$work/log/containerd-$1.log" containerd --config "$folder/config.toml"
    wait_for 30 "$child" "containerd of node $1" ctr --address "$folder/containerd.sock" version
}

# What `ctr plugins ls` says of the CRI plugin of a node's containerd: ok, error, or nothing.
cri_state() {
    ctr --address "$work/$1/containerd/containerd.sock" plugins ls |
        awk '$1 == "io.containerd.grpc.v1" && $2 == "cri" { print $NF }'
}

# pull NAME IMAGE: through CRI, the only interface of containerd that knows both kinds of mirrors.
pull() {
    "$hawker" containerd verify --containerd-only --socket "$work/$1/containerd/containerd.sock" --image "$2"
}
