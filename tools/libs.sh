#!/bin/sh
# Private builds of the libraries that Debian's releases have too old or too slow: mbedTLS 3.6, llhttp, nghttp2.
#
#   tools/libs.sh path [portable]     print the prefix (built or not)
#   tools/libs.sh build [portable]    build it where it is missing, print it
#
# mbedTLS comes with what tools/mbedtls holds to make it faster on this kind of CPU, portable without.
# The prefix lies outside the checkout, so that every clone on this machine shares it, and its name holds the hash of
# this file, of tools/mbedtls and of the compiler's version: a changed recipe is a new prefix. Why these sources and
# flags: docs/decisions/0001-dependencies.md, and 0013-tls-accelerators.md for tools/mbedtls.
set -eu

release=trixie
mbedtls_series=3.6.
nghttp2_series=1.64.
llhttp_version='9.4.3+~cs12.11.9-2'
llhttp_sha256=8a70cbc1d310f51a7d5594d258eeb6ef57db6fbc1c58065407c203a03abadf2e
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# An optimised static library that a shared one can absorb without showing any of it.
cflags='-O3 -g1 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections'
arch=$(uname -m)
# gcc 12 vectorises GCM badly without them: half the speed. Every x86-64 since 2011 has these.
[ "$arch" != x86_64 ] || cflags="$cflags -maes -mpclmul -msse4.1"

# For nghttp2, which calls back for each field and piece: gcc's other half of the optimiser beside the machine code.
case $(cc --version) in
*'Free Software Foundation'*) lto='-flto -ffat-lto-objects' ;;
*) lto= ;;
esac

# What makes mbedTLS faster on this kind of CPU; empty: nothing.
variant=${2-}
accelerators=
[ "$arch" != x86_64 ] || [ -n "$variant" ] || accelerators=$(cd "${0%/*}" && pwd)/mbedtls

say() { echo "tern: $*" >&2; }
die() { say "$*"; exit 1; }

prefix_path() {
    # shellcheck disable=SC1091
    distro=$(. /etc/os-release && echo "${ID:-linux}${VERSION_ID:-}")
    hash=$({ cat "$0" ${accelerators:+"$accelerators"/*} && cc --version; } | sha256sum | cut -c1-12)
    echo "${XDG_CACHE_HOME:-$HOME/.cache}/tern/deps-$distro-$arch-$hash${variant:+-$variant}"
}

# The mirror this machine already uses, so that no host is named here and a local mirror is honoured.
mirror() { # mirror LABEL
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' 'Origin: Debian' \
        "Label: $1" | sort -u | head -n 1
}

# An apt of its own: other lists, other sources, another cache. The system's are not touched, nothing is installed, and
# every file is still verified against the archive keyring that this system trusts.
private_apt() { # private_apt COMMAND ARGS...
    tool=$1
    shift
    "$tool" -q -o Dir::State::Lists="$work/lists" -o Dir::State::status=/dev/null \
        -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Cache="$work/cache" \
        -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

write_sources() {
    main=$(mirror Debian)
    security=$(mirror Debian-Security)
    [ -n "$main" ] || die "no Debian package lists on this system: run 'apt-get update' first"
    [ -r "$keyring" ] || die "$keyring is missing: install debian-archive-keyring"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    {
        echo "deb-src [signed-by=$keyring] $main $release main"
        [ -z "$security" ] || echo "deb-src [signed-by=$keyring] $security $release-security main"
        # The pinned llhttp passes from sid to testing; it is looked for in both.
        echo "deb [signed-by=$keyring] $main sid main"
        echo "deb [signed-by=$keyring] $main testing main"
    } >"$work/sources.list"
    private_apt apt-get update >"$work/log" 2>&1 || die "cannot read the Debian package lists:
$(cat "$work/log")"
}

# Unpacks the source package of the release into ./NAME; its version is in $version.
get_source() { # get_source NAME SERIES
    private_apt apt-get source --download-only "$1/$release" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        die "cannot get the source package $1 of $release"
    }
    dsc=$(ls "$1"_*.dsc)
    version=$(echo "$dsc" | sed "s/^$1_\([0-9.]*\).*/\1/")
    case $version in
    "$2"*) ;;
    *) die "Debian's $release has $1 $version, expected $2*" ;;
    esac
    # apt has verified the files; dpkg-source would ask for its signer's personal key.
    dpkg-source --no-check -x "$dsc" "$1" >"$work/log" 2>&1 || die "$(cat "$work/log")"
}

build_mbedtls() {
    get_source mbedtls "$mbedtls_series"
    mbedtls=$version
    say "building mbedTLS $mbedtls"
    # 3.6.6 frees a TLS 1.3 transform that it could not fill, but not the ciphers and keys in it: on each path where memory
    # is short they leak. Freeing them twice would do no harm.
    sed -i 's/^\( *\)mbedtls_free(\(transform_[a-z]*\));$/\1mbedtls_ssl_transform_free(\2);\n&/' \
        mbedtls/library/ssl_tls13_keys.c
    # Set in the source itself: an own config file would not reach those who read only the installed headers.
    # Threading comes from Debian's packaging rules; without it PSA and shared RSA keys race between engines.
    # Its memory comes from base/mem.h. Its output buffer stays at 16 KiB: a client certificate's chain has to fit in.
    # Nobody reads its own trace, which is formatted, then dropped, at every record.
    configure="python3 -B mbedtls/scripts/config.py -f mbedtls/include/mbedtls/mbedtls_config.h"
    for option in MBEDTLS_THREADING_C MBEDTLS_THREADING_PTHREAD MBEDTLS_PLATFORM_MEMORY; do
        $configure set $option
    done
    $configure unset MBEDTLS_DEBUG_C
    if [ -n "$accelerators" ]; then
        $configure set MBEDTLS_GCM_ALT
        mkdir -p "$stage/include"
        cp "$accelerators/gcm_alt.h" "$stage/include/"
        cp "$accelerators/gcm_alt.h" mbedtls/include/
    fi
    # Build type None: its Release would put -O2 after our -O3.
    {
        cmake -G Ninja -S mbedtls -B mbedtls-build -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="$cflags" \
            -DCMAKE_INSTALL_PREFIX="$stage" -DCMAKE_INSTALL_LIBDIR=lib -DMBEDTLS_FATAL_WARNINGS=OFF \
            -DENABLE_PROGRAMS=OFF -DENABLE_TESTING=OFF -DUSE_STATIC_MBEDTLS_LIBRARY=ON -DUSE_SHARED_MBEDTLS_LIBRARY=OFF &&
            cmake --build mbedtls-build -j2 && cmake --install mbedtls-build
    } >"$work/log" 2>&1 || die "mbedTLS does not build:
$(tail -n 40 "$work/log")"
    [ -z "$accelerators" ] || build_accelerators
}

build_accelerators() {
    everest=mbedtls/3rdparty/everest
    for source in gcm_alt gcm_soft ecp_alt ecp_soft p256; do
        # shellcheck disable=SC2086
        cc $cflags -Imbedtls/include -Imbedtls/library -I"$accelerators" -c "$accelerators/$source.c" -o $source.o
    done
    # The field's arithmetic needs 128-bit integers, which every compiler for this CPU has.
    # shellcheck disable=SC2086
    cc $cflags -DMBEDTLS_ECDH_VARIANT_EVEREST_ENABLED -Imbedtls/include -Imbedtls/library -I$everest/include \
        -I$everest/include/everest -I$everest/include/everest/kremlib \
        -c $everest/library/Hacl_Curve25519_joined.c -o curve25519.o
    ar d "$stage/lib/libmbedcrypto.a" ecp.c.o
    ar rs "$stage/lib/libmbedcrypto.a" gcm_alt.o gcm_soft.o ecp_alt.o ecp_soft.o p256.o curve25519.o 2>/dev/null
}

build_llhttp() {
    private_apt apt-get download "libllhttp-source=$llhttp_version" >"$work/log" 2>&1 || die "\
Debian no longer has libllhttp-source $llhttp_version.
  Either put another version (9.4 or later) and its SHA-256 into tools/libs.sh; 'apt-cache policy' and 'apt-cache show'
  on sid tell them. Or build against the system's llhttp, 9.2 or later: cmake -DTERN_SYSTEM_LLHTTP=ON."
    deb=$(ls libllhttp-source_*.deb)
    echo "$llhttp_sha256  $deb" | sha256sum --check --quiet - >&2 || die "$deb is not the file that is pinned"
    llhttp=${llhttp_version%%+*}
    say "building llhttp $llhttp"
    dpkg -x "$deb" llhttp
    for source in api http llhttp; do
        # shellcheck disable=SC2086
        cc $cflags -Illhttp/usr/src/llhttp/include -c "llhttp/usr/src/llhttp/src/$source.c" -o "llhttp-$source.o"
    done
    ar rcs "$stage/lib/libllhttp.a" llhttp-api.o llhttp-http.o llhttp-llhttp.o
    cp llhttp/usr/src/llhttp/include/llhttp.h "$stage/include/"
}

build_nghttp2() {
    get_source nghttp2 "$nghttp2_series"
    nghttp2=$version
    say "building nghttp2 $nghttp2"
    includes=nghttp2/lib/includes
    sed "s/@PACKAGE_VERSION@/$nghttp2/; s/@PACKAGE_VERSION_NUM@/$(echo "$nghttp2" |
        awk -F. '{ printf "0x%02x%02x%02x", $1, $2, $3 }')/" $includes/nghttp2/nghttp2ver.h.in \
        >$includes/nghttp2/nghttp2ver.h
    # What its configure would find on Linux. Its assertions stay on.
    for header in ARPA_INET_H NETINET_IN_H TIME_H UNISTD_H CLOCK_GETTIME DECL_CLOCK_MONOTONIC; do
        echo "#define HAVE_$header 1"
    done >nghttp2/lib/config.h
    for source in nghttp2/lib/*.c; do
        # shellcheck disable=SC2086
        cc $cflags $lto -DHAVE_CONFIG_H -DNGHTTP2_STATICLIB -Inghttp2/lib -I$includes -c "$source" \
            -o "nghttp2-$(basename "$source" .c).o"
    done
    ar rcs "$stage/lib/libnghttp2.a" nghttp2-*.o
    cp -R $includes/nghttp2 "$stage/include/"
}

build() {
    prefix=$(prefix_path)
    if [ ! -f "$prefix/versions" ]; then
        mkdir -p "${prefix%/*}"
        work=$(mktemp -d)
        # On the prefix's own file system, so that the last step is one rename; two builds that race both succeed.
        stage=$(mktemp -d "$prefix.XXXXXX")
        trap 'rm -rf "$work" "$stage"' EXIT
        trap 'exit 130' INT TERM HUP
        home=$PWD
        cd "$work"
        write_sources
        build_mbedtls
        build_llhttp
        build_nghttp2
        echo "mbedtls-$mbedtls llhttp-$llhttp nghttp2-$nghttp2" >"$stage/versions"
        chmod 755 "$stage"
        cd "$home"
        mv -T "$stage" "$prefix" 2>/dev/null || [ -f "$prefix/versions" ] || die "cannot move $stage to $prefix"
    fi
    echo "$prefix"
}

case ${1-}:$variant in
path: | path:portable) prefix_path ;;
build: | build:portable) build ;;
*) die "usage: tools/libs.sh path|build [portable]" ;;
esac
