#!/bin/sh
# Plays seeds that are the commit's own: each commit explores others, and everyone who tests it the same ones.
#     test_seeds.sh TERN_SIM
set -eu
commit=$(git -C "$(dirname "$0")" rev-parse --short=12 HEAD 2>/dev/null) || commit=1
exec "$1" --count 300 --from "0x$commit"
