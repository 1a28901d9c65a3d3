#!/usr/bin/env python3
"""Which lines and branches the tests reach, by folder, and which lines and branches none does.

    tools/coverage.py BUILD [FOLDER...]      after a run of the tests in a build with --coverage

The branches of a line with TERN_ASSERT do not count: its other side is a mistake of tern's own, which ends the process,
and no test may reach it. Everything else counts as gcov has it; behind a line's number stands which of its branches
were not taken, in the order of evaluation, each condition's "true" and "false" as the compiler laid them out.
"""
import collections
import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = "base engine dns tls proto pool policy store telemetry client examples".split()


def read(build):
    """{file: {line: [count, branches, branches taken]}}, over all programs that a file is part of."""
    files = collections.defaultdict(dict)
    notes = [str(path.resolve()) for path in pathlib.Path(build).rglob("*.gcda")]
    if not notes:
        sys.exit("coverage: no test has run in " + build)
    with tempfile.TemporaryDirectory() as scratch:
        for start in range(0, len(notes), 50):
            out = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities",
                                  *notes[start:start + 50]],
                                 cwd=scratch, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
            for text in out.splitlines():
                if text.startswith(b"{"):
                    add(files, json.loads(text), build)
    return files


@functools.cache
def lines_with_asserts(path):
    with open(path, encoding="utf-8") as source:
        return {n for n, line in enumerate(source, 1) if "TERN_ASSERT(" in line}


def add(files, report, build):
    for file in report["files"]:
        path = pathlib.Path(os.path.normpath(os.path.join(report["current_working_directory"], file["file"])))
        if not path.is_relative_to(ROOT) or path.is_relative_to(pathlib.Path(build).resolve()):
            continue
        name = str(path.relative_to(ROOT))
        if name.split("/")[0] not in FOLDERS:
            continue
        lines = files[name]
        asserts = lines_with_asserts(path)
        for line in file["lines"]:
            counted = [] if line["line_number"] in asserts else line["branches"]
            taken = [branch["count"] > 0 for branch in counted]
            old = lines.get(line["line_number"])
            if old is None:
                lines[line["line_number"]] = [line["count"], taken]
            else:
                old[0] += line["count"]
                old[1] = [a or b for a, b in zip(old[1],
                                                 taken)] if len(old[1]) == len(taken) else max(old[1], taken, key=len)


def ranges(numbers):
    """[3, 4, 5, 9] is "3-5, 9"."""
    out = []
    for n in numbers:
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    files = read(sys.argv[1])
    wanted = sys.argv[2:] or FOLDERS
    total = collections.defaultdict(lambda: [0, 0, 0, 0])
    for name, lines in sorted(files.items()):
        missed = sorted(n for n, line in lines.items() if line[0] == 0)
        count = total[name.split("/")[0]]
        count[0] += len(lines)
        count[1] += len(lines) - len(missed)
        count[2] += sum(len(line[1]) for line in lines.values())
        count[3] += sum(sum(line[1]) for line in lines.values())
        if name.split("/")[0] not in wanted:
            continue
        if missed:
            print(f"{name}: {ranges(missed)}")
        half = [f"{n}[{ranges(i for i, is_taken in enumerate(line[1]) if not is_taken)}]"
                for n, line in sorted(lines.items()) if line[0] != 0 and not all(line[1])]
        if half:
            print(f"{name}, branches: {', '.join(half)}")
    print(f"\n{'folder':10} {'lines':>7} {'reached':>8} {'branches':>9} {'reached':>8}")
    for folder in FOLDERS:
        if folder in total:
            lines, reached, branches, taken = total[folder]
            print(f"{folder:10} {lines:7} {100 * reached / max(lines, 1):7.1f}% {branches:9} "
                  f"{100 * taken / max(branches, 1):7.1f}%")


if __name__ == "__main__":
    main()
