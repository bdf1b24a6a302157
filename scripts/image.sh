#!/usr/bin/env bash
# Builds the container image of the present commit, with its program built as for a release. Nothing is pulled.
#
#   scripts/image.sh VERSION [NAME]        the image NAME:VERSION (default: minikv), with podman, buildah or docker, the first that is there
#   BUILDER=docker PLATFORM=linux/arm64 scripts/image.sh VERSION
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
v*) ;;
*)
	sed -n '2,5p' "$0" >&2
	exit 2
	;;
esac
version=$1 image=${2:-minikv}:$1
platform=${PLATFORM:-linux/$(go env GOHOSTARCH)}

if [ -z "${BUILDER:-}" ]; then
	for b in podman buildah docker; do
		if command -v "$b" >/dev/null; then
			BUILDER=$b
			break
		fi
	done
fi
if [ -z "${BUILDER:-}" ]; then
	echo "none of podman, buildah and docker is here: install one, or name yours with BUILDER" >&2
	exit 1
fi

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
scripts/release.sh --program "$version" "$platform" "$stage/minikv"
mkdir -p "$stage/rest/data"
chmod 755 "$stage" "$stage/minikv" "$stage/rest"
chmod 700 "$stage/rest/data"

# The same commit gives the same image where the tool can set the time of what it makes; the check of health is part of Docker's format alone.
when=$(git log -1 --format=%ct)
case "$BUILDER" in
*docker) SOURCE_DATE_EPOCH=$when "$BUILDER" build --platform "$platform" --target release -f Containerfile -t "$image" "$stage" ;;
*) "$BUILDER" build --format docker --timestamp "$when" --platform "$platform" --target release -f Containerfile -t "$image" "$stage" ;;
esac
echo "$image for $platform"
