#!/usr/bin/env python3
"""Runs clang-tidy over the project, two files at a time, and remembers what was clean.

    tools/tidy.py BUILD_DIR    BUILD_DIR holds compile_commands.json of a clang build

What is remembered is the hash of all that the verdict depends on: the file, the project's headers that it reaches, the
checks, the compiler flags, the tool. It lies outside the checkout, so a fresh clone does not start from nothing.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "tern", "tidy")
KEPT_SECONDS = 30 * 24 * 3600
INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.M)


def reached(file, seen):
    """The project's files that file includes, itself first, each once."""
    seen.append(file)
    for name in INCLUDE.findall(file.read_bytes()):
        for base in (file.parent, ROOT, ROOT / "include"):
            header = base / name.decode()
            if header.is_file():
                if header not in seen:
                    reached(header, seen)
                break
    return seen


def fingerprint(file, command, common):
    digest = hashlib.sha256(common)
    digest.update(command.replace(str(ROOT), "").encode())
    for header in reached(file, []):
        digest.update(hashlib.sha256(header.read_bytes()).digest())
    return digest.hexdigest()


def check(file, build, mark):
    done = subprocess.run(
        ["clang-tidy", "--quiet", "-p", build, str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if done.returncode == 0:
        mark.touch()
        return ""
    # What it says on stderr is only how many warnings it left out, unless it could not start at all.
    return done.stdout or done.stderr


def main():
    build = sys.argv[1]
    CACHE.mkdir(parents=True, exist_ok=True)
    for mark in CACHE.iterdir():
        if mark.stat().st_mtime < time.time() - KEPT_SECONDS:
            mark.unlink(missing_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], stdout=subprocess.PIPE, check=True).stdout
    # Its last line names the CPU, which decides nothing.
    common = b"\n".join(line for line in version.splitlines() if b"CPU" not in line)
    common += (ROOT / ".clang-tidy").read_bytes()

    # clang-tidy reads a file once for each target that compiles it: one of them is enough.
    entries = {}
    for entry in json.loads(pathlib.Path(build, "compile_commands.json").read_text(encoding="utf-8")):
        entries.setdefault(pathlib.Path(entry["directory"], entry["file"]), entry)
    todo = []
    for file, entry in entries.items():
        if not file.is_file():
            continue
        mark = CACHE / fingerprint(file, entry["command"], common)
        if mark.exists():
            mark.touch()
        else:
            todo.append((file, mark))
    with tempfile.TemporaryDirectory() as once, concurrent.futures.ThreadPoolExecutor(2) as pool:
        pathlib.Path(once, "compile_commands.json").write_text(json.dumps(list(entries.values())), encoding="utf-8")
        found = [text for text in pool.map(lambda job: check(job[0], once, job[1]), todo) if text]
    for text in found:
        print(text)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
