# Makes a real image of four layers in an OCI layout: a busybox root (gzip), real files of this machine (gzip, at
# least 100 MB as stored), an uncompressed layer and a zstd layer. Needs lib/common.sh.

gzip_layer_bytes_min=100000000

# make_image LAYOUT TAG: writes the layout; uses $work/image for what it needs on the way.
make_image() {
    local layout=$1 tag=$2 parts="$work/image" megabytes=330
    mkdir -p "$parts"
    busybox_archive "$parts/busybox.tar"
    while :; do
        rm -rf "$layout"
        umoci init --layout "$layout"
        umoci new --image "$layout:$tag"
        umoci raw add-layer --image "$layout:$tag" "$parts/busybox.tar"
        archive_of_files "$parts/files.tar" 0 "$megabytes"
        umoci raw add-layer --image "$layout:$tag" "$parts/files.tar"
        [ "$(last_layer_bytes "$layout")" -lt "$gzip_layer_bytes_min" ] || break
        [ "$megabytes" -lt 3000 ] || fail "too few files on this machine for a layer of $gzip_layer_bytes_min bytes"
        megabytes=$((megabytes * 2))
    done
    archive_of_files "$parts/plain.tar" "$megabytes" 20
    add_layer_by_hand "$layout" "$parts/plain.tar" "$parts/plain.tar" application/vnd.oci.image.layer.v1.tar
    archive_of_files "$parts/zstd.tar" $((megabytes + 20)) 40
    zstd -q -3 "$parts/zstd.tar" -o "$parts/zstd.tar.zst"
    add_layer_by_hand "$layout" "$parts/zstd.tar" "$parts/zstd.tar.zst" application/vnd.oci.image.layer.v1.tar+zstd
    rm -rf "$parts"
}

# The busybox binary and a link for each of its programs.
busybox_archive() {
    local folder="$work/image/busybox" busybox applet
    busybox=$(PATH=$PATH:/usr/sbin:/sbin command -v busybox)
    mkdir -p "$folder/bin" "$folder/etc" "$folder/tmp"
    cp "$busybox" "$folder/bin/busybox"
    for applet in $("$busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$folder/bin/$applet"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$folder/etc/passwd"
    tar -C "$folder" --numeric-owner --sort=name -cf "$1" .
}

# archive_of_files TAR SKIP COUNT: COUNT megabytes of real files, after skipping SKIP megabytes of them.
archive_of_files() {
    local toolchain
    toolchain=$(dirname "$(dirname "$(readlink -f "$(command -v swift)")")")
    { find /usr/lib /usr/bin /usr/share "$toolchain/lib" "$toolchain/bin" \
        -xdev -type f -size +15k -size -8192k -readable -printf '%s %p\n' 2>/dev/null || true; } |
        awk -v skip="$2" -v count="$3" '
            { bytes = $1; sub(/^[0-9]+ /, "") }
            !/[\\\n]/ && !seen[$0]++ {
                if (sum >= skip * 1000000 && sum < (skip + count) * 1000000) print substr($0, 2)
                sum += bytes
            }' >"$work/image/list"
    tar -C / --numeric-owner -cf "$1" -T "$work/image/list"
}

layout_manifest() { echo "$1/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' "$1/index.json")"; }

last_layer_bytes() { jq '.layers[-1].size' "$(layout_manifest "$1")"; }

# put_blob LAYOUT FILE: copies a file into the layout, and prints its descriptor's digest and size.
put_blob() {
    local hex
    hex=$(sha256sum <"$2" | cut -c 1-64)
    cp "$2" "$1/blobs/sha256/$hex"
    jq -n --arg digest "sha256:$hex" --argjson size "$(stat -c %s "$2")" '{digest: $digest, size: $size}'
}

# add_layer_by_hand LAYOUT TAR STORED MEDIATYPE: umoci 0.4.7 writes gzip layers only.
add_layer_by_hand() {
    local layout=$1 diff descriptor old="$work/image/old.json" new="$work/image/new.json"
    diff="sha256:$(sha256sum <"$2" | cut -c 1-64)"
    descriptor=$(put_blob "$layout" "$3")

    cp "$(layout_manifest "$layout")" "$old"
    jq -c --arg diff "$diff" '.rootfs.diff_ids += [$diff] | .history += [{created_by: "quickstart"}]' \
        "$layout/blobs/sha256/$(jq -r '.config.digest[7:]' "$old")" >"$new"
    jq -c --argjson layer "$descriptor" --arg type "$4" --argjson config "$(put_blob "$layout" "$new")" \
        '.layers += [{mediaType: $type} + $layer] | .config += $config' "$old" >"$new"
    cp "$layout/index.json" "$old"
    jq -c --argjson manifest "$(put_blob "$layout" "$new")" '.manifests[0] += $manifest' "$old" >"$layout/index.json"
}
