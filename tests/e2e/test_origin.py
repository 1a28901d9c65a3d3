"""The bundled origin itself, by raw bytes: what it makes of good, odd and bad requests. Other tests build on it."""
import hashlib
import json
import re
import socket
import struct
import subprocess
import threading
import unittest
import unittest.mock

from support import case, servers


def pattern(size, seed=0):
    """What /bytes/SIZE?seed=SEED gives (bench/origin/body.h)."""
    table = bytearray()
    x = 1
    for _ in range(65521):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        table.append(x >> 24)
    start = seed % 65521
    return (bytes(table) * (size // 65521 + 2))[start:start + size]


class Origin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = servers.Origin().start()
        cls.addClassCleanup(cls.origin.stop)
        cls.address = ("127.0.0.1", int(cls.origin.http.rsplit(":", 1)[1]))

    def setUp(self):
        self.connect()

    def connect(self):
        self.sock = socket.create_connection(self.address, timeout=case.HANG_S)
        self.addCleanup(self.sock.close)
        self.stream = self.sock.makefile("rb")
        self.addCleanup(self.stream.close)

    def send(self, text):
        self.sock.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))

    def ask(self, path, method="GET", fields="", body=""):
        self.send(f"{method} {path} HTTP/1.1\r\nHost: o\r\n{fields}\r\n{body}")

    def head(self):
        """Status and fields of the next response."""
        line = self.stream.readline()
        if not line:
            return None, {}
        fields = {}
        while (text := self.stream.readline().rstrip(b"\r\n")):
            name, value = text.decode().split(": ", 1) if b": " in text else (text.decode().rstrip(": "), "")
            fields[name.lower()] = value
        return int(line.split()[1]), fields

    def response(self):
        """Status, fields and body, whose length is told."""
        status, fields = self.head()
        return status, fields, self.stream.read(int(fields.get("content-length", 0)))

    def chunks(self):
        sizes, body = [], b""
        while (size := int(self.stream.readline(), 16)) != 0:
            sizes.append(size)
            body += self.stream.read(size)
            self.stream.readline()
        trailers = []
        while (line := self.stream.readline().rstrip()):
            trailers.append(line)
        return sizes, body, trailers

    def assert_closed(self):
        self.assertEqual(self.stream.read(), b"")

    def test_bytes(self):
        for size, seed in ((0, 0), (1, 0), (8191, 3), (8193, 65521), (70000, 65520), (1 << 20, 7)):
            with self.subTest(size=size, seed=seed):
                self.ask(f"/bytes/{size}?seed={seed}")
                status, _, body = self.response()
                self.assertEqual(status, 200)
                self.assertEqual(body, pattern(size, seed))

    def test_redirects_to_anywhere(self):
        for path, status, location in (("/to/303/https://a.test:1/b?c=d&e", 303, "https://a.test:1/b?c=d&e"),
                                       ("/to/307//here", 307, "/here"), ("/to/399/", 399, "")):
            with self.subTest(path=path):
                self.ask(path)
                got, fields, _ = self.response()
                self.assertEqual((got, fields["location"]), (status, location))
        for path in ("/to/", "/to/299/x", "/to/400/x", "/to/x/y"):
            with self.subTest(path=path):
                self.ask(path)
                self.assertEqual(self.response()[0], 400)

    def test_chunked(self):
        self.ask("/chunked/10?piece=4")
        _, fields = self.head()
        self.assertEqual(fields["transfer-encoding"], "chunked")
        self.assertEqual(self.chunks(), ([4, 4, 2], pattern(10), []))

    def test_trailers(self):
        self.ask("/trailers/3")
        self.head()
        self.assertEqual(self.chunks(), ([3], pattern(3), [b"Origin-Trailer: last words", b"Origin-Status: 0"]))

    def test_http_1_0_gets_neither_chunks_nor_early_hints(self):
        self.send("GET /chunked/10 HTTP/1.0\r\n\r\n")
        _, fields = self.head()
        self.assertNotIn("transfer-encoding", fields)
        self.assertEqual(self.stream.read(), pattern(10))

    def test_head_has_no_body(self):
        self.ask("/bytes/1000", method="HEAD")
        self.assertEqual(self.head()[1]["content-length"], "1000")
        self.ask("/status/204")
        self.assertEqual(self.response(), (204, unittest.mock.ANY, b""))

    def test_early_hints_and_continue(self):
        self.ask("/early-hints")
        self.assertEqual(self.head(), (103, {"link": "</style.css>; rel=preload; as=style"}))
        self.assertEqual(self.response()[0], 200)
        self.ask("/upload", "POST", "Content-Length: 3\r\nExpect: 100-continue\r\n")
        self.assertEqual(self.head(), (100, {}))
        self.send("abc")
        self.assertEqual(self.response()[2], b"3\n")
        self.ask("/delay/1/upload", "POST", "Content-Length: 3\r\nExpect: 100-continue\r\n", "abc")
        self.assertEqual(self.response()[::2], (200, b"3\n"))

    def test_refuse_does_not_wait_for_the_body(self):
        self.ask("/refuse/413", "POST", "Content-Length: 1000000\r\nExpect: 100-continue\r\n")
        self.assertEqual(self.response()[0], 413)
        self.assert_closed()

    def test_fail_counts_by_key(self):
        for key in ("a", "b"):
            for status in (503, 503, 200):
                self.ask(f"/fail/2/{key}")
                self.assertEqual(self.response()[0], status)

    def test_broken_endings(self):
        self.ask("/empty")
        self.assert_closed()
        self.connect()
        self.ask("/truncate/10")
        self.assertEqual(self.head()[1]["content-length"], "10")
        self.assertEqual(self.stream.read(), pattern(5))
        self.connect()
        self.ask("/reset")
        with self.assertRaises(ConnectionResetError):
            self.stream.read()

    def test_pipelined_requests_are_answered_in_order(self):
        self.send("".join(f"GET /bytes/{n} HTTP/1.1\r\nHost: o\r\n\r\n" for n in range(2000)))
        for n in range(2000):
            self.assertEqual(len(self.response()[2]), n)

    def test_a_request_split_at_every_byte(self):
        request = (b"POST /echo?x=1 HTTP/1.1\r\nHost: o\r\nEmpty:\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"3\r\nabc\r\n0\r\n\r\n")
        for i in range(1, len(request)):
            self.send(request[:i])
            self.send(request[i:])
            status, fields = self.head()
            self.assertEqual((status, fields["echo-field-empty"]), (200, ""))
            self.assertEqual(self.chunks()[1], b"abc")

    def test_echo_holds_the_sender_back_and_loses_nothing(self):
        body = pattern(8 << 20)
        self.ask("/echo", "PUT", f"Content-Length: {len(body)}\r\n")
        sender = threading.Thread(target=self.send, args=(body,))
        sender.start()
        _, _, echoed = self.response()
        sender.join()
        self.assertEqual(hashlib.sha256(echoed).digest(), hashlib.sha256(body).digest())

    def test_bad_requests(self):
        for status, request in (
                (400, "GET / HTTP/1.1\r\n\r\n"),
                (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
                (400, "GET nothing HTTP/1.1\r\nHost: o\r\n\r\n"),
                (400, "GET / HTTP/1.1\r\nHost: o\r\nNo colon\r\n\r\n"),
                (400, "GET / HTTP/1.1\r\nHost: o\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
                (400, "GET / HTTP/1.1\r\nHost: o\r\nContent-Length: 18446744073709551616\r\n\r\n"),
                (501, "\x16\x03\x01\x02\x00"),
                (414, "GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: o\r\n\r\n"),
                (431, "GET / HTTP/1.1\r\nHost: o\r\n" + "A: b\r\n" * 200 + "\r\n"),
                (431, "GET / HTTP/1.1\r\nHost: o\r\nA: " + "b" * 40000 + "\r\n\r\n"),
                (501, "CONNECT o:1 HTTP/1.1\r\nHost: o\r\n\r\n"),
                (505, "GET / HTTP/2.0\r\nHost: o\r\n\r\n")):
            with self.subTest(request=request[:40]):
                self.connect()
                self.send(request)
                got, fields, _ = self.response()
                self.assertEqual((got, fields["connection"]), (status, "close"))
                self.assert_closed()

    def test_bad_numbers(self):
        for path in ("/bytes/x", "/bytes/-1", "/bytes/99999999999999999999", "/status/199", "/status/1000",
                     "/chunked/1?piece=0", "/slow/1?rate=0", "/delay/x/bytes/1", "/fail/x/k", "/fail/1/"):
            with self.subTest(path=path):
                self.ask(path)
                self.assertEqual(self.response()[0], 400)

    def test_stats_count_ids(self):
        for _ in range(3):
            self.ask("/upload?id=q", "POST", "Content-Length: 0\r\n")
            self.response()
        stats = self.origin.stats()
        self.assertEqual(stats["ids"]["q"], 3)
        self.assertGreaterEqual(stats["methods"]["POST"], 3)

    def test_a_peer_that_goes_away_is_no_loss(self):
        for path in ("/bytes/100000000", "/slow/100000", "/delay/60000/status/200", "/chunked/100000000"):
            with socket.create_connection(self.address) as sock:
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: o\r\n\r\n".encode())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.ask("/bytes/1")
        self.assertEqual(self.response()[0], 200)


class Life(unittest.TestCase):
    def test_ends_with_its_input(self):
        with subprocess.Popen([case.program("TERN_ORIGIN"), "--exit-with-stdin"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as origin:
            self.assertRegex(origin.stdout.readline(), rb"^http://127\.0\.0\.1:\d+\n$")
            origin.stdin.close()
            self.assertEqual(origin.wait(case.HANG_S), 0)

    def test_without_descriptors_it_waits_and_goes_on(self):
        limited = ["sh", "-c", 'ulimit -n 16 && exec "$0"', case.program("TERN_ORIGIN")]
        with subprocess.Popen(limited, stdout=subprocess.PIPE) as origin:
            port = int(re.search(rb":(\d+)$", origin.stdout.readline().strip()).group(1))
            held = [socket.create_connection(("127.0.0.1", port)) for _ in range(32)]
            for sock in held[:-1]:
                sock.close()
            held[-1].sendall(b"GET /stats HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n")
            answer = held[-1].makefile("rb").read()
            held[-1].close()
            self.assertEqual(json.loads(answer.split(b"\r\n\r\n")[1])["connections"], 32)
            origin.terminate()
            self.assertEqual(origin.wait(case.HANG_S), 0)

    def test_options(self):
        for args in (["--port", "70000"], ["--port", "x"], ["--streams", "0"], ["--nothing"], ["rest"]):
            result = subprocess.run([case.program("TERN_ORIGIN"), *args], capture_output=True, timeout=case.HANG_S)
            self.assertEqual(result.returncode, 2, args)
        result = subprocess.run([case.program("TERN_ORIGIN"), "--cert-out", "/nothing/there"], capture_output=True,
                                timeout=case.HANG_S)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"/nothing/there", result.stderr)


if __name__ == "__main__":
    case.main()
