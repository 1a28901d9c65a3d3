"""fetch: exit codes, limits, many URLs."""

import base64
import hashlib
import os
import shutil
import ssl
import subprocess

from support import case, certs
from support.peer import FetchTest, Peer, answer, serve, tls_context


def raw(data):
    """A script that answers the first request with these bytes and ends the connection."""

    def script(connection):
        connection.request()
        connection.send(data)

    return script


class ExitTest(FetchTest):
    def fails(self, code, *args):
        ended = self.fetch("-o", "out", *args)
        self.assertEqual((ended.code, ended.out), (code, b""), ended.err)
        self.assertRegex(ended.err, r"^fetch: \(%d\) \S.*\n$" % code)
        self.assertEqual(os.listdir(self.directory), [])
        return ended.err

    def test_urls(self):
        self.fails(3, "http://127.0.0.1:99999/")
        self.fails(3, "http:///path")
        self.fails(3, "http://a b/")
        self.fails(3, "http://x/\x01")
        self.fails(1, "gopher://127.0.0.1/")

    def test_peer(self):
        for code, data in (
            (52, b""),
            (18, answer(b"0123456789")[:-1]),
            (18, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
            (8, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
            (8, b"HTTP/1.1 200 OK\nContent-Length: 1\n\na"),
            (1, b"HTTP/3.7 200 OK\r\n\r\n"),
            (56, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200000 + b"\r\n\r\n"),
        ):
            with self.subTest(data=data[:60]), Peer(raw(data)) as peer:
                self.fails(code, peer.url())

    def test_status_with_fail(self):
        for status in ("400 Bad Request", "404 Not Found", "599 Odd"):
            with Peer(serve(lambda request, status=status: answer(b"text", status))) as peer:
                self.assertIn(status[:3], self.fails(22, "-f", peer.url()))
        with Peer(serve(lambda request: answer(b"text", "399 Odd"))) as peer:
            self.assertEqual(self.passes("-f", peer.url()).out, b"text")

    def test_status_is_known_after_fail(self):
        with Peer(serve(lambda request: answer(b"text", "404 Not Found"))) as peer:
            ended = self.fetch("-sf", "-w", "%{http_code} %{exitcode}", peer.url())
            self.assertEqual((ended.code, ended.out), (22, b"404 22"))

    def test_body_size(self):
        with Peer(serve(lambda request: answer(b"x" * 2049))) as peer:
            self.fails(63, "--max-filesize", "2k", peer.url())
            for enough in ("2049", "3k", "1M", "1g"):
                self.passes("-o", "/dev/null", "--max-filesize", enough, peer.url())
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunked = head + b"400\r\n" + b"x" * 1024 + b"\r\n" + b"0\r\n\r\n"
        with Peer(raw(chunked)) as peer:
            self.fails(63, "--max-filesize", "1023", peer.url())

    def test_several_urls_fail_if_one_does(self):
        with Peer(serve(lambda request: answer(b"ok"))) as peer:
            ended = self.fetch("-s", peer.url(), "http://127.0.0.1:1/", peer.url())
            self.assertEqual((ended.code, ended.out), (7, b"okok"))


class TlsTest(FetchTest):
    def setUp(self):
        super().setUp()
        self.ca = certs.tree().ca

    def peer(self, **options):
        return Peer(serve(lambda request: answer(b"safe")), tls=tls_context(**options))

    def code(self, *args):
        return self.fetch("-s", *args).code

    def test_trust(self):
        with self.peer() as peer:
            url = peer.url(scheme="https")
            self.assertEqual(self.passes("--cacert", self.ca, url).out, b"safe")
            self.assertEqual(self.code("--cacert", certs.tree().cert("other_ca"), url), 60)
            self.assertEqual(self.code(url), 60)
            self.assertEqual(self.passes("-k", url).out, b"safe")
            self.assertEqual(self.code("--cacert", "/nonexistent", url), 77)

    def test_verify_result(self):
        format = "%{ssl_verify_result} %{exitcode} %{time_appconnect}"
        for name, number in (("good", 0), ("expired", 10), ("future", 9), ("self", 18), ("unknown", 20), ("wrong", 62)):
            with self.subTest(name=name), self.peer(name=name) as peer:
                url = peer.url(scheme="https")
                ended = self.fetch("-s", "--cacert", self.ca, "-o", "/dev/null", "-w", format, url)
                self.assertEqual(ended.code, 60 if number else 0)
                self.assertRegex(ended.out.decode(), r"^%d %d %s$" % (number, ended.code,
                                                                      r"0\.0{6}" if number else r"0\.0*[1-9]\d*"))
                ended = self.passes("-k", "--cacert", self.ca, "-o", "/dev/null", "-w", format, url)
                self.assertRegex(ended.out.decode(), r"^%d 0 0\.0*[1-9]\d*$" % number)

    def test_ca_directory(self):
        os.mkdir(self.path("cas"))
        shutil.copy(self.ca, self.path("cas/ours.pem"))
        with self.peer() as peer:
            self.assertEqual(self.passes("--capath", self.path("cas"), peer.url(scheme="https")).out, b"safe")

    def pin(self, name):
        def openssl(*args, stdin=None):
            return subprocess.run(["openssl", *args], input=stdin, check=True, capture_output=True).stdout

        key = openssl("pkey", "-in", certs.tree().key(name), "-pubout", "-outform", "DER")
        return "sha256//" + base64.b64encode(hashlib.sha256(key).digest()).decode()

    def test_pins(self):
        with self.peer() as peer:
            args = ["--cacert", self.ca, peer.url(scheme="https")]
            self.assertEqual(self.passes("--pinnedpubkey", self.pin("good"), *args).out, b"safe")
            self.assertEqual(self.passes("--pinnedpubkey", self.pin("rsa") + ";" + self.pin("good"), *args).out,
                             b"safe")
            self.assertEqual(self.code("--pinnedpubkey", self.pin("rsa"), *args), 90)

    def test_no_tls_there(self):
        with Peer(lambda connection: connection.send(answer(b"plain"))) as peer:
            self.assertEqual(self.code("-k", peer.url(scheme="https")), 35)

    def test_versions(self):
        for flags, version in ((["--tlsv1.3"], ssl.TLSVersion.TLSv1_2), (["--tls-max", "1.2"], ssl.TLSVersion.TLSv1_3)):
            context = tls_context()
            context.minimum_version = context.maximum_version = version
            with Peer(serve(lambda request: answer(b"safe")), tls=context) as peer:
                url = peer.url(scheme="https")
                self.assertEqual(self.passes("-k", url).out, b"safe")
                self.assertEqual(self.code("-k", *flags, url), 35)

    def test_client_certificate(self):
        tree = certs.tree()
        with self.peer(trusted=self.ca) as peer:
            url = peer.url(scheme="https")
            self.assertEqual(self.passes("-k", "-E", tree.cert("client"), "--key", tree.key("client"), url).out,
                             b"safe")
            self.assertIn(self.code("-k", url), (35, 52, 55, 56))
            self.assertEqual(self.code("-k", "--cert", "/nonexistent", url), 58)

    def test_client_certificate_with_password(self):
        tree = certs.tree()
        subprocess.run(["openssl", "pkcs8", "-topk8", "-in", tree.key("client"), "-out", self.path("key"), "-v2",
                        "aes256",
                        "-passout", "pass:a:b"], check=True, capture_output=True)
        # One file with both in it, its name with a colon.
        both = self.write("with:colon", self.read(tree.cert("client")) + self.read("key"))
        with self.peer(trusted=self.ca) as peer:
            url = peer.url(scheme="https")
            escaped = both.replace(":", "\\:")
            self.assertEqual(self.passes("-k", "-E", escaped + ":a:b", url).out, b"safe")
            self.assertEqual(self.code("-k", "-E", escaped + ":wrong", url), 58)

    def test_key_log(self):
        self.environment["SSLKEYLOGFILE"] = self.path("keys")
        with self.peer() as peer:
            self.passes("-k", "-o", "/dev/null", peer.url(scheme="https"))
        self.assertRegex(self.read("keys").decode(), r"(?m)^CLIENT_(RANDOM|TRAFFIC_SECRET_0) [0-9a-f]{64} [0-9a-f]+$")


class ManyTest(FetchTest):
    def test_serial_urls_share_a_connection(self):
        with Peer(serve(lambda request: answer(request.target.encode()))) as peer:
            self.assertEqual(self.passes(*(peer.url("/%d" % i) for i in range(5))).out, b"/0/1/2/3/4")
            self.assertEqual(peer.connections, 1)

    def test_list_in_parallel(self):
        count, parallel = 2000, 8
        with Peer(serve(lambda request: answer(b"x"))) as peer:
            lines = "".join('url = "%s"\noutput = "/dev/null"\n' % peer.url("/%d" % i) for i in range(count))
            ended = self.fetch("-s", "-Z", "--parallel-max", str(parallel), "-w", "%{http_code}%{num_connects}\n", "-K",
                               self.write("list", lines))
            self.assertEqual((ended.code, ended.err), (0, ""))
            seen = ended.out.decode().split()
            self.assertEqual(len(seen), count)
            self.assertEqual(set(seen), {"2000", "2001"})
            self.assertEqual(seen.count("2001"), peer.connections)
            self.assertEqual(peer.connections, parallel)
            self.assertEqual(sorted(request.target for request in peer.requests),
                             sorted("/%d" % i for i in range(count)))

    def test_one_of_many_fails_alone(self):
        def respond(request):
            return answer(request.target.encode(), "404 Not Found" if request.target == "/3" else "200 OK")

        with Peer(serve(respond)) as peer:
            ended = self.fetch("-sfZ", *(peer.url("/%d" % i) for i in range(6)))
            self.assertEqual(ended.code, 22)
            self.assertEqual(sorted(ended.out.decode().split("/")[1:]), ["0", "1", "2", "4", "5"])


if __name__ == "__main__":
    case.main()
