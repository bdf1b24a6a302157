#!/usr/bin/env bash
# Tidies go.mod and go.sum of the library and of every module beside it. To be run when the library's dependencies change; bench/rivals, on older
# versions of libp2p, stays as it is.
#
#   scripts/tidy.sh            tidy
#   scripts/tidy.sh --check    change nothing, and fail if there was something to change
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
"") flag= ;;
--check) flag=-diff ;;
*)
	sed -n '2,6p' "$0" >&2
	exit 2
	;;
esac
failed=0
for module in . $(git ls-files '*/go.mod' | grep -v '^bench/rivals/' | xargs -n 1 dirname); do
	echo "$module"
	(cd "$module" && go mod tidy $flag) || failed=1
done
exit "$failed"
