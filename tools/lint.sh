#!/bin/sh
# Format, columns, arrows, clang-tidy. With --no-install nothing is installed or built: what cannot run is named and
# left out.
set -eu
cd "$(dirname "$0")/.."

say() { echo "lint: $*" >&2; }
failed=

# needs WHAT TOOL...: whether WHAT can run. Only --no-install lets it pass by not running.
needs() {
    what=$1
    shift
    for tool in "$@"; do
        command -v "$tool" >/dev/null 2>&1 && continue
        say "$what not checked: no $tool"
        [ -z "$install" ] || failed="$failed $what"
        return 1
    done
}

install=yes
case ${1-} in
'') ;;
--no-install) install= ;;
*)
    say "no such option: $1"
    exit 2
    ;;
esac
if [ -n "$install" ]; then
    tools/deps.sh build >/dev/null
    tools/deps.sh lint
fi

check_format() {
    needs format clang-format git || return 0
    # Releases of clang-format differ in what they make of the same file.
    if ! clang-format --version | grep -q 'version 14\.'; then
        say "format not checked: that takes clang-format 14"
        return
    fi
    # shellcheck disable=SC2016
    unformatted=$(git ls-files -z --cached --others --exclude-standard -- '*.c' '*.h' | xargs -0r sh -c '
        for file; do
            [ ! -f "$file" ] || clang-format "$file" | cmp -s - "$file" || echo "$file"
        done' sh)
    [ -n "$unformatted" ] || return 0
    say "not as clang-format -i would write them:"
    echo "$unformatted" >&2
    failed="$failed format"
}

# clang-format leaves comments as they are, and nothing else looks at the other languages. Tables need their columns;
# what builds the libraries does not change for so little, since its hash names the build.
check_columns() {
    needs columns git || return 0
    # As characters, not as bytes.
    long=$(git ls-files -z --cached --others --exclude-standard -- \
        '*.c' '*.h' '*.py' '*.sh' '*.cmake' '*CMakeLists.txt' run .ci/run \
        ':!tools/libs.sh' ':!tools/mbedtls' |
        LC_ALL=C.UTF-8 xargs -0r grep -sHnoE '^.{121}' | cut -d : -f 1,2)
    [ -n "$long" ] || return 0
    say "longer than 120 columns:"
    echo "$long" >&2
    failed="$failed columns"
}

check_arrows() {
    needs arrows python3 || return 0
    python3 -B tools/arrows.py --self-test && python3 -B tools/arrows.py || failed="$failed arrows"
}

check_tidy() {
    needs clang-tidy clang-tidy clang cmake ninja python3 || return 0
    # Only configured, for the list of files and flags.
    mkdir -p build
    if ! cmake --preset clang >build/lint.log 2>&1; then
        if [ -z "$install" ]; then
            say "clang-tidy not checked: cmake cannot configure (build/lint.log)"
            return
        fi
        cat build/lint.log >&2
        failed="$failed configure"
        return
    fi
    python3 -B tools/tidy.py build/clang || failed="$failed clang-tidy"
}

check_format
check_columns
check_arrows
check_tidy
[ -z "$failed" ] || { say "failed:$failed"; exit 1; }
say "clean"
