#!/bin/sh
# Pushes a code image to the registry of a demo: that of the start under another tag, and so with another digest. With
# `broken` its layer is not there, so that no node can pull it.
set -eu
repository=@REPOSITORY@
first=@FIRST@

tag=${1-}
how=${2-}
case $tag in
  '' | [.-]* | *[!A-Za-z0-9_.-]*) echo "usage: sh $0 TAG [broken]      for instance: sh $0 v1.99.0" >&2; exit 2 ;;
esac
case $how in
  '') loss= ;;
  # The layer's digest is the last one of a manifest.
  broken) loss='s/\(.*sha256:\)[0-9a-f]*/\1'$(printf '%064d' 0)/ ;;
  *) echo "$how: the second word is \`broken\`, or not there" >&2; exit 2 ;;
esac

request() { curl --fail --silent --show-error --noproxy '*' --max-time 10 "$@"; }
manifest=$(request "http://$repository/manifests/$first")
printf '%s' "$manifest" | sed -e "s/\(image.version\":\"\)[^\"]*/\1$tag/" -e "$loss" |
  request --request PUT --header 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary @- \
    "http://$repository/manifests/$tag"
echo "$tag is pushed${how:+, $how}; see: voxsync status"
