#!/usr/bin/env bash
# build.sh [--check] [kubebox|kubenode]: builds one of the programs (kubebox, the test control plane, where none is
# named) into a cache folder, unless it is there already, and prints its path.
# The first build takes 12 minutes of processor time and 2.4 GB of memory; needs Go, and the Go module proxy.
# With --check it builds nothing and only says whether it could. Exit code 3: there is no Go toolchain.
set -euo pipefail
cd "$(dirname "$0")"

check=
if [ "${1-}" = --check ]; then
  check=yes
  shift
fi
program=${1-kubebox}
cache=${VOXSYNC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/voxsync}/controlplane
sources=$(cat go.mod go.sum build.sh "cmd/$program"/*.go | sha256sum | cut -c1-16)
built=$cache/$sources/$program

if [ ! -x "$built" ]; then
  command -v go >/dev/null || { echo "no Go toolchain to build the $program of the tests with" >&2; exit 3; }
  [ -z "$check" ] || exit 0
  mkdir -p "$cache/$sources"
  exec 9>"$cache/$sources/lock"
  flock 9
fi
if [ ! -x "$built" ]; then
  # What the API server's /version says.
  version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
  IFS=. read -r major minor _ <<<"${version#v}"
  package=k8s.io/component-base/version
  CGO_ENABLED=0 go build -trimpath \
    -ldflags="-s -w -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor -X $package.gitTreeState=clean" \
    -o "$built.new" "./cmd/$program" >&2
  mv "$built.new" "$built"
fi
echo "$built"
