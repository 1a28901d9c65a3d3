#!/bin/sh
# Every scenario test once more, with things failing under it (tests/support/torture.h).
#
#   tools/torture.sh FOLDER all [PATTERN]      every failure of the programs in FOLDER whose name matches
#   tools/torture.sh FOLDER commit [PATTERN]   a sample, another one with each commit
#
# Not test.scenario.torture, which fails things itself, nor test.scenario.handshake_threads, which is about real
# threads.
set -eu

folder=$1
wanted=$2
pattern=${3-.}
if [ "$wanted" = commit ]; then
    wanted=seed-$(git -C "$(dirname "$0")" rev-parse HEAD 2>/dev/null || echo none)
    echo "sample $wanted"
fi
export TERN_TORTURE="$wanted"
# cmocka takes a crash for a test that fails, and goes on. Frames that a failure left behind are looked for: not every
# release's sanitizer does so by itself.
options=detect_stack_use_after_return=1:handle_segv=2:handle_sigbus=2:handle_sigfpe=2:handle_sigill=2
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}$options"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=false
for program in "$folder"/test.scenario.*; do
    case $program in
    *.torture | *.handshake_threads) continue ;;
    esac
    echo "$program" | grep -q -e "$pattern" || continue
    "$program" >"$log" 2>&1 || failed=true
    cat "$log"
    injected=$((${injected-0} + $(sed -n 's/.* tests, \([0-9]*\) of .*/\1/p' "$log" | paste -sd+ | sed 's/^$/0/')))
    found=$((${found-0} + $(grep -c '^FOUND' "$log" || true)))
done
echo "${injected-0} failures injected, ${found-0} findings"
[ "$failed" = false ] && [ "${injected-0}" -gt 0 ]
