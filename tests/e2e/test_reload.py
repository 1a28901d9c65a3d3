"""Servers that are reloaded, restarted or stopped while GET and POST go on: no GET is lost, no POST is sent twice."""
import collections
import json
import os
import re
import signal
import subprocess
import time

from support import case, servers

# Limits' defaults: 3 s of silence and 2 s for an answer to the PING. The rest is for a busy machine.
STOPPED_MS_MAX = 6500
STOPPED_S = 7
AT_ONCE = 64  # calls of tern-mixed; a quarter of them are POST
ANSWERED = 4  # TERN_REPLAY_ANSWERED
PERHAPS_PROCESSED = {2, 3, ANSWERED}  # and TERN_REPLAY_STALE, _MAYBE


class Load:
    """tern-mixed, from start until end(). args may have --calls, else it goes on until then."""

    def __init__(self, server, listener, get, post, *args):
        how = {"plain": [], "h2": ["--http2"], "h2c": ["--http2-prior-knowledge"]}[listener]
        urls = [server.url(get, listener), server.url(post, listener)]
        self.server = server
        self.before = len(server.posts())
        self.process = subprocess.Popen([case.program("TERN_MIXED"), *how, "--cacert", server.tree.ca,
                                         *map(str, args), *urls], stdout=subprocess.PIPE, env=case.environment())

    def posts(self):
        """How often the server has seen each of its POSTs."""
        lines = self.server.posts()[self.before:]
        return collections.Counter(re.search(r"id=(\d+)", line).group(1) for line in lines)

    def end(self):
        """What it counted."""
        if "--calls" not in self.process.args:
            self.process.terminate()
        out, _ = self.process.communicate(timeout=case.HANG_S)
        return json.loads(out)


class LoadCase(case.Case):
    make = None
    get = "/byte"
    post = "/post"

    def setUp(self):
        super().setUp()
        self.server = self.make()
        self.server.start()
        self.addCleanup(self.server.stop)

    def start(self, listener, *args):
        return Load(self.server, listener, self.get, self.post, *args)

    def end(self, load):
        """Of the POSTs, the server has seen each one once at most, and each that was answered: but a server that is
        made to end may do so between an answer and its line in the log."""
        told = load.end()
        print(self.id(), {key: value for key, value in told.items() if key != "failures"}, flush=True)
        answered = told["post"]["done"] - told["post"]["failed"]
        self.assertGreater(answered, 100)
        until = time.monotonic() + 5  # a log comes a little later than the answer
        while len(load.posts()) < answered - AT_ONCE and time.monotonic() < until:
            time.sleep(0.05)
        seen = load.posts()
        self.assertEqual([post for post, count in seen.items() if count > 1], [])
        self.assertGreaterEqual(len(seen), answered - AT_ONCE)
        return told


class ReloadCases:
    listeners = ("plain", *servers.HTTP2)
    reloads = 10
    between_s = 0.3  # long enough for new workers to have taken work

    def test_no_get_is_lost_by_a_reload(self):
        for listener in self.listeners:
            with self.subTest(listener=listener):
                load = self.start(listener)
                for _ in range(self.reloads):
                    time.sleep(self.between_s)
                    self.server.reload()
                time.sleep(self.between_s)
                told = self.end(load)
                self.assertEqual(told["get"]["failed"], 0, told["failures"])
                # A POST that met a close may have been processed, and is not sent again; one that GOAWAY names is.
                self.assertLessEqual({failure["replay"] for failure in told["failures"]}, PERHAPS_PROCESSED)
                at_once = 1 if listener == "plain" else AT_ONCE / 4
                self.assertLessEqual(told["post"]["failed"], told["opened"] * at_once, told["failures"])
                # Connections were closed: a reload that was not felt would prove nothing.
                self.assertGreater(told["opened"], self.reloads // 2)


class Nginx(ReloadCases, LoadCase):
    make = servers.Nginx

    def test_restart(self):
        """What is lost while there is no server is lost, but never sent twice; and all goes on afterwards."""
        for listener in self.listeners:
            with self.subTest(listener=listener):
                load = self.start(listener)
                time.sleep(0.3)
                self.server.restart()
                before = len(load.posts())
                time.sleep(0.5)
                self.end(load)
                self.assertGreater(len(load.posts()), before + 100)

    def test_worker_that_is_stopped(self):
        """The calls on its connection go on at another one, as does every new one in the meantime. A POST may have been
        processed, and is so when the worker goes on: it is not sent again."""
        load = self.start("h2c")
        time.sleep(0.5)
        worker = self.server.busiest_worker()
        os.kill(worker, signal.SIGSTOP)
        self.addCleanup(os.kill, worker, signal.SIGCONT)
        time.sleep(STOPPED_S)
        os.kill(worker, signal.SIGCONT)
        time.sleep(0.5)
        told = self.end(load)
        self.assertEqual(told["dead"], 1)
        # An answer that has begun is the user's already; all others are had elsewhere.
        begun = [failure for failure in told["failures"] if failure["what"] == "GET" and failure["replay"] == ANSWERED]
        self.assertEqual(told["get"]["failed"], len(begun), told["failures"])
        self.assertEqual({failure["error"] for failure in told["failures"]}, {"TERN_EPEER_DEAD"})
        for kind in ("get", "post"):
            self.assertLess(told[kind]["ms_max"], STOPPED_MS_MAX)


class NginxWithItsDefaults(ReloadCases, LoadCase):
    """GOAWAY after a thousand requests."""
    listeners = servers.HTTP2
    reloads = 3

    @staticmethod
    def make():
        return servers.Nginx(keepalive_requests=1000)

    def test_nothing_is_lost_by_goaway(self):
        for listener in self.listeners:
            with self.subTest(listener=listener):
                told = self.end(self.start(listener, "--calls", 20000))
                self.assertEqual(told["failures"], [])
                self.assertGreaterEqual(told["opened"], 20)


class Haproxy(ReloadCases, LoadCase):
    make = servers.Haproxy
    get = "/bytes/1"
    post = "/upload"
    reloads = 5


class Apache(ReloadCases, LoadCase):
    make = servers.Apache
    post = "/204"
    reloads = 3
    between_s = 1  # new children take a while


if __name__ == "__main__":
    case.main()
