#!/usr/bin/env bash
# run.sh [BINARY]: shows voxsync on a real node, from nothing to the end: builds what is needed, packs voxsync's image, starts a test node,
# tells the story of tests/node/main.rs in it, ends it, and makes sure that nothing is left. BINARY is what is packed: by
# default what cargo builds for tests.
#
# Needs root, a Linux with overlayfs, Go, and on Debian: apt-get install busybox-static containernetworking-plugins
# docker-registry git iproute2 iptables jq openssh-server procps runc skopeo
set -euo pipefail
cd "$(dirname "$0")/../.."

step() {
  local name=$1 began=$SECONDS
  shift
  printf '\n=== test node: %s\n' "$name"
  "$@"
  printf -- '--- %s: %d s\n' "$name" $((SECONDS - began))
}

# built KIND NAME: the path of a program that cargo built
built() {
  jq -r --arg kind "$1" --arg name "$2" \
    'select(.executable and .target.kind == [$kind] and .target.name == $name) | .executable' "$work/built"
}

build() {
  tests/controlplane/build.sh
  tests/controlplane/build.sh kubenode
  tests/node/build.sh
  cargo test --locked --no-run --test node --message-format json >"$work/built"
}

pack() {
  # Symbols are half of it.
  strip -o "$work/voxsync" "${binary:-$(built bin voxsync)}"
  deploy/image/pack.sh "$work/voxsync" "$work/image"
  skopeo inspect --config "oci:$work/image" | jq --compact-output .config
  du -sh "$work/image"
}

push() { tests/node/node.sh exec skopeo copy --quiet --dest-tls-verify=false "oci:$work/image" docker://192.0.2.1:5000/voxsync:test; }

# What a node could leave on a machine.
traces() {
  sort /proc/self/mounts
  ip -brief link
  find /sys/fs/cgroup -type d -name 'voxsync-node*'
  sysctl vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_max{keys,bytes}
  lsns --noheadings --output NS --type net
}

nothing_is_left() { diff "$work/before" <(traces) && echo 'no mount, link, control group or setting, and no process: nobody is in its network any more'; }

[ "$(id -u)" = 0 ] || { echo 'the test node needs root' >&2; exit 1; }
began=$SECONDS
binary=${1-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
traces >"$work/before"
step 'build' build
step 'pack the image' pack
step 'up' tests/node/node.sh up
trap 'tests/node/node.sh down; rm -rf "$work"' EXIT
step 'push the image' push
step 'the story' env RUST_BACKTRACE=0 tests/node/node.sh exec "$(built test node)"
step 'down' tests/node/node.sh down
step 'nothing is left' nothing_is_left
printf -- '\n--- test node, all: %d s\n' $((SECONDS - began))
