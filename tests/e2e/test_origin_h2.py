"""The bundled origin's HTTP/2: by real clients (curl, nghttp, h2load), and frame by frame where those cannot reach."""
import hashlib
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import unittest

from support import case, servers
from test_origin import pattern

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL = 0, 1, 2, 7, 8
STATUS_200 = 0x88  # RFC 7541 6.1 and appendix A; an update of the table's size may stand before it
STREAM_WINDOW = 256 * 1024  # bench/origin/h2.c


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def setting(name, value):
    return struct.pack("!HI", name, value)


def text(value):
    """A string of HPACK's, not compressed (RFC 7541 5.2); up to 16510 bytes."""
    value = value.encode()
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest = len(value) - 127
    return bytes([127, rest % 128 + 128, rest // 128] if rest >= 128 else [127, rest]) + value


def block(path, method="GET", fields=()):
    fields = ((":method", method), (":scheme", "http"), (":path", path), (":authority", "o"), *fields)
    return b"".join(b"\0" + text(name) + text(value) for name, value in fields)


def ask(stream, path, method="GET", fields=(), flags=END_STREAM):
    return frame(HEADERS, END_HEADERS | flags, stream, block(path, method, fields))


class Peer:
    """A client that sends what it is told, and lists what comes."""

    def __init__(self, test, origin, settings=b"", greet=True):
        self.sock = socket.create_connection(("127.0.0.1", int(origin.http.rsplit(":", 1)[1])), timeout=case.HANG_S)
        test.addCleanup(self.sock.close)
        self.input = self.sock.makefile("rb")
        test.addCleanup(self.input.close)
        if greet:
            self.send(PREFACE, frame(SETTINGS, payload=settings))
            self.told = dict(struct.iter_unpack("!HI", self.until(SETTINGS)[-1][3]))
            self.send(frame(SETTINGS, ACK))
            self.until(SETTINGS, flags=ACK)

    def send(self, *frames):
        self.sock.sendall(b"".join(frames))

    def receive(self):
        """The next frame as (kind, flags, stream, payload), or None at the end."""
        try:
            head = self.input.read(9)
        except ConnectionResetError:
            return None
        if len(head) < 9:
            return None
        kind, flags, stream = struct.unpack("!BBI", head[3:])
        return kind, flags, stream, self.input.read(int.from_bytes(head[:3], "big"))

    def until(self, kind, stream=None, flags=0):
        """All frames up to one of this kind, stream and flags; the connection's own ones are left out."""
        frames = []
        while (got := self.receive()) is not None:
            if got[2] != 0 or got[0] == kind:
                frames.append(got)
            if got[0] == kind and got[2] == (got[2] if stream is None else stream) and got[1] & flags == flags:
                return frames
        raise AssertionError(f"the connection ended after {[got[:3] for got in frames]}")

    def body(self, stream):
        """The stream's answer up to its end, its head an only one of status 200."""
        frames = [got for got in self.until(DATA, stream, END_STREAM) if got[2] == stream]
        if frames[0][0] != HEADERS or STATUS_200 not in frames[0][3][:2]:
            raise AssertionError(f"no answer of status 200: {[got[:3] for got in frames]}")
        return b"".join(got[3] for got in frames if got[0] == DATA)

    def rest(self):
        """All frames to the connection's end."""
        frames = []
        while (got := self.receive()) is not None:
            frames.append(got)
        return frames


def window(stream, more):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack("!I", more))


def code(payload):
    return int.from_bytes(payload[:4], "big")


def segments(sock):
    """How many with data have come: on loopback, one for each write of less than 64 KiB (tcpi_data_segs_in)."""
    return struct.unpack_from("=I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160), 152)[0]


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


class Case(unittest.TestCase):
    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.origin = servers.Origin(*cls.arguments)
        # What it holds is measured below: memory that it gave back must not count under the address sanitizer.
        cls.origin.env = {"ASAN_OPTIONS": "quarantine_size_mb=1:thread_local_quarantine_size_kb=64"}
        cls.origin.start()
        cls.addClassCleanup(cls.origin.stop)

    def peer(self, settings=b"", greet=True):
        return Peer(self, self.origin, settings, greet)

    def assert_alive(self):
        peer = self.peer()
        peer.send(ask(1, "/bytes/3"))
        self.assertEqual(peer.body(1), pattern(3))


class Clients(Case):
    @classmethod
    def setUpClass(cls):
        case.require(shutil.which("curl"), "curl")
        super().setUpClass()
        cls.ways = {
            "h2c": ("--http2-prior-knowledge", cls.origin.http),
            "h2": ("--http2", cls.origin.https),
            "unix": ("--http2-prior-knowledge", "--unix-socket", cls.origin.socket_path, "http://localhost"),
        }

    def curl(self, way, path, *args, stdin=b"", version="2"):
        """Heads and body; the exit code has to be 0 and the protocol this one."""
        *flags, url = self.ways[way]
        result = subprocess.run(["curl", "-q", "-sS", "--cacert", self.origin.ca, "-D", "/dev/fd/2", *flags, *args,
                                 url + path], input=stdin, capture_output=True, timeout=case.HANG_S,
                                env=case.environment(), check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr, rb"^HTTP/" + version.encode() + rb" \d")
        return result.stderr.decode(), result.stdout

    def test_bodies(self):
        for way in self.ways:
            for path, body in (("/bytes/0", b""), ("/bytes/128?seed=7", pattern(128, 7)),
                               ("/bytes/3000000?seed=65520", pattern(3000000, 65520)),
                               ("/chunked/100000?piece=1000", pattern(100000)), ("/close/70000", pattern(70000)),
                               ("/slow/100?rate=2000", pattern(100)), ("/trailers/5", pattern(5)),
                               ("/delay/20/bytes/6", pattern(6)), ("/goaway/bytes/7", pattern(7)),
                               ("/", b"tern-origin\n")):
                with self.subTest(way=way, path=path):
                    self.assertEqual(self.curl(way, path)[1], body)

    def test_heads(self):
        heads, body = self.curl("h2", "/early-hints")
        self.assertEqual(re.findall(r"^HTTP/2 (\d+)", heads, re.M), ["103", "200"])
        self.assertIn("\nlink: </style.css>; rel=preload; as=style\r", heads)
        self.assertEqual(body, b"after the hints\n")
        self.assertIn("\ncontent-length: 1000\r", self.curl("h2", "/bytes/1000", "--head")[0])
        for status in ("204", "304", "404", "999"):
            self.assertRegex(self.curl("h2", "/status/" + status)[0], f"^HTTP/2 {status}")
        heads, _ = self.curl("h2c", "/trailers/5")
        self.assertIn("\norigin-status: 0\r", heads)
        self.assertNotIn("transfer-encoding", heads)

    def test_requests(self):
        heads, _ = self.curl("h2c", "/echo", "-X", "QUERY", "-H", "Odd: a", "-H", "Odd: b", "-H", "Empty;")
        for line in ("echo-method: QUERY", "echo-field-odd: a", "echo-field-odd: b", "echo-field-empty:"):
            self.assertRegex(heads, rf"\n{line} ?\r")
        _, body = self.curl("h2c", "/headers?x=1")
        self.assertRegex(body, rb"^GET /headers\?x=1\nhost: 127.0.0.1:\d+\n")
        many = [argument for i in range(200) for argument in ("-H", f"x{i}: y")]
        self.assertRegex(self.curl("h2c", "/", *many)[0], "^HTTP/2 431")

    def test_uploads(self):
        body = pattern(8 << 20, 5)
        for way in self.ways:
            with self.subTest(way=way):
                _, echoed = self.curl(way, "/echo", "-T", "-", stdin=body)
                self.assertEqual(hashlib.sha256(echoed).digest(), hashlib.sha256(body).digest())
                self.assertEqual(self.curl(way, "/upload", "-T", "-", stdin=body)[1], b"%d\n" % len(body))
        self.assertEqual(self.curl("h2c", "/continue", "-d", "abc")[1], b"3\n")

    def test_http_1_1_is_still_there(self):
        self.ways = {"h1": ("--http1.1", self.origin.https)}
        self.assertEqual(self.curl("h1", "/bytes/9", version="1.1")[1], pattern(9))

    def test_nghttp_over_tls(self):
        """Several streams of one connection; nghttp says with -v which protocol it is."""
        case.require(shutil.which("nghttp"), "nghttp")
        urls = [f"{self.origin.https}/delay/{20 - i}/bytes/{i}" for i in range(20)]
        result = subprocess.run(["nghttp", "-nv", "--no-dep", *urls], capture_output=True, timeout=case.HANG_S,
                                check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.count(b":status: 200"), 20)
        self.assertIn(b"The negotiated protocol: h2", result.stdout)

    def test_h2load(self):
        case.require(shutil.which("h2load"), "h2load")
        before = self.origin.stats()["protocols"].get("HTTP/2", 0)
        for url in (self.origin.http, self.origin.https):
            result = subprocess.run(["h2load", "-n5000", "-c4", "-m100", url + "/bytes/128"], capture_output=True,
                                    timeout=case.HANG_S, check=False)
            self.assertIn(b"5000 succeeded, 0 failed, 0 errored", result.stdout)
        self.assertEqual(self.origin.stats()["protocols"]["HTTP/2"], before + 10000)


class Frames(Case):
    def test_settings(self):
        self.assertEqual(self.peer().told, {3: 128, 4: STREAM_WINDOW, 6: 32768, 9: 1})

    def test_a_greeting_in_pieces(self):
        peer = self.peer(greet=False)
        for byte in PREFACE + frame(SETTINGS) + ask(1, "/bytes/3"):
            peer.send(bytes([byte]))
        self.assertEqual(peer.body(1), pattern(3))

    def test_what_only_begins_like_a_greeting(self):
        for i in range(1, len(PREFACE)):
            with self.subTest(i=i):
                peer = self.peer(greet=False)
                peer.send(PREFACE[:i] + b"\0" + PREFACE[i + 1:])
                self.assertRegex(peer.input.readline(), rb"^HTTP/1.1 [45]")

    def test_answers_to_what_came_together_leave_together(self):
        peer = self.peer()
        before = segments(peer.sock)
        peer.send(*(ask(1 + 2 * i, "/bytes/128") for i in range(100)))
        peer.until(DATA, 199, END_STREAM)
        self.assertEqual(segments(peer.sock), before + 1)

    def test_heads_without_bodies(self):
        peer = self.peer()
        for stream, path, method in ((1, "/bytes/100", "HEAD"), (3, "/trailers/3", "HEAD"), (5, "/status/204", "GET"),
                                     (7, "/bytes/0", "GET"), (9, "/echo", "HEAD")):
            with self.subTest(path=path):
                peer.send(ask(stream, path, method))
                self.assertTrue(peer.until(HEADERS, stream)[-1][1] & END_STREAM)

    def test_broken_endings(self):
        peer = self.peer()
        for stream, path, size, error in ((1, "/reset", 0, CANCEL), (3, "/reset/100", 50, CANCEL),
                                          (5, "/truncate/100", 50, INTERNAL_ERROR),
                                          (7, "/truncate/1", 0, INTERNAL_ERROR)):
            with self.subTest(path=path):
                peer.send(ask(stream, path))
                frames = peer.until(RST_STREAM, stream)
                self.assertEqual(b"".join(got[3] for got in frames if got[0] == DATA), pattern(size))
                self.assertEqual(code(frames[-1][3]), error)
        peer.send(ask(9, "/delay/60000/bytes/1"), ask(11, "/empty"))
        self.assertNotIn(GOAWAY, [got[0] for got in peer.rest()])
        self.assert_alive()

    def test_refused_streams_are_counted(self):
        before = self.origin.stats()["refused"]
        peer = self.peer()
        for stream, path, refused in ((1, "/refuse-stream", True), (3, "/refuse-stream/1/h2", True),
                                      (5, "/refuse-stream/1/h2", False)):
            peer.send(ask(stream, path))
            if refused:
                self.assertEqual(code(peer.until(RST_STREAM, stream)[-1][3]), REFUSED_STREAM)
            else:
                self.assertEqual(peer.body(stream), b"well again\n")
        self.assertEqual(self.origin.stats()["refused"], before + 2)

    def test_goaway_leaves_what_came_later_undone(self):
        peer = self.peer()
        peer.send(ask(1, "/delay/100/bytes/2"), ask(3, "/goaway/bytes/3"), ask(5, "/bytes/5?id=late"))
        frames = peer.rest()
        goaway = [got for got in frames if got[0] == GOAWAY]
        self.assertEqual([struct.unpack("!II", got[3][:8]) for got in goaway], [(3, NO_ERROR)])
        ended = [got[2] for got in frames if got[0] == DATA and got[1] & END_STREAM]
        self.assertEqual(ended, [3, 1])
        self.assertLess(frames.index(goaway[0]), len(frames) - 1)
        self.assertNotIn("late", self.origin.stats()["ids"])

    def test_an_answer_before_the_end_of_the_request(self):
        peer = self.peer()
        for stream, path, method in ((1, "/refuse/200", "POST"), (3, "/refuse/200", "HEAD")):
            peer.send(ask(stream, path, method, flags=0), frame(DATA, 0, stream, b"abc"))
            frames = [got for got in peer.until(RST_STREAM, stream) if got[2] == stream]
            self.assertEqual([got[0] for got in frames], [HEADERS, DATA, RST_STREAM])
            self.assertTrue(frames[1][1] & END_STREAM)
            self.assertEqual(code(frames[2][3]), NO_ERROR)

    def test_trailers_of_a_request_end_it(self):
        peer = self.peer()
        peer.send(ask(1, "/upload", "POST", flags=0), frame(DATA, 0, 1, b"abc"),
                  frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\0" + text("sum") + text("1")))
        self.assertEqual(peer.body(1), b"3\n")

    def test_trailers_of_an_answer(self):
        peer = self.peer()
        peer.send(ask(1, "/trailers/3"))
        frames = peer.until(HEADERS, 1, END_STREAM)
        self.assertEqual([got[0] for got in frames if got[2]], [HEADERS, DATA, HEADERS])

    def test_continue(self):
        peer = self.peer()
        peer.send(ask(1, "/upload", "POST", [("expect", "100-continue")], flags=0))
        self.assertFalse(peer.until(HEADERS, 1)[-1][1] & END_STREAM)
        peer.send(frame(DATA, END_STREAM, 1, b"abc"))
        self.assertEqual(peer.body(1), b"3\n")

    def test_pieces_are_frames(self):
        peer = self.peer()
        peer.send(ask(1, "/chunked/10?piece=4"))
        self.assertEqual([len(got[3]) for got in peer.until(DATA, 1, END_STREAM) if got[0] == DATA], [4, 4, 2])

    def test_late_answers_keep_no_others_back(self):
        peer = self.peer()
        peer.send(ask(1, "/delay/300/bytes/1"), ask(3, "/delay/100/bytes/1"), ask(5, "/bytes/1"))
        frames = peer.until(DATA, 1, END_STREAM)
        self.assertEqual([got[2] for got in frames if got[0] == DATA], [5, 3, 1])

    def test_large_answers_keep_no_small_ones_back(self):
        peer = self.peer(setting(4, 1 << 30))
        peer.send(window(0, 1 << 30), ask(1, "/bytes/20000000"), ask(3, "/bytes/20000000"), ask(5, "/bytes/10"))
        frames = peer.until(DATA, 5, END_STREAM)
        self.assertLess(sum(len(got[3]) for got in frames), 1000000)
        frames += peer.until(DATA, 1, END_STREAM)
        self.assertEqual(b"".join(got[3] for got in frames if got[0] == DATA and got[2] == 1), pattern(20000000))

    def test_echo_holds_back_its_own_stream_alone(self):
        peer = self.peer()
        peer.send(window(0, 1 << 20), ask(1, "/echo", "POST", flags=0))
        for _ in range(STREAM_WINDOW // 16384):
            peer.send(frame(DATA, 0, 1, bytes(16384)))
        peer.send(ask(3, "/bytes/4"))
        self.assertEqual(peer.body(3), pattern(4))
        # What went back is 65535 bytes, a stream's first credit: too little for the origin to give any of its own.
        peer.send(frame(PING, payload=b"12345678"))
        self.assertNotIn((WINDOW_UPDATE, 1), [(got[0], got[2]) for got in peer.until(PING, flags=ACK)])
        peer.send(window(1, 1 << 20))
        credit = code(peer.until(WINDOW_UPDATE, 1)[-1][3])
        self.assertGreaterEqual(credit, STREAM_WINDOW // 2)
        peer.send(frame(DATA, END_STREAM, 1, bytes(1)))
        peer.until(DATA, 1, END_STREAM)

    def test_more_than_the_window_is_an_error(self):
        peer = self.peer()
        peer.send(ask(1, "/echo", "POST", flags=0))
        peer.send(*(frame(DATA, 0, 1, bytes(16384)) for _ in range(STREAM_WINDOW // 16384 + 5)))
        self.assertIn(RST_STREAM, [got[0] for got in peer.until(RST_STREAM, 1)])

    def test_paused_readers_cost_little(self):
        before = resident_kb(self.origin.process.pid)
        peer = self.peer(setting(4, 100))
        peer.send(*(ask(1 + 2 * i, "/bytes/100000000") for i in range(127)), ask(301, "/bytes/100"))
        peer.until(DATA, 301, END_STREAM)
        self.assertLess(resident_kb(self.origin.process.pid) - before, 20 * 1024)
        peer.send(*(frame(RST_STREAM, 0, 1 + 2 * i, struct.pack("!I", CANCEL)) for i in range(127)))
        peer.send(ask(303, "/bytes/50"))
        self.assertEqual(peer.body(303), pattern(50))

    def test_bad_requests(self):
        for what, request in (
                ("no path", frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\0" + text(":method") + text("GET"))),
                ("upper case", ask(1, "/", fields=[("Odd", "x")])),
                ("connection", ask(1, "/", fields=[("connection", "close")])),
                ("length", ask(1, "/upload", "POST", [("content-length", "5")], 0)
                 + frame(DATA, END_STREAM, 1, b"abc")),
                ("path", ask(1, "nothing"))):
            with self.subTest(what=what):
                peer = self.peer()
                peer.send(request, ask(3, "/bytes/3"))
                self.assertIn((RST_STREAM, 1), [(got[0], got[2]) for got in peer.until(DATA, 3, END_STREAM)])

    def test_connect_is_not_implemented(self):
        peer = self.peer()
        request = b"".join(b"\0" + text(name) + text(value)
                           for name, value in ((":method", "CONNECT"), (":authority", "o:1")))
        peer.send(frame(HEADERS, END_HEADERS, 1, request))
        frames = peer.until(RST_STREAM, 1)
        self.assertEqual([got[0] for got in frames if got[2]], [HEADERS, DATA, RST_STREAM])

    def test_broken_protocol_ends_the_connection(self):
        for what, bytes_ in (("frame size", b"\xff\xff\xff" + bytes(6)), ("stream 0", ask(0, "/")),
                             ("even stream", ask(2, "/")), ("push", frame(5, END_HEADERS, 1, bytes(4) + block("/"))),
                             ("hpack", frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\xff\xff\xff\xff")),
                             ("settings", frame(SETTINGS, payload=b"123"))):
            with self.subTest(what=what):
                peer = self.peer()
                peer.send(bytes_)
                frames = peer.rest()
                self.assertEqual(frames[-1][0], GOAWAY)
                self.assertNotEqual(code(frames[-1][3][4:]), NO_ERROR)

    def test_a_peer_that_goes_away_is_no_loss(self):
        for path in ("/bytes/100000000", "/slow/100000", "/delay/60000/status/200", "/echo"):
            peer = self.peer()
            peer.send(ask(1, path, flags=0 if path == "/echo" else END_STREAM))
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.input.close()
            peer.sock.close()
        self.assert_alive()

    def test_counts(self):
        before = self.origin.stats()
        peer = self.peer()
        peer.send(frame(PING, payload=bytes(8)), ask(1, "/delay/60000/", "PATCH"),
                  frame(RST_STREAM, 0, 1, struct.pack("!I", CANCEL)), frame(PING, payload=bytes(8)))
        peer.until(PING, flags=ACK)
        peer.until(PING, flags=ACK)
        after = self.origin.stats()
        self.assertEqual(after["pings"], before["pings"] + 2)
        self.assertEqual(after["resets"], before["resets"] + 1)
        self.assertEqual(after["methods"]["PATCH"], 1)
        self.assertEqual(after["protocols"]["HTTP/2"], before["protocols"].get("HTTP/2", 0) + 1)


class Floods(Case):
    """Sent without reading: the origin stops taking them, or ends the connection, and grows by little."""

    def flood(self, *frames):
        before = resident_kb(self.origin.process.pid)
        peer = self.peer()
        peer.sock.settimeout(0.5)
        bunch = b"".join(frames)
        sent = 0
        try:
            while sent < 32 << 20:
                peer.sock.sendall(bunch)
                sent += len(bunch)
        except (TimeoutError, ConnectionError):
            pass
        self.assertLess(resident_kb(self.origin.process.pid) - before, 24 * 1024)
        peer.input.close()
        peer.sock.close()
        self.assert_alive()

    def test_ping(self):
        self.flood(*[frame(PING, payload=bytes(8))] * 1000)

    def test_settings(self):
        self.flood(*[frame(SETTINGS, payload=setting(4, 65535))] * 1000)

    def test_empty_data(self):
        self.flood(ask(1, "/upload", "POST", flags=0), *[frame(DATA, 0, 1)] * 1000)

    def test_continuation(self):
        self.flood(frame(HEADERS, 0, 1, block("/")), *[frame(CONTINUATION, 0, 1,
                                                             b"\0" + text("a") + text("b" * 16000))] * 100)

    def test_streams_that_are_reset(self):
        before = self.origin.stats()["resets"]
        peer = self.peer()
        count = 20000
        for i in range(0, count, 100):
            peer.send(*(ask(1 + 2 * j, "/bytes/100000") + frame(RST_STREAM, 0, 1 + 2 * j, struct.pack("!I", CANCEL))
                        for j in range(i, i + 100)))
        peer.send(window(0, 1 << 20), ask(1 + 2 * count, "/bytes/3"))
        self.assertEqual(peer.body(1 + 2 * count), pattern(3))
        self.assertEqual(self.origin.stats()["resets"], before + count)

    def test_answers_that_nobody_reads(self):
        """Nor is the limit of streams acknowledged, so that each one too many costs a RST_STREAM."""
        before = resident_kb(self.origin.process.pid)
        peer = self.peer(greet=False)
        peer.sock.settimeout(0.5)
        stream = 1
        try:
            peer.send(PREFACE, frame(SETTINGS))
            while stream < 2000000:
                peer.send(*(ask(stream + 2 * i, "/echo") for i in range(1000)))
                stream += 2000
        except (TimeoutError, ConnectionError):
            pass
        self.assertLess(resident_kb(self.origin.process.pid) - before, 24 * 1024)
        self.assert_alive()


class Streams(Case):
    arguments = ("--streams", "2")

    def test_the_limit_is_told_and_held(self):
        peer = self.peer()
        self.assertEqual(peer.told[3], 2)
        peer.send(*(ask(1 + 2 * i, "/delay/200/bytes/1") for i in range(2)))
        peer.until(DATA, 3, END_STREAM)
        peer.send(*(ask(5 + 2 * i, "/delay/200/bytes/1") for i in range(3)))
        self.assertEqual(code(peer.rest()[-1][3][4:]), PROTOCOL_ERROR)

    def test_the_limit_before_it_is_known(self):
        peer = self.peer(greet=False)
        peer.send(PREFACE, frame(SETTINGS), *(ask(1 + 2 * i, "/delay/200/bytes/1") for i in range(3)))
        frames = peer.until(DATA, 3, END_STREAM)
        self.assertEqual([(got[2], code(got[3])) for got in frames if got[0] == RST_STREAM], [(5, REFUSED_STREAM)])


if __name__ == "__main__":
    case.main()
