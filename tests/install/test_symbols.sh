#!/bin/sh
# Both libraries define for others exactly what the public headers declare with TERN_API.
#   test_symbols.sh BUILD_DIR
set -eu
build=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# The first name before a parenthesis, after the attributes.
cat "$root"/include/tern/*.h | tr '\n' ' ' | grep -oE 'TERN_API [^;{]*;' |
    sed -E 's/TERN_[A-Z]+(\([^)]*\))?//g; s/^[^(]*[ *](tern_[a-z0-9_]+)\(.*/\1/' | sort -u >"$work/declared"
nm -D --defined-only "$build/libtern.so" | awk '{ print $3 }' | sort -u >"$work/shared"
nm -g --defined-only "$build/libtern.a" | awk 'NF == 3 { print $3 }' | sort -u >"$work/static"

[ -s "$work/declared" ] || { echo "found no declaration" >&2; exit 1; }
for library in shared static; do
    diff "$work/declared" "$work/$library" || {
        echo "the $library library (right) does not export what the headers declare (left)" >&2
        exit 1
    }
done
