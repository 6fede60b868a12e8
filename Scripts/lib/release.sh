# The program as it is shipped: with Swift's libraries inside, so that a node needs only Debian's. Needs lib/common.sh.

# build_release: sets `hawker` to the program, built if neither an option nor HAWKER_RELEASE names one, and `version` to
# what it says of itself.
build_release() {
    hawker=${hawker:-${HAWKER_RELEASE:-}}
    if [ -z "$hawker" ]; then
        cd "$root"
        # A folder of its own: these flags are not those of other builds, which would be built anew each time.
        run_with_progress "build hawker (release, static Swift; minutes the first time)" \
            swift build -c release --static-swift-stdlib --product hawker --scratch-path .build/static
        hawker=$(swift build -c release --static-swift-stdlib --scratch-path .build/static --show-bin-path)/hawker
    fi
    version=$("$hawker" --version)
    ! ldd "$hawker" | grep -q libswift || fail "$hawker needs Swift's shared libraries: build it with --static-swift-stdlib"
}
