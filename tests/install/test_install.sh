#!/bin/sh
# Installs a build into a place of its own and builds a program against it: by pkg-config and by the CMake package, with
# the shared library and with the archive.
#   test_install.sh BUILD_DIR COMPILER FLAGS
set -eu
build=$1
compiler=$2
flags=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

cd "$work"

fail() { echo "$*" >&2; exit 1; }

cmake --install "$build" --prefix "$work/first" >"$work/log" || fail "$(cat "$work/log")"
# An installed tree can be moved.
mv "$work/first" "$work/prefix"
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name tern.pc)")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir tern)
bundled=$(pkg-config --variable=bundled tern)
grep -q "set(tern_BUNDLED \"$bundled\")" "$libdir/cmake/tern/tern-config.cmake" ||
    fail "the packages disagree on: $bundled"

# shellcheck disable=SC2046,SC2086
{
    $compiler $flags "$here/consumer.c" -o "$work/shared" $(pkg-config --cflags --libs tern)
    $compiler $flags "$here/consumer.c" -o "$work/static" \
        $(pkg-config --static --cflags --libs tern | sed 's/-ltern/-l:libtern.a/')
}
LD_LIBRARY_PATH=$libdir "$work/shared" || fail "shared, by pkg-config: exit code $?"
"$work/static" || fail "static, by pkg-config: exit code $?"

cmake -S "$here" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_C_COMPILER="$compiler" \
    -DCMAKE_C_FLAGS="$flags" >"$work/log" 2>&1 && cmake --build "$work/cmake" >>"$work/log" 2>&1 ||
    fail "$(cat "$work/log")"
"$work/cmake/with_tern" || fail "shared, by CMake: exit code $?"
"$work/cmake/with_tern_static" || fail "static, by CMake: exit code $?"
