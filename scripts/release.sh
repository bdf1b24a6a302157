#!/usr/bin/env bash
# Builds a release: archives for each platform and their SHA-256, the same bytes wherever and whenever the same commit is built with
# the same version of Go.
#
#   scripts/release.sh VERSION [DIR]       build into DIR (default: dist)
#   scripts/release.sh --check [VERSION]   build this platform's program twice, from two places with caches of their own, and compare
#   scripts/release.sh --program VERSION OS/ARCH FILE    build one platform's program alone
set -euo pipefail
cd "$(dirname "$0")/.."

platforms=${PLATFORMS:-"linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 freebsd/amd64"}

# What could differ from one machine to the next.
export CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local GOAMD64=v1 GOARM64=v8.0 GOEXPERIMENT= GOWORK=off
unset GOOS GOARCH

# build VERSION GOOS GOARCH FILE, in the present directory
build() {
	GOOS=$2 GOARCH=$3 go build -trimpath -buildvcs=true -ldflags "-s -w -buildid= -X main.version=$1" -o "$4" ./cmd/minikv
}

clean() {
	if [ -n "$(git status --porcelain)" ]; then
		echo "there are changes that are not committed: a release is built of a commit" >&2
		exit 1
	fi
}

check() {
	local tmp=$(mktemp -d)
	trap 'chmod -R u+w "'"$tmp"'"; rm -rf "'"$tmp"'"' EXIT
	for place in one two/deeper; do
		git clone -q . "$tmp/$place"
		(cd "$tmp/$place" && GOCACHE="$tmp/cache-${place%%/*}" build "$1" "$(go env GOHOSTOS)" "$(go env GOHOSTARCH)" "$tmp/minikv-${place%%/*}")
		rm -rf "$tmp/cache-${place%%/*}"
	done
	sha256sum "$tmp/minikv-one" "$tmp/minikv-two"
	cmp "$tmp/minikv-one" "$tmp/minikv-two" && echo "equal: $(stat -c %s "$tmp/minikv-one" 2>/dev/null || wc -c <"$tmp/minikv-one") bytes"
}

release() {
	local version=$1 dist=$2 when
	when=$(git log -1 --format=%ct)
	mkdir -p "$dist"
	dist=$(cd "$dist" && pwd)
	for p in $platforms; do
		local os=${p%/*} arch=${p#*/} name="minikv-$version-${p%/*}-${p#*/}" exe=minikv
		[ "$os" = windows ] && exe=minikv.exe
		local stage=$(mktemp -d)
		mkdir "$stage/$name"
		build "$version" "$os" "$arch" "$stage/$name/$exe"
		cp LICENSE README.md CHANGELOG.md "$stage/$name/"
		[ "$os" = linux ] && cp contrib/systemd/minikv.service "$stage/$name/"
		tar -C "$stage" --sort=name --mtime="@$when" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -cf - "$name" | gzip -9n >"$dist/$name.tar.gz"
		rm -rf "$stage"
		echo "$dist/$name.tar.gz"
	done
	(cd "$dist" && sha256sum minikv-"$version"-*.tar.gz >"minikv-$version-SHA256SUMS")
}

case "${1:-}" in
--check) clean && check "${2:-v0.0.0-check}" ;;
--program) clean && build "$2" "${3%/*}" "${3#*/}" "$4" ;;
v*) clean && release "$1" "${2:-dist}" ;;
*)
	sed -n '2,8p' "$0" >&2
	exit 2
	;;
esac
