#!/bin/sh
# Both libraries define for others only what the public headers declare with TERN_API.
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

for library in shared static; do
    [ -s "$work/$library" ] || { echo "found no symbol in the $library library" >&2; exit 1; }
    extra=$(comm -13 "$work/declared" "$work/$library")
    [ -z "$extra" ] || { echo "the $library library exports what no public header declares:" $extra >&2; exit 1; }
done
