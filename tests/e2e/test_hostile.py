"""fetch against peers that mean harm or die, and run where it lacks what it needs: a clear error, the right exit code,
no hang, no busy waiting, nothing of the peer's on the terminal."""

import itertools
import os
import resource
import socket
import ssl
import struct
import subprocess
import time

from support import case, certs
from support.peer import FetchTest, Peer, answer, serve, tls_context

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b"0123456789" * 20


def reset(sock):
    """Closes with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def raw(data):
    def script(connection):
        connection.request()
        connection.send(data)

    return script


def endless(begin, more):
    """Answers with begin, and then more and more until nobody listens."""

    def script(connection):
        connection.request()
        connection.send(begin)
        block = more * (65536 // len(more))
        while True:
            connection.send(block)

    return script


class HostileTest(FetchTest):
    def measured(self, *args, **options):
        """The exit code, the message and the CPU seconds of a run of fetch that writes to "out"."""
        with open(self.path("err"), "w+b") as err:
            process = subprocess.Popen([self.program, "-sS", "-m", "60", "-o", "out", *args], env=self.environment,
                                       cwd=self.directory, stdin=subprocess.DEVNULL, stderr=err, **options)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            err.seek(0)
            message = err.read().decode("ascii")
        os.unlink(self.path("err"))
        return process.returncode, message, used.ru_utime + used.ru_stime

    def fails(self, code, *args, says=""):
        ended, message, cpu_s = self.measured(*args)
        self.assertEqual(ended, code, message)
        self.assertRegex(message, r"^fetch: \(%d\) [ -~]+\n$" % code)
        self.assertIn(says, message)
        self.assertLess(cpu_s, 2)
        self.assertEqual(os.listdir(self.directory), [])


class AnswersTest(HostileTest):
    def test_endless(self):
        for begin, more, code, says in (
            (OK, b"A: b\r\n", 56, "head_fields_max"),
            (OK, b"A: " + b"b" * 1000 + b"\r\n", 56, "head_bytes_max"),
            (OK + b"A: ", b"b", 56, "head_line_bytes_max"),
            (OK + b"A: b\r\n", b" b\r\n", 56, "head_line_bytes_max"),
            (OK, b"\0", 56, "head_line_bytes_max"),
            (b"", b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n", 56, "informational_max"),
            (CHUNKED + b"0\r\n", b"A: " + b"b" * 1000 + b"\r\n", 56, "trailers"),
            (CHUNKED + b"0\r\n", b"Date: " + b"b" * 1000 + b"\r\n", 56, "trailers"),
            (CHUNKED + b"1;", b"a", 8, "chunk size"),
            (CHUNKED, b"0", 8, "chunk size"),
        ):
            with self.subTest(begin=begin, more=more[:40]), Peer(endless(begin, more)) as peer:
                self.fails(code, peer.url(), says=says)

    def test_folds_cost_no_more_than_their_bytes(self):
        head = b"A: b\r\n" + b" b\r\n" * 4000
        script = raw((b"HTTP/1.1 103 Early Hints\r\n" + head * 3 + b"\r\n") * 15 + answer(b"x"))
        with Peer(script) as peer:
            code, message, cpu_s = self.measured(peer.url())
        self.assertEqual((code, message), (0, ""))
        self.assertLess(cpu_s, 0.5)

    def test_lengths(self):
        for length in (2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 2):
            for data in (OK + b"Content-Length: %d\r\n\r\nabc" % length, CHUNKED + b"%x\r\nabc" % length):
                with self.subTest(data=data), Peer(raw(data)) as peer:
                    self.fails(18, peer.url(), says="after 3 ")
        for length in (b"-1", b"+3", b"0x3", b"3,4", b"3 3", b"", b"3\0", b"%d" % (2**64 - 1), b"%d" % 2**64,
                       b"%d" % (2**64 + 3), b"3\r\nContent-Length: 4", b"3\r\nTransfer-Encoding: chunked"):
            with self.subTest(length=length), Peer(raw(OK + b"Content-Length: " + length + b"\r\n\r\nabc")) as peer:
                self.fails(8, peer.url())
        for chunk in (b"-3", b"0x3", b" 3", b"", b"10000000000000000", b"10000000000000003", b"3\n", b"3;a\rb",
                      b"3;a\0"):
            with self.subTest(chunk=chunk), Peer(raw(CHUNKED + chunk + b"\r\nabc\r\n0\r\n\r\n")) as peer:
                self.fails(8, peer.url())

    def test_codings(self):
        for field in (b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: chunked, gzip",
                      b"Transfer-Encoding: identity", b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: ",
                      b"Transfer-Encoding : chunked", b"Transfer\0-Encoding: chunked", b" Transfer-Encoding: chunked",
                      b"A: b\nTransfer-Encoding: chunked", b"A: b\rTransfer-Encoding: chunked",
                      b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"):
            with self.subTest(field=field), Peer(raw(OK + field + b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")) as peer:
                self.fails(8, peer.url())

    def test_escape_sequences(self):
        for data in (b"HTTP/1.1 200 \x1b]0;owned\x07\r\n\r\n", OK + b"A: \x1b[2J\r\n\r\n", OK + b"\x1b[2J: b\r\n\r\n",
                     b"HTTP/1.1 \x1b[2J\r\n\r\n", CHUNKED + b"0\r\n\x1b[2J: b\r\n\r\n"):
            with self.subTest(data=data), Peer(raw(data)) as peer:
                self.fails(8, peer.url())

    def test_other_protocols(self):
        for data in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0\0\4\0\0\0\0\0", b"\x15\3\1\0\2\2\x16",
                     b"ICY 200 OK\r\n\r\n"):
            with self.subTest(data=data), Peer(raw(data)) as peer:
                self.fails(1, peer.url())

    def test_cut_at_every_byte(self):
        data = CHUNKED + b"5\r\nhello\r\n0\r\nA: b\r\n\r\n"

        def script(connection):
            connection.request()
            connection.send(data[: connection.number - 1])

        with Peer(script) as peer:
            for sent in range(len(data)):
                self.fails(52 if sent == 0 else 18, peer.url())

    def test_bytes_behind_an_answer_answer_nothing(self):
        with Peer(serve(lambda request: answer(request.target.encode()) + answer(b"forged"))) as peer:
            urls = [peer.url("/%d" % i) for i in range(5)]
            self.assertEqual(self.passes(*urls).out, b"/0/1/2/3/4")
            self.assertEqual(peer.connections, 5)

    def test_answer_before_the_request_is_complete(self):
        body = self.write("body", b"b" * 20000000)
        for end in (reset, lambda sock: None, lambda sock: time.sleep(5)):

            def script(connection, end=end):
                connection._until(b"\r\n\r\n")
                connection.send(answer(b"too large", "413 Content Too Large"))
                end(connection.sock)

            for upload in (["-T", body], ["--data-binary", "@" + body]):
                with self.subTest(end=end, upload=upload), Peer(script) as peer:
                    self.assertEqual(self.passes("-sS", "-m", "60", *upload, peer.url()).out, b"too large")

    def test_peer_that_takes_no_body(self):
        body = self.write("body", b"b" * 20000000)
        with Peer(lambda connection: time.sleep(10)) as peer:
            for upload in (["-T", body], ["--data-binary", "@" + body]):
                code, message, cpu_s = self.measured(*upload, "-m", "1", peer.url())
                self.assertEqual(code, 28, message)
                self.assertLess(cpu_s, 0.9)

    def test_neighbours_are_unharmed(self):
        """Each second call meets an endless head; all the others are answered."""

        def script(connection):
            request = connection.request()
            if int(request.target[1:]) % 2 == 0:
                connection.send(answer(request.target.encode()))
                return
            connection.send(OK)
            while True:
                connection.send(b"A: b\r\n" * 10000)

        with Peer(script) as peer:
            urls = itertools.chain(*(["-o", "%d" % i, peer.url("/%d" % i)] for i in range(40)))
            ended = self.fetch("-sS", "-Z", *urls)
        self.assertEqual(ended.code, 56)
        self.assertEqual(ended.err.count("\n"), 20)
        self.assertEqual({name: self.read(name) for name in os.listdir(self.directory)},
                         {"%d" % i: b"/%d" % i for i in range(0, 40, 2)})


class TlsTest(HostileTest):
    def setUp(self):
        super().setUp()
        self.trust = ["--cacert", certs.tree().ca]

    @staticmethod
    def served(version, mangle):
        """A script that speaks TLS, and whose bytes go out through mangle(connection, bytes)."""
        context = tls_context()
        context.minimum_version = context.maximum_version = version

        def script(connection):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_side=True)

            def step(function, *args):
                while True:
                    try:
                        result = function(*args)
                        mangle(connection, outgoing.read())
                        return result
                    except ssl.SSLWantReadError:
                        mangle(connection, outgoing.read())
                        incoming.write(connection.sock.recv(65536))

            step(tls.do_handshake)
            step(tls.read, 65536)
            step(tls.write, answer(BODY))

        return script

    def run_many(self, script, count):
        """Exit codes of that many connections; what came through must be right."""
        with Peer(script) as peer:
            urls = itertools.chain(*(["-o", "%d" % i, peer.url("/", "https")] for i in range(count)))
            ended = self.fetch("-Z", "--parallel-max", "4", "-sS", "-m", "60", "-w", "%{exitcode} ", *self.trust, *urls)
        self.assertRegex(ended.err, r"^(fetch: \(\d+\) [ -~]+\n)*$")
        codes = ended.out.decode().split()
        self.assertEqual(len(codes), count)
        whole = os.listdir(self.directory)
        self.assertEqual(len(whole), codes.count("0"))
        for name in whole:
            self.assertEqual(self.read(name), BODY)
            os.unlink(self.path(name))
        return codes

    def test_cut_in_a_handshake(self):
        for version, end in itertools.product((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3), (None, reset)):

            def mangle(connection, data, end=end):
                left = connection.number - getattr(connection, "sent", 0)
                connection.send(data[:left])
                connection.sent = connection.number
                if left < len(data):
                    if end is not None:
                        end(connection.sock)
                    raise ConnectionError

            with self.subTest(version=version, end=end):
                self.assertEqual(set(self.run_many(self.served(version, mangle), 60)), {"35"})

    def test_flipped_bytes(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):

            def mangle(connection, data):
                at = connection.number * 9 - getattr(connection, "sent", 0)
                connection.sent = getattr(connection, "sent", 0) + len(data)
                data = bytearray(data)
                if 0 <= at < len(data):
                    data[at] ^= 0x21
                connection.sock.settimeout(1)
                connection.send(data)

            with self.subTest(version=version):
                codes = self.run_many(self.served(version, mangle), 150)
                self.assertLessEqual(set(codes), {"0", "35", "52", "56", "60"})
                self.assertIn("60" if version == ssl.TLSVersion.TLSv1_2 else "35", codes)

    def test_byte_by_byte(self):
        def mangle(connection, data):
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(data)):
                connection.send(data[i : i + 1])

        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version=version):
                self.assertEqual(self.run_many(self.served(version, mangle), 3), ["0"] * 3)

    def test_records_that_carry_nothing(self):
        context = tls_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        ccs = b"\x14\3\3\0\1\1" * 10000

        def in_handshake(connection):
            connection.sock.recv(65536)
            while True:
                connection.send(ccs)

        def in_body(connection):
            with context.wrap_socket(connection.sock, server_side=True) as tls:
                tls.recv(65536)
                tls.send(OK + b"Content-Length: 100\r\n\r\nabc")
                plain = socket.socket(fileno=os.dup(tls.fileno()))
                while True:
                    plain.sendall(ccs)

        for script, code in ((in_handshake, 35), (in_body, 56)):
            with self.subTest(code=code), Peer(script) as peer:
                self.fails(code, "-m", "5", *self.trust, peer.url("/", "https"), says="bytes without data")

    def test_certificate_message_of_too_many_names(self):
        names = ",".join("DNS:n%d.tern.test" % i for i in range(2000))
        certs.tree().leaf("many_names", names=names)
        with Peer(serve(lambda request: answer(b"")), tls=tls_context("many_names")) as peer:
            self.fails(35, *self.trust, peer.url("/", "https"), says="too many names")

    def test_reset_in_a_handshake(self):
        with Peer(lambda connection: (connection.sock.recv(5), reset(connection.sock))) as peer:
            self.fails(35, peer.url("/", "https"), says="reset")

    def test_certificate_of_unknown_algorithms(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = tls_context("odd")
            context.minimum_version = context.maximum_version = version
            with self.subTest(version=version), Peer(serve(lambda request: answer(b"")), tls=context) as peer:
                for trust in (self.trust, ["-k"]):
                    self.fails(60, *trust, peer.url("/", "https"), says="Ed25519")


class LackTest(HostileTest):
    """What fetch needs is not there."""

    def test_closed_standard_streams(self):
        """No descriptor of fetch's own may take the place of a standard stream: it would be written to."""
        body = b"01234567"  # as many bytes as an event descriptor takes
        with Peer(serve(lambda request: answer(body))) as peer:
            for closed, code in (((0,), 0), ((1,), 23), ((2,), 0), ((0, 1), 23), ((0, 1, 2), 23)):
                with self.subTest(closed=closed):
                    self.assertEqual(self.closed(closed, "-v", peer.url()), code)
                    self.assertEqual(self.closed(closed, "-v", "-o", "out", peer.url()), 0)
                    self.assertEqual(self.read("out"), body)
            self.assertEqual(self.closed((0,), "-sS", "-d", "@-", peer.url()), 26)
            for request in peer.requests:
                self.assertEqual((request.method, request.body), ("GET", b""))

    def closed(self, streams, *args):
        process = subprocess.Popen([self.program, *args], env=self.environment, cwd=self.directory,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   preexec_fn=lambda: [os.close(fd) for fd in streams])
        return process.wait(case.HANG_S)

    def test_no_descriptors(self):
        with Peer(serve(lambda request: answer(b"x"))) as peer:
            for limit in (5, 8, 20):
                urls = itertools.chain(*(["-o", "/dev/null", peer.url()] for _ in range(100)))
                code, message, cpu_s = self.measured(
                    "-Z", "--parallel-max", "64", *urls,
                    preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
                self.assertIn(code, (7, 23), message)
                self.assertIn("Too many open files", message)
                self.assertLess(cpu_s, 2)

    def test_file_size_limit(self):
        with Peer(serve(lambda request: answer(b"x" * 10000))) as peer:
            code, message, _ = self.measured(
                peer.url(), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)))
        self.assertEqual(code, 23, message)
        self.assertIn("File too large", message)
        self.assertEqual(os.listdir(self.directory), [])

    def test_secrets_are_not_shown(self):
        fields = [("Set-Cookie", "id=canary"), ("A", "\x9b31m")]
        with Peer(serve(lambda request: answer(b"", fields=fields))) as peer:
            url = "http://user:canary@127.0.0.1:%d/" % peer.port
            for args, code in (
                (["-v", url], 0),
                (["-v", "-u", "user:canary", peer.url()], 0),
                (["-v", "--oauth2-bearer", "canary", "-H", "Cookie: canary", peer.url()], 0),
                (["-v", "-H", "Proxy-Authorization: canary", peer.url()], 0),
                (["--waterfall", url], 0),
                (["-O", url], 23),
                (["-H", "Cookie: canary\x01", peer.url()], 43),
                (["http://user:canary@127.0.0.1:0/"], 3),
                (["http://user:canary@a b/"], 3),
                (["http://user:canary@127.0.0.1:1/"], 7),
            ):
                with self.subTest(args=args):
                    ended = self.fetch(*args)
                    self.assertEqual(ended.code, code, ended.err)
                    self.assertNotIn("canary", ended.err)
                    self.assertNotIn("\x9b", ended.err)
            self.assertIn("Authorization", peer.requests[0].names)

    def test_own_names_do_not_steer_the_terminal(self):
        self.write("list", b"\x1b[2Jfoo = bar\n")
        for args in (["-K", "list"], ["-T", "\x1b[2J", "http://127.0.0.1:1/"], ["-K", "\x1b[2J"]):
            with self.subTest(args=args):
                ended = self.fetch(*args)
                self.assertIn(ended.code, (2, 26))
                self.assertNotIn("\x1b", ended.err)


if __name__ == "__main__":
    case.main()
