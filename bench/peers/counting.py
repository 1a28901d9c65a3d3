"""Counts that need another program around the client: instructions (valgrind), system calls (strace), heap allocations
(a preloaded library). Each is the difference between a short and a longer run, so that starting up is not in it."""
import os
import re
import shutil
import subprocess
import tempfile

from contenders import Cannot

SHORT, LONG = 1000, 3000


def _difference(count, work):
    short, long = work.scaled(1), work.scaled(1)
    short.requests, long.requests = SHORT, LONG
    return max(0, count(long) - count(short)) / (LONG - SHORT)


def _need(program):
    if not shutil.which(program):
        raise Cannot(f"{program} is not installed")


def instructions(contender, work, server, cores):
    """User-space instructions a request."""
    _need("valgrind")

    def count(sized):
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "log")
            contender.run(sized, server, cores, ["valgrind", "--tool=callgrind", f"--log-file={log}",
                                                 f"--callgrind-out-file={folder}/out"])
            with open(log, encoding="utf-8") as file:
                return int(re.search(r"Collected : (\d+)", file.read())[1])

    return _difference(count, work)


def system_calls(contender, work, server, cores, only=None):
    """System calls a request; or those of one name alone."""
    _need("strace")
    if subprocess.run(["strace", "-c", "true"], capture_output=True, check=False).returncode != 0:
        raise Cannot("strace is not allowed to trace here")

    def count(sized):
        with tempfile.NamedTemporaryFile(mode="r") as log:
            trace = ["-e", f"trace={only}"] if only else []
            contender.run(sized, server, cores, ["strace", "-f", "-c", "-U", "calls,name", *trace, "-o", log.name])
            total = re.search(r"^\s*(\d+)\s+total$", log.read(), re.M)
            return int(total[1]) if total else 0

    return _difference(count, work)


def allocations(contender, work, server, cores):
    """Calls of malloc, calloc and realloc a request, whoever in the process makes them."""
    library = os.path.abspath(os.path.join(contender.build, "peers/liballocations.so"))

    def count(sized):
        with tempfile.NamedTemporaryFile(mode="r") as told:
            contender.run(sized, server, cores, ["env", f"LD_PRELOAD={library}", f"TERN_ALLOCATIONS={told.name}"])
            return int(told.read())

    return _difference(count, work)
