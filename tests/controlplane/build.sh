#!/usr/bin/env bash
# Builds kubebox, the test control plane, into a cache folder, unless it is there already, and prints its path.
# The first build takes 12 minutes of processor time and 2.4 GB of memory; needs Go, and the Go module proxy.
# With --check it builds nothing and only says whether it could. Exit code 3: there is no Go toolchain.
set -euo pipefail
cd "$(dirname "$0")"

cache=${VOXSYNC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/voxsync}/controlplane
sources=$(cat go.mod go.sum build.sh cmd/kubebox/*.go | sha256sum | cut -c1-16)
kubebox=$cache/$sources/kubebox

if [ ! -x "$kubebox" ]; then
  command -v go >/dev/null || { echo 'no Go toolchain to build the test control plane with' >&2; exit 3; }
  if [ "${1-}" = --check ]; then exit 0; fi
  mkdir -p "$cache/$sources"
  exec 9>"$cache/$sources/lock"
  flock 9
fi
if [ ! -x "$kubebox" ]; then
  # What the API server's /version says.
  version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
  IFS=. read -r major minor _ <<<"${version#v}"
  package=k8s.io/component-base/version
  CGO_ENABLED=0 go build -trimpath \
    -ldflags="-s -w -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor -X $package.gitTreeState=clean" \
    -o "$kubebox.new" ./cmd/kubebox >&2
  mv "$kubebox.new" "$kubebox"
fi
echo "$kubebox"
