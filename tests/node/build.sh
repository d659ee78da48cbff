#!/usr/bin/env bash
# Builds the container runtime of the test node into a cache folder, unless it is there already, and prints its path.
# The first build takes three minutes of processor time; needs Go, and the Go module proxy.
set -euo pipefail
cd "$(dirname "$0")"

cache=${VOXSYNC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/voxsync}/node
sources=$(cat go.mod go.sum build.sh | sha256sum | cut -c1-16)
built=$cache/$sources

if [ ! -d "$built" ]; then
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
fi
if [ ! -d "$built" ]; then
  rm -rf "$built.new"
  mkdir "$built.new"
  CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$built.new/" \
    github.com/containerd/containerd/v2/cmd/containerd \
    github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2 >&2
  mv "$built.new" "$built"
fi
echo "$built"
