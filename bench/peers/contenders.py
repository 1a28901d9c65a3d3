"""The clients of the comparison: what each can do, how it is started, how its figures are read.

Those of this project print load's line themselves. wrk and h2load are read from what they print, and their CPU time is
the whole process's, as the system tells it at the end."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading

from servers import ROOT, pinned

HANG_S = 300


class Cannot(Exception):
    """Why a client is left out."""


def tail(text):
    return " ".join(text.split())[-200:]


class Work:
    """One thing to do: so many requests by so many at once, of one path."""

    def __init__(self, path="small", concurrency=1, requests=1000, http2=False, tls=False, chain="ec", fresh=False,
                 resume=True, rate=0, extra=()):
        self.path, self.concurrency, self.requests = path, concurrency, requests
        self.http2, self.tls, self.chain = http2, tls, chain
        self.fresh, self.resume, self.rate, self.extra = fresh, resume, rate, tuple(extra)

    def scaled(self, factor):
        work = Work.__new__(Work)
        work.__dict__.update(self.__dict__, requests=max(self.concurrency, int(self.requests * factor)))
        return work

    def is_warm(self):
        return not self.fresh and self.requests > 1

    def url(self, server):
        front, ca = server.address(self.tls, self.http2, self.chain)
        return front + (server.small() if self.path == "small" else server.bulk()), ca


class Contender:
    name = None
    warms_up = True  # takes --warm-up
    share = 1.0  # of a work's requests: less for those who would take minutes

    def __init__(self, build):
        self.build = build

    def present(self):
        """Raises Cannot."""

    def can(self, work):
        return not work.extra

    def command(self, work, server):
        url, ca = work.url(server)
        command = [*self.program(work), url, "-c", str(work.concurrency), "-n", str(work.requests)]
        command.append("--http1.1" if not work.http2 else "--http2" if work.tls else "--http2-prior-knowledge")
        command += ["--cacert", ca] if ca else []
        command += ["--close"] if work.fresh else []
        command += ["--no-resumption"] if not work.resume else []
        command += ["--rate", f"{work.rate:.1f}"] if work.rate else []
        command += ["--warm-up", str(4 * work.concurrency)] if self.warms_up and work.is_warm() else []
        return [*command, *work.extra, "--json"]

    def run(self, work, server, cores=(), wrapper=()):
        """Its figures. Raises Cannot when it failed."""
        work = work.scaled(self.share)
        command = pinned(cores, [*wrapper, *self.command(work, server)])
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(command, stdout=out, stderr=err)
            hung = threading.Timer(HANG_S, process.kill)
            hung.start()
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:  # whoever ends this program ends its client too
                process.kill()
                raise
            finally:
                hung.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            text, errors = out.read().decode(), err.read().decode(errors="replace")
        if process.returncode != 0:
            raise Cannot(f"{self.name} failed: {tail(errors or text)}")
        figures = self.read(text, usage)
        if figures["errors"] or figures["requests"] == 0:
            raise Cannot(f"{self.name}: {figures['errors']} of {figures['requests']} requests failed: {tail(errors)}")
        return figures

    def read(self, text, _usage):
        return json.loads(text)


class Built(Contender):
    """A program of this project, in the build folder."""
    file = None

    def path(self):
        return os.path.join(self.build, self.file)

    def present(self):
        if not os.path.exists(self.path()):
            raise Cannot(f"{self.name} was not built: a library that it stands on is not there")

    def program(self, _work):
        return [self.path()]


class Tern(Built):
    name, file = "tern", "bench/load"

    def can(self, _work):
        return True


class Floor(Contender):
    """Raw sockets for HTTP/1.1, a minimal nghttp2 client for HTTP/2."""
    name = "floor"

    def present(self):
        if not os.path.exists(os.path.join(self.build, "peers/floor_h2")):
            raise Cannot("the floor was not built: no OpenSSL or nghttp2")

    def can(self, work):
        return super().can(work) and not (work.http2 and work.fresh)

    def program(self, work):
        return [os.path.join(self.build, "peers/floor_h2" if work.http2 else "peers/floor_h1")]


class Curl(Built):
    name, file = "libcurl", "peers/curl"


class Evhttp(Built):
    name, file = "evhttp", "peers/evhttp"

    def can(self, work):
        return super().can(work) and not (work.tls or work.http2 or work.fresh or work.rate) and work.path == "small"


class Go(Built):
    name, file = "go", "peers/gohttp"

    def present(self):
        go = shutil.which("go")
        if not go:
            raise Cannot("go is not installed (Debian: golang-go, golang-golang-x-net-dev)")
        done = subprocess.run([go, "build", "-o", os.path.abspath(self.path()), "."], capture_output=True, text=True,
                              check=False, cwd=os.path.join(ROOT, "bench/peers/gohttp"),
                              env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "",
                                   "GOCACHE": os.path.abspath(os.path.join(self.build, "gocache"))})
        if done.returncode != 0:
            raise Cannot(f"go cannot build its peer: {done.stderr.strip()[-200:]}")


class Undici(Contender):
    name, warms_up = "undici", False  # it does so by itself

    def present(self):
        if not shutil.which("node"):
            raise Cannot("node is not installed")
        if not os.path.isdir(os.path.join(os.environ.get("TERN_UNDICI", ""), "node_modules/undici")):
            raise Cannot("undici is not installed (npm)")

    def can(self, work):
        return super().can(work) and not (work.http2 or work.fresh or work.rate) and work.path == "small"

    def program(self, _work):
        return ["node", os.path.join(ROOT, "bench/peers/undici.mjs")]


class Httpx(Contender):
    name, share, warms_up = "httpx", 0.02, False

    def present(self):
        if subprocess.run(["/usr/bin/python3", "-c", "import httpx"], capture_output=True, check=False).returncode:
            raise Cannot("httpx is not installed (Debian: python3-httpx)")

    def can(self, work):
        return super().can(work) and not (work.http2 or work.fresh or work.rate or work.tls) and work.path == "small"

    def program(self, _work):
        return ["/usr/bin/python3", os.path.join(ROOT, "bench/peers/httpx_peer.py")]


class Tool(Contender):
    """A program of others; reads(text) gives requests, errors and percentiles."""

    def present(self):
        if not shutil.which(self.name):
            raise Cannot(f"{self.name} is not installed")

    def read(self, text, usage):
        figures = self.reads(text)
        cpu = usage.ru_utime + usage.ru_stime
        requests = max(1, figures["requests"])
        return {"name": self.name, "user_s": usage.ru_utime, "sys_s": usage.ru_stime,
                "cpu_us_per_req": cpu * 1e6 / requests,
                **figures}


class Wrk(Tool):
    name = "wrk"
    SCALE = {"us": 1, "ms": 1e3, "s": 1e6}

    def can(self, work):
        return super().can(work) and not (work.http2 or work.fresh or work.rate) and work.path == "small"

    def command(self, work, server):
        """It knows no number of requests: a second, or half, is much as the others have."""
        url, _ = work.url(server)
        return ["wrk", "-t1", f"-c{work.concurrency}", "-d1s", "--latency", url]

    def reads(self, text):
        failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        at = {percent: float(value) * self.SCALE[unit]
              for percent, value, unit in re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s)$", text, re.M)}
        return {"requests": int(re.search(r"(\d+) requests in", text)[1]), "errors": int(failed[1]) if failed else 0,
                "p50_us": at.get("50", 0), "p99_us": at.get("99", 0)}


class H2load(Tool):
    name, share = "h2load", 4.0  # its start is a part of what is measured: many requests make it small

    def can(self, work):
        return super().can(work) and work.http2 and not (work.fresh or work.rate) and work.path == "small"

    def command(self, work, server):
        url, _ = work.url(server)
        return ["h2load", "-n", str(work.requests), "-c1", f"-m{work.concurrency}", "-t1", url]

    def reads(self, text):
        done, failed = re.search(r"(\d+) done, \d+ succeeded, (\d+) failed", text).groups()
        return {"requests": int(done), "errors": int(failed)}


ALL = (Tern, Floor, Curl, Wrk, H2load, Go, Evhttp, Undici, Httpx)
