#!/usr/bin/env bash
# pack.sh BINARY FOLDER: packs voxsync's container image, without Docker, as an OCI layout in a new folder.
#
# Needs Debian (run `apt-get update` first) with jq and git; no root. BINARY must be built on this release of Debian or
# an older one. The same binary, commit and Debian packages give the same image, byte for byte.
set -euo pipefail
shopt -s inherit_errexit
umask 022

here=$(cd "$(dirname "$0")" && pwd)
binary=${1:?pack.sh BINARY FOLDER}
layout=${2:?pack.sh BINARY FOLDER}
revision=$(git -C "$here" rev-parse HEAD)
created=$(date -u -d "@${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct)}" +%Y-%m-%dT%H:%M:%SZ)
source=$(sed -nE 's/^repository = "(.*)"/\1/p' "$here/../../Cargo.toml")
licence=$(sed -nE 's/^license = "(.*)"/\1/p' "$here/../../Cargo.toml")
[ ! -e "$layout" ] || { echo "$layout is there already; name a new folder" >&2; exit 1; }

# Nobody on any system has this number.
user=65532
# What voxsync needs of Debian, as package and file; libraries and licences follow by themselves.
packages=(base-files ca-certificates tzdata openssh-client)
programs=(usr/bin/ssh)
files=(usr/lib/os-release etc/debian_version usr/share/zoneinfo)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
debian=$work/debian root=$work/root

# All of Debian's files in one folder, and in $work/owners which package each came from.
unpack() {
  local libraries file package
  # Of what they depend on only libraries can be needed (and gcc's folder of licences): nothing is installed here.
  mapfile -t libraries < <(
    apt-cache depends --recurse --important "${packages[@]}" libgcc-s1 | grep -E '^(lib|zlib|gcc-.*-base$)' | sort -u
  )
  mkdir -p "$work/packages" "$debian"/usr/{bin,sbin,lib,lib64}
  (cd "$work/packages" && apt-get download -qq -o APT::Sandbox::User= "${packages[@]}" "${libraries[@]}")
  # As Debian installs itself: one /usr, and links to it.
  ln -s usr/bin usr/sbin usr/lib usr/lib64 "$debian"
  for file in "$work/packages"/*.deb; do
    package=$(dpkg-deb --field "$file" Package)
    dpkg-deb --fsys-tarfile "$file" | tar -C "$debian" -x --keep-directory-symlink --no-same-owner
    dpkg-deb --fsys-tarfile "$file" | tar -t |
      sed -E "s|^\./||; s|^(s?bin\|lib\|lib64)/|usr/\1/|; s|^|$package |" >>"$work/owners"
    dpkg-deb --field "$file" >"$work/packages/$package.control"
  done
}

# The libraries that a program is started with, as paths below $debian: asked of Debian's own loader.
libraries_of() {
  local loader list
  loader=$(find "$debian/usr/lib" -type f -name 'ld-linux-*.so.*')
  list=$("$loader" --library-path "$(dirname "$loader")" --list "$1")
  # It also finds those of this machine.
  if grep -F '=>' <<<"$list" | grep -vF "$debian/" >&2; then
    echo "$1 needs these libraries, and no package in the image has them" >&2
    return 1
  fi
  sed -nE "s|.* => $debian/([^ ]*) .*|\1|p" <<<"$list"
}

# keep FILE...: puts files of Debian into the image, and what licences and scanners ask to know of their packages.
keep() {
  local file package
  for file in "$@"; do
    mkdir -p "$root/$(dirname "$file")"
    cp -RHT "$debian/$file" "$root/$file"
    package=$(awk -v file="$file" '{ sub("/$", "", $2) } $2 == file { print $1; exit }' "$work/owners")
    mkdir -p "$root/var/lib/dpkg/status.d" "$root/usr/share/doc/$package"
    cp "$work/packages/$package.control" "$root/var/lib/dpkg/status.d/$package"
    cp "$debian/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/"
  done
}

base() {
  local program libraries
  mkdir -p "$root"/usr/{bin,lib,lib64} "$root"/etc/ssl/certs
  mkdir -m 1777 "$root/tmp"
  ln -s usr/bin usr/lib usr/lib64 "$root"
  libraries=$(for program in "${programs[@]/#/$debian/}" "$binary"; do libraries_of "$program"; done | sort -u)
  # shellcheck disable=SC2086 # one argument a file
  keep "${files[@]}" "${programs[@]}" $libraries
  # Where programs look for the loader.
  (cd "$debian" && find usr/lib64 -type l -name 'ld-linux-*.so.*' -exec cp -P {} "$root/usr/lib64" \;)
  # The same zones again, with and without leap seconds.
  rm -r "$root"/usr/share/zoneinfo/{posix,right}
  # What installing the package would do.
  keep usr/share/ca-certificates
  find "$root/usr/share/ca-certificates" -name '*.crt' | sort | xargs awk 1 >"$root/etc/ssl/certs/ca-certificates.crt"
  rm -r "$root/usr/share/ca-certificates"
  # ssh asks who it runs as.
  echo "voxsync:x:$user:$user:voxsync:/tmp:/nonexistent" >"$root/etc/passwd"
  echo "voxsync:x:$user:" >"$root/etc/group"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
}

# blob FILE: puts a file into the layout and prints its digest.
blob() {
  local digest
  digest=$(sha256sum "$1" | cut -d ' ' -f 1)
  mkdir -p "$layout/blobs/sha256"
  cp "$1" "$layout/blobs/sha256/$digest"
  echo "sha256:$digest"
}

# descriptor MEDIATYPE FILE
descriptor() {
  jq -n --arg type "application/vnd.oci.image.$1" --arg digest "$(blob "$2")" --argjson size "$(stat -c %s "$2")" \
    '{mediaType: $type, digest: $digest, size: $size}'
}

# layer NAME FOLDER: a folder as a layer, without anything of this machine and this day in it.
layer() {
  tar -C "$2" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/$1.tar" .
  gzip -n -k "$work/$1.tar"
}

image() {
  local version labels architecture
  version=$("$binary" --version | cut -d ' ' -f 2)
  architecture=$(dpkg --print-architecture)
  labels=$(jq -n --arg version "$version" --arg revision "$revision" --arg licence "$licence" --arg source "$source" '{
    "org.opencontainers.image.title": "voxsync", "org.opencontainers.image.version": $version,
    "org.opencontainers.image.revision": $revision, "org.opencontainers.image.source": $source,
    "org.opencontainers.image.licenses": $licence}')
  jq -n --arg architecture "$architecture" --arg user "$user:$user" --arg created "$created" --argjson labels "$labels" \
    --arg base "sha256:$(sha256sum <"$work/base.tar" | cut -d ' ' -f 1)" \
    --arg program "sha256:$(sha256sum <"$work/program.tar" | cut -d ' ' -f 1)" '{
      architecture: $architecture, os: "linux", created: $created,
      config: {User: $user, Env: ["PATH=/usr/local/bin:/usr/bin"], Entrypoint: ["/usr/local/bin/voxsync"],
        WorkingDir: "/", Labels: $labels},
      rootfs: {type: "layers", diff_ids: [$base, $program]}}' >"$work/config.json"
  jq -n --argjson config "$(descriptor config.v1+json "$work/config.json")" --argjson labels "$labels" \
    --argjson base "$(descriptor layer.v1.tar+gzip "$work/base.tar.gz")" \
    --argjson program "$(descriptor layer.v1.tar+gzip "$work/program.tar.gz")" '{
      schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: $config, layers: [$base, $program], annotations: $labels}' >"$work/manifest.json"
  descriptor manifest.v1+json "$work/manifest.json" | jq --arg version "$version" '{
    schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [. + {annotations: {"org.opencontainers.image.ref.name": $version}}]}' >"$layout/index.json"
  echo '{"imageLayoutVersion": "1.0.0"}' >"$layout/oci-layout"
  echo "$layout:$version $(jq -r '.manifests[0].digest' "$layout/index.json")"
}

unpack
base
layer base "$root"
install -D "$binary" "$work/program/usr/local/bin/voxsync"
layer program "$work/program"
image
