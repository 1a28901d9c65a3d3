#!/bin/sh
# Runs one fuzz target that ./run fuzz has built (tests/fuzz/README.md).
#
#   tools/fuzz.sh TARGET [--for SECONDS]   fuzz; what is found lies in build/fuzz/found
#   tools/fuzz.sh TARGET --minimise        the smallest inputs, found and kept, that reach all lines become the corpus
set -eu
cd "$(dirname "$0")/.."

die() { echo "tern: $*" >&2; exit 1; }

target=$1
shift
corpus=tests/fuzz/corpus/$target
found=build/fuzz/found/$target
fuzzer=build/fuzz/fuzz-$target
seconds=60
minimise=false
while [ $# -gt 0 ]; do
    case $1 in
    --for)
        seconds=${2:?--for wants seconds}
        shift
        ;;
    --minimise) minimise=true ;;
    *) die "fuzz: what is $1? TARGET [--for SECONDS] [--minimise]" ;;
    esac
    shift
done
mkdir -p "$found" "$corpus"

if $minimise; then
    stage=$(mktemp -d "$corpus.XXXXXX")
    trap 'rm -rf "$stage"' EXIT
    # Without counters: an input for each edge, not one for each number of times that it is taken.
    "$fuzzer" -merge=1 -use_counters=0 -max_len=4096 "$stage" "$corpus" "$found" 2>&1 | tail -n 1
    rm -r "$corpus"
    mv "$stage" "$corpus"
    chmod 755 "$corpus"
    trap - EXIT
    echo "$corpus: $(find "$corpus" -type f | wc -l) inputs"
else
    dict=tests/fuzz/$target.dict
    exec "$fuzzer" -max_total_time="$seconds" -max_len=4096 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$found-" -dict="$dict" "$found" "$corpus"
fi
