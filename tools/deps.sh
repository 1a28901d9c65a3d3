#!/bin/sh
# What the project needs from Debian, by name. Does nothing, and needs no root, where all of it is there.
#
#   tools/deps.sh build        compiler, CMake, libraries; prints the prefix of the private libraries (tools/libs.sh)
#   tools/deps.sh test         what the tests run; prints the folder with the test servers
#   tools/deps.sh lint         formatter and checkers
#   tools/deps.sh coverage     the coverage report
#   tools/deps.sh fuzz         clang with libFuzzer and the sanitizers
#   tools/deps.sh peers        what ./run bench peers sets tern beside, as far as it is to be had
#   tools/deps.sh undici       one more of those, from npm where npm is; prints the folder it is in
#
# The test servers (nginx, Apache, h2o, nghttpd, haproxy, Caddy, dnsmasq) are unpacked into the cache, not installed:
# installed, they would run as services on the machine of whoever tried `./run test`. Libraries that they need and this
# system lacks are unpacked beside them, so start them with LD_LIBRARY_PATH as tests/e2e does.
set -eu

packages_for() {
    case $1 in
    build)
        # The last line is what tools/libs.sh needs. fetch trusts whom the system trusts: ca-certificates.
        echo gcc libc6-dev binutils cmake ninja-build pkgconf libc-ares-dev libidn2-dev ca-certificates
        echo zlib1g-dev libbrotli-dev libzstd-dev libpsl-dev
        echo dpkg-dev xz-utils bzip2 patch python3 debian-archive-keyring
        ;;
    # libunistring: what libidn2 asks for when linked with pkg-config --static, but does not depend on in Debian 12.
    test)
        echo libcmocka-dev libunistring-dev ca-certificates python3 openssl procps strace binutils curl nghttp2-client
        ;;
    lint) echo clang-format clang-tidy clang git python3 libcmocka-dev ;;
    coverage) echo gcc python3 ;;
    fuzz) echo clang libclang-rt-dev llvm libcmocka-dev ;;
    peers)
        echo valgrind strace openssl wrk nghttp2-client libnghttp2-dev libssl-dev libcurl4-openssl-dev libevent-dev
        echo golang-go golang-golang-x-net-dev python3-httpx
        ;;
    *) die "no such group of packages: $1" ;;
    esac
}
servers='nginx apache2-bin h2o nghttp2-server haproxy caddy dnsmasq-base'

say() { echo "tern: $*" >&2; }
die() { say "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        die "not root and no sudo; as root: $*"
    fi
}

missing() { # missing PACKAGE...
    for package in "$@"; do
        case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
        ?i*) ;;
        *) echo "$package" ;;
        esac
    done
}

update() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update >&2; }

install_missing() { # install_missing PACKAGE...
    wanted=$(missing "$@")
    [ -n "$wanted" ] || return 0
    # shellcheck disable=SC2086
    set -- $wanted
    say "installing $*"
    # Lists that are absent or stale make the first try fail; only then is an update worth its time.
    install_now "$@" >/dev/null 2>&1 || { update && install_now "$@" >&2; } || die "cannot install: $*"
}

install_now() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 \
        install --no-install-recommends "$@" </dev/null
}

servers_path() {
    # shellcheck disable=SC1091
    distro=$(. /etc/os-release && echo "${ID:-linux}${VERSION_ID:-}")
    hash=$(sha256sum "$0" | cut -c1-12)
    echo "${XDG_CACHE_HOME:-$HOME/.cache}/tern/servers-$distro-$(uname -m)-$hash"
}

# Downloads what apt would install for the named packages, without root and without installing it.
download() { # download DIR PACKAGE...
    cache=$1
    shift
    mkdir -p "$cache/archives/partial"
    apt-get -q -y -o Debug::NoLocking=1 -o Dir::Cache="$cache" -o APT::Sandbox::User=root \
        install --download-only --reinstall --no-install-recommends "$@" </dev/null
}

unpack_servers() {
    root=$(servers_path)
    if [ ! -d "$root" ]; then
        apt-cache show nginx >/dev/null 2>&1 || update
        known=
        for server in $servers; do # h2o is not in Debian 13
            if apt-cache show "$server" >/dev/null 2>&1; then
                known="$known $server"
            else
                say "no package $server here"
            fi
        done
        mkdir -p "${root%/*}"
        stage=$(mktemp -d "$root.XXXXXX")
        work=$(mktemp -d)
        trap 'rm -rf "$stage" "$work"' EXIT
        trap 'exit 130' INT TERM HUP
        say "unpacking the test servers:$known"
        # shellcheck disable=SC2086
        download "$work" $known >"$work/log" 2>&1 || { update && download "$work" $known >"$work/log" 2>&1; } || {
            cat "$work/log" >&2
            say "cannot get the test servers; their tests will be skipped"
            return 0
        }
        for deb in "$work"/archives/*.deb; do dpkg -x "$deb" "$stage"; done
        # As on a system of today, where /lib is a link to /usr/lib: one folder has all libraries.
        for dir in bin sbin lib; do
            [ ! -d "$stage/$dir" ] || { cp -a "$stage/$dir" "$stage/usr/" && rm -r "${stage:?}/$dir"; }
        done
        chmod 755 "$stage"
        mv -T "$stage" "$root" 2>/dev/null || [ -d "$root" ] || die "cannot move $stage to $root"
    fi
    echo "$root"
}

# Each is optional: what cannot be had is left out of the comparison. Nothing that is installed makes way for it.
install_peers() {
    # shellcheck disable=SC2046
    for package in $(missing $(packages_for peers)); do
        say "installing $package"
        install_now --no-remove "$package" >/dev/null 2>&1 ||
            { update && install_now --no-remove "$package" >/dev/null; } ||
            say "cannot install $package"
    done
}

install_undici() {
    root=${XDG_CACHE_HOME:-$HOME/.cache}/tern/undici-6
    if [ ! -d "$root" ] && command -v npm >/dev/null; then
        mkdir -p "${root%/*}"
        stage=$(mktemp -d "$root.XXXXXX")
        if npm install --silent --no-audit --no-fund --prefix "$stage" undici@6 >/dev/null 2>&1; then
            mv -T "$stage" "$root" 2>/dev/null || rm -rf "$stage"
        else
            rm -rf "$stage"
            say "cannot install undici"
        fi
    fi
    echo "$root"
}

here=${0%/*}
case ${1-} in
build | test | lint | coverage | fuzz)
    # shellcheck disable=SC2046
    install_missing $(packages_for "$1")
    case $1 in
    build) "$here/libs.sh" build ;;
    test) unpack_servers ;;
    esac
    ;;
peers) install_peers ;;
undici) install_undici ;;
*) die "usage: tools/deps.sh build|test|lint|coverage|fuzz|peers|undici" ;;
esac
