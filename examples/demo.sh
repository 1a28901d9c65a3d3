#!/bin/sh
# What tern does today, shown against the bundled origin on loopback. `./run demo` builds both programs and calls this;
# by hand: TERN_FETCH=build/release/fetch TERN_ORIGIN=build/release/tern-origin examples/demo.sh
# Ends with 0 only if every step did what it says.
set -eu

: "${TERN_FETCH:?the path of fetch}" "${TERN_ORIGIN:?the path of tern-origin}"

dir=$(mktemp -d)
origin=
finish() {
    [ -z "$origin" ] || kill "$origin" 2>/dev/null || true
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

step=0
say() { step=$((step + 1)) && printf '\n%d. %s\n' "$step" "$*"; }
die() { echo "demo: step $step failed: $*" >&2; exit 1; }

# -q and -sS: no settings of the reader's own, no progress meter.
fetch() { "$TERN_FETCH" -q -sS --cacert "$dir/ca.pem" "$@"; }

# Shows a command as a reader would type it, runs it, and shows what it said.
show() {
    printf '   $ fetch %s\n' "$*"
    code=0
    fetch "$@" >"$dir/said" 2>&1 || code=$?
    sed 's/^/   /' "$dir/said"
    [ "$code" = 0 ] || die "fetch ended with exit code $code"
}

# fails CODE ARGS...: fetch must end with this exit code. Its message is shown.
fails() {
    expected=$1
    shift
    printf '   $ fetch %s\n' "$*"
    code=0
    "$TERN_FETCH" -q -sS "$@" >/dev/null 2>"$dir/message" || code=$?
    sed 's/^/   /' "$dir/message"
    echo "   exit code $code"
    [ "$code" = "$expected" ] || die "expected exit code $expected"
}

expect() { [ "$1" = "$2" ] || die "got '$1', expected '$2'"; }
counter() { fetch "$http/stats" | sed "s/.*\"$1\": \([0-9]*\).*/\1/"; }

"$TERN_ORIGIN" --cert-out "$dir/ca.pem" --unix "$dir/origin.sock" >"$dir/origin" &
origin=$!
tries=0
until [ "$(wc -l <"$dir/origin")" = 3 ]; do
    tries=$((tries + 1))
    kill -0 "$origin" 2>/dev/null || die "the origin does not start"
    [ "$tries" -le 100 ] || die "the origin does not say where it serves"
    sleep 0.1
done
http=$(sed -n 1p "$dir/origin")
https=$(sed -n 2p "$dir/origin")
echo "The bundled origin serves $http, $https and a Unix socket, with a certificate made just now."

say "A GET over HTTP/1.1, with the response's head"
show -i "$http/headers"

say "The same over TLS: the origin's own authority is trusted for this one call"
show -o /dev/null \
    -w 'status %{http_code}, HTTP/%{http_version}, certificate %{ssl_verify_result} (0 is good), from %{remote_ip}\n' \
    "$https/bytes/1000"

say "And without that trust it is refused, before anything is sent"
fails 60 "$https/"

say "Over a Unix socket"
show --unix-socket "$dir/origin.sock" http://localhost/status/200

say "Streaming: a body is handed on as it comes, here 4,000 bytes at 8,000 a second"
# The time at which the first bytes come through the pipe, and the last.
fetch "$http/slow/4000?rate=8000" | {
    start=$(date +%s%N)
    head -c 1 >/dev/null
    first=$(date +%s%N)
    bytes=$(($(wc -c) + 1))
    last=$(date +%s%N)
    echo "   first byte $(((first - start) / 1000000)) ms, last of $bytes bytes $(((last - start) / 1000000)) ms"
    expect "$bytes" 4000
    [ $((last - first)) -gt 200000000 ] || die "the bytes came all at once"
}

say "A download to a file, which appears under its name whole or not at all: 64 MiB over TLS"
show -o "$dir/file" -w '%{size_download} bytes in %{time_total} s, %{speed_download} bytes a second\n' \
    "$https/bytes/67108864"
sum=$(sha256sum "$dir/file" | cut -d ' ' -f 1)
echo "   sha256 $sum"
expect "$sum" 53b11a4d39e27d1c8fc547a09857f1987f3988c618452bf41e62eebf32224ee2 # of the origin's pattern

say "Uploads: a file, which comes back by /echo; and a stream of unknown length from a pipe"
show -T "$dir/file" -o "$dir/echoed" -w '%{size_upload} bytes up, %{size_download} bytes back\n' "$http/echo"
cmp "$dir/file" "$dir/echoed" || die "what came back is not what was sent"
echo "   what came back is the same"
received=$(head -c 5000000 "$dir/file" | fetch -T - "$https/upload")
echo "   5,000,000 bytes through a pipe: the origin got $received"
expect "$received" 5000000

say "Redirects, with the audit of the chain: POST becomes GET, secrets stay with the origin they were for"
show -L --audit -o /dev/null -u me:secret -d name=value "$http/to/303//to/302/$https/redirect/1"
echo "   and what leads from https to http is refused"
fails 1 --cacert "$dir/ca.pem" -L --audit "$https/to/301/$http/"
fails 47 -L --audit --max-redirs 1 "$http/redirect/3"

say "Retries: 503 twice, tried again after 1 s and after 2 s"
show --no-silent --retry 3 -w '%{num_retries} retries, %{time_total} s\n' "$http/fail/2/demo"

say "Where the time goes: five URLs at once, each drawn on one line of time"
show -Z --waterfall -o /dev/null "$https/bytes/100000" -o /dev/null "$http/delay/30/bytes/10" -o /dev/null \
    "$http/delay/60/bytes/10" -o /dev/null "$http/slow/400?rate=4000" -o /dev/null "$http/bytes/5000000"

say "The pool: 20,000 small requests over 16 connections"
i=0
while [ $i -lt 20000 ]; do
    echo "url = \"$http/bytes/100\""
    echo 'output = "/dev/null"'
    i=$((i + 1))
done >"$dir/list"
connections=$(counter connections)
start=$(date +%s%N)
fetch -Z --parallel-max 16 -K "$dir/list" -w '%{http_code}\n' >"$dir/codes" || die "fetch ended with $?"
ms=$((($(date +%s%N) - start) / 1000000))
ok=$(grep -c '^200$' "$dir/codes" || true)
connections=$(($(counter connections) - connections - 1)) # one was the question's own
echo "   $ok answers of 200 in $ms ms, over $connections connections: $((ok * 1000 / ms)) requests a second,"
echo "   fetch's start, its reading of the list and its writing of results included"
expect "$ok" 20000
expect "$connections" 16

say "Failures have curl's exit codes and say what happened"
fails 7 http://127.0.0.1:1/
fails 18 -o "$dir/half" "$http/truncate/1000"
[ ! -e "$dir/half" ] || die "half a file was left under its name"
fails 22 -f "$http/status/404"
fails 28 -m 0.1 "$http/delay/5000/status/200"
fails 52 "$http/empty"

printf '\nAll %d steps did what they say.\n' "$step"
