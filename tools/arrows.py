#!/usr/bin/env python3
"""Holds the arrows between the folders, and the seams, of docs/ARCHITECTURE.md.

    tools/arrows.py [ROOT]       reads every .c and .h under ROOT (here), prints what breaks a rule, exits with 1 if any
    tools/arrows.py --self-test  shows that each rule can fail

Names are matched, not parsed: comments and strings are taken out first, a call through a table (io->connect(...)) is
not a call of the system's function.
"""

import pathlib
import re
import sys
import tempfile

# Folder: the layers that it may include beside itself and the public headers.
LAYERS = {
    "base": [],
    "engine": ["base"],
    "dns": ["engine", "base"],
    "tls": ["engine", "base"],
    "proto": ["base"],
    "pool": ["proto", "tls", "dns", "engine", "base"],
    "policy": ["base"],
    "store": ["engine", "base"],
    "telemetry": ["engine", "base"],
    "client": ["telemetry", "store", "policy", "pool", "proto", "tls", "dns", "engine", "base"],
}

# Programs. The first prefix that fits counts; None: may include every folder.
PROGRAMS = {"include/tern": [], "bench/origin": None, "bench/peers": None, "tests": None, "examples": [], "bench": []}

# Each library is one room's business; client/version.c tells the versions of them all.
LIBRARIES = {
    r"mbedtls/|psa/": "tls",
    r"llhttp\.h": "proto",
    r"ares\w*\.h": "dns",
    r"idn2\.h": "base",
    r"zlib\.h|brotli/|zstd\w*\.h": "proto",
    r"libpsl\.h": "policy",
}

# What the layers may call only in the files that are the seam for it, if any.
SEAMS = [
    (
        "the OS",
        r"engine/io[^/]*",
        r"socket|socketpair|connect|bind|listen|accept4?|send|sendto|sendmsg|sendmmsg|recv|recvfrom|recvmsg|recvmmsg"
        r"|getsockopt|setsockopt|getsockname|getpeername|shutdown|poll|ppoll|select|pselect|epoll_\w+|timerfd_\w+"
        r"|eventfd\w*|clock_gettime|clock_nanosleep|gettimeofday|time|nanosleep|usleep|sleep"
        r"|getrandom|getentropy|rand|rand_r|srand|random|srandom|drand48|arc4random\w*",
    ),
    (
        "files",
        r"engine/(files|io)[^/]*",
        r"open|openat|creat|fopen|fdopen|freopen|read|readv|pread|preadv|write|writev|pwrite|pwritev|close|fsync"
        r"|fdatasync|rename\w*|unlink|unlinkat|remove|mkdir|mkdirat|rmdir|opendir|fdopendir|readdir|scandir|stat|lstat"
        r"|fstat|fstatat|statx|access|faccessat|truncate|ftruncate|mkstemp\w*|mkostemp\w*|tmpfile|link|linkat|symlink"
        r"|readlink|realpath|chmod|fchmod|inotify_\w+",
    ),
    (
        "memory",
        r"base/mem\.c",
        r"malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|vasprintf|posix_memalign|aligned_alloc",
    ),
    (
        "what has no bound or no error",
        r"(?!)",
        r"strcpy|stpcpy|strcat|sprintf|vsprintf|strtok|alloca|atoi|atol|atoll|atof|abort|exit|_exit",
    ),
]
CALLS = [
    (what, re.compile(place), re.compile(rf"(?<![\w.>])({names})\s*\(")) for what, place, names in SEAMS
]

NOISE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"]+)[>\"]", re.M)
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)


def blank(match):
    """Line numbers survive what is taken out."""
    return " " + "\n" * match.group().count("\n")


def allowed_for(path):
    """The layers that path may include, None for all; raises KeyError where the folder has no row."""
    top = path.parts[0]
    if top in LAYERS:
        return LAYERS[top] + [top]
    for prefix, allowed in PROGRAMS.items():
        if path.is_relative_to(prefix):
            return allowed
    raise KeyError(top)


def check_include(root, path, quote, name, allowed):
    top = path.parts[0]
    target = name.split("/")[0]
    if target == "tern":
        return None
    for pattern, owner in LIBRARIES.items():
        if re.match(pattern, name):
            if str(path) == "client/version.c":
                return None
            if top in LAYERS and top != owner or top == "include":
                return f"<{name}> belongs to {owner}/"
            return f"<{name}>: programs use the public API" if allowed == [] else None
    if quote == "<" and target not in LAYERS:
        return None
    if target in LAYERS:
        if allowed is None or target in allowed:
            return None
        return f'"{name}": {top}/ may include {", ".join(allowed) or "only the public headers"}'
    if top not in LAYERS and top != "include":
        beside = path.parent / name
        if (root / beside).is_file() or allowed is None and (root / name).is_file():
            return None
    return f'"{name}": a path from the root, into a folder that has a row here'


def check_file(root, path):
    """Yields (line, text) for each broken rule."""
    try:
        allowed = allowed_for(path)
    except KeyError:
        yield 1, f"folder {path.parts[0]}/ has no row in tools/arrows.py"
        return
    top = path.parts[0]
    if top in LAYERS and len(path.parts) != 2:
        yield 1, "layers are flat: only LAYER/*.c is built"
    text = (root / path).read_text(encoding="utf-8")
    source = COMMENT.sub(blank, text)
    for match in INCLUDE.finditer(source):
        problem = check_include(root, path, match[1], match[2], allowed)
        if problem:
            yield source.count("\n", 0, match.start()) + 1, problem
    if top not in LAYERS:
        return
    code = NOISE.sub(blank, text)
    for what, place, calls in CALLS:
        if place.fullmatch(str(path)):
            continue
        for match in calls.finditer(code):
            where = f"only in {place.pattern}" if place.pattern != "(?!)" else "nowhere"
            yield code.count("\n", 0, match.start()) + 1, f"{match[1]}(): {what}: {where}"


def check_tree(root):
    problems = []
    for path in sorted(root.rglob("*.[ch]")):
        relative = path.relative_to(root)
        # tools/mbedtls is a part of the private mbedTLS, which is none of these folders' business.
        top = relative.parts[0]
        if relative.parts[:2] == ("tools", "mbedtls") or top == "build" or top.startswith("."):
            continue
        problems += [f"{relative}:{line}: {text}" for line, text in check_file(root, relative)]
    return problems


# path, text, what the message must hold (None: clean)
SELF_TEST = [
    ("base/a.c", '#include "engine/io.h"\n', "base/ may include"),
    ("policy/a.c", '#include "engine/io.h"\n', "policy/ may include"),
    ("proto/a.c", '#include <base/buf.h>\n#include "tern/call.h"\n', None),
    ("pool/a.c", '#include "client/call.h"\n', "pool/ may include"),
    ("client/a.c", '#include "pool/a.h"\n', None),
    ("base/a.c", '#include "buf.h"\n', "a path from the root"),
    ("include/tern/a.h", '#include "base/buf.h"\n', "include/ may include"),
    ("examples/a.c", '#include "base/buf.h"\n', "examples/ may include"),
    ("examples/a.c", "#include <mbedtls/ssl.h>\n", "programs use the public API"),
    ("bench/load/a.c", '#include "pool/a.h"\n', "bench/ may include"),
    ("bench/origin/a.c", '#include "pool/a.h"\n#include <mbedtls/ssl.h>\n', None),
    ("tests/unit/base/test_a.c", '#include "client/a.h"\n', None),
    ("pool/a.c", "#include <mbedtls/ssl.h>\n", "belongs to tls/"),
    ("misc/a.c", "", "has no row"),
    ("base/deep/a.c", "", "layers are flat"),
    ("pool/a.c", "\n\nint f(void) { return socket(1, 2, 3); }\n", "pool/a.c:3: socket()"),
    ("pool/a.c", "/* socket( */ int f(struct io *io) { return io->socket(1) + io.connect(2); }\n", None),
    ("pool/a.c", 'const char *f = "rand()"; // time(NULL)\n', None),
    ("engine/io_epoll.c", "int f(void) { return socket(1, 2, 3); }\n", None),
    ("engine/tcp.c", "int f(void) { return getrandom(0, 0, 0); }\n", "getrandom()"),
    ("engine/tcp.c", "int f(void) { return clock_gettime(0, 0); }\n", "clock_gettime()"),
    ("tls/a.c", 'void *f(void) { return fopen("x", "r"); }\n', "fopen()"),
    ("engine/files_real.c", "int f(void) { return open(0, 0); }\n", None),
    ("engine/files.c", "int f(void) { return socket(1, 2, 3); }\n", "socket()"),
    ("base/a.c", "void *f(void) { return malloc(3); }\n", "malloc()"),
    ("base/a.c", "void f(char *a, char *b) { strcpy(a, b); }\n", "strcpy()"),
    ("base/a.c", "void f(void) { abort(); }\n", "abort()"),
    ("base/a.c", "void *f(void) { return tern_malloc(3); }\n", None),
    ("tests/unit/base/test_a.c", "void *f(void) { return malloc(3); }\n", None),
]


def self_test():
    failed = 0
    for path, text, expected in SELF_TEST:
        with tempfile.TemporaryDirectory() as name:
            file = pathlib.Path(name, path)
            file.parent.mkdir(parents=True)
            file.write_text(text, encoding="utf-8")
            problems = check_tree(pathlib.Path(name))
        if bool(problems) != bool(expected) or expected and expected not in problems[0]:
            print(f"arrows: self-test: {path}: {text!r}: expected {expected}, got {problems}")
            failed += 1
    return failed


def main():
    if sys.argv[1:] == ["--self-test"]:
        return 1 if self_test() else 0
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    problems = check_tree(root)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
