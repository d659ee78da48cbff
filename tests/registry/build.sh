#!/usr/bin/env bash
# build.sh [--check]: builds the registry of go-containerregistry, one of the registries that tests run against, into a
# cache folder, unless it is there already, and prints its path. Needs Go, and the Go module proxy.
# With --check it builds nothing and only says whether it could. Exit code 3: there is no Go toolchain.
set -euo pipefail
cd "$(dirname "$0")"

cache=${VOXSYNC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/voxsync}/registry
sources=$(cat go.mod go.sum build.sh | sha256sum | cut -c1-16)
built=$cache/$sources/registry

if [ ! -x "$built" ]; then
  command -v go >/dev/null || { echo "no Go toolchain to build a registry of the tests with" >&2; exit 3; }
  [ "${1-}" != --check ] || exit 0
  mkdir -p "$cache/$sources"
  exec 9>"$cache/$sources/lock"
  flock 9
fi
if [ ! -x "$built" ]; then
  CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$built.new" \
    github.com/google/go-containerregistry/cmd/registry >&2
  mv "$built.new" "$built"
fi
echo "$built"
