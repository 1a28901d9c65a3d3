"""Fetches from real servers: bodies, methods, reuse, TLS versions, Unix sockets."""
import hashlib
import os

from support import case, servers


class WebServerCases:
    """What every one of them must do. Subclasses say which server."""
    make = None
    echo = None  # a path that gives a request's body back

    @classmethod
    def setUpClass(cls):
        cls.server = cls.make()
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)

    def get(self, path, listener="plain", *args):
        return self.fetch_ok(*args, "--http1.1", "--cacert", self.server.tree.ca, self.server.url(path, listener))

    def test_bodies_over_every_listener(self):
        for listener in ("plain", *servers.GOOD):
            if listener not in self.server.ports:
                continue
            for name in ("empty", "byte", "mib"):
                with self.subTest(listener=listener, file=name):
                    body = self.get("/" + name, listener)
                    self.assertEqual(hashlib.sha256(body).hexdigest(), servers.SHA256[name])

    def test_versions_of_tls(self):
        self.assertEqual(self.get("/byte", "tls", "--tls-max", "1.2"), b"x")
        self.assertEqual(self.get("/byte", "tls", "--tlsv1.3"), b"x")
        if "tls12" in self.server.ports:
            ca = self.server.tree.ca
            self.assert_exit(35, "--cacert", ca, "--tlsv1.3", self.server.url("/byte", "tls12"))
            self.assert_exit(35, "--cacert", ca, "--tls-max", "1.2", self.server.url("/byte", "tls13"))

    def test_head_has_a_length_and_no_body(self):
        head = self.get("/mib", "plain", "-I").decode().lower()
        self.assertRegex(head, r"^http/1\.1 200")
        self.assertIn("content-length: 1048576\r\n", head)
        self.assertTrue(head.endswith("\r\n\r\n"))

    def test_missing_is_404_and_not_an_error(self):
        told = self.get("/missing", "plain", "-o", os.devnull, "-w", "%{http_code}")
        self.assertEqual(told, b"404")
        self.assert_exit(22, "-f", self.server.url("/missing"), says="404")

    def test_second_url_reuses_the_connection(self):
        for listener in ("plain", "tls"):
            with self.subTest(listener=listener):
                url = self.server.url("/byte", listener)
                told = self.get("/byte", listener, "-o", os.devnull, "-o", os.devnull, "-w", "%{num_connects} ", url)
                self.assertEqual(told.split(), [b"1", b"0"])

    def test_range(self):
        body = self.get("/mib", "plain", "-r", "1000-1999")
        self.assertEqual(body, servers.FILES["mib"][1000:2000])

    def test_echo(self):
        if self.echo is None:
            return
        body = servers.FILES["mib"]
        for listener in ("plain", "tls"):
            for args in (["--data-binary", "@-"], ["-T", "-"]):
                with self.subTest(listener=listener, args=args):
                    url = self.server.url(self.echo, listener)
                    echoed = self.fetch_ok("--http1.1", "--cacert", self.server.tree.ca, *args, "-H", "Expect:",
                                           "-X", "POST", url, stdin=body)
                    self.assertEqual(hashlib.sha256(echoed).hexdigest(), servers.SHA256["mib"])


class UnixSocketCases:
    def test_unix_socket(self):
        body = self.fetch_ok("--unix-socket", self.server.socket_path, "http://any.test/mib")
        self.assertEqual(hashlib.sha256(body).hexdigest(), servers.SHA256["mib"])


class Nginx(WebServerCases, UnixSocketCases, case.Case):
    make = servers.Nginx

    def test_put(self):
        url = self.server.url("/dav/put", "tls")
        source = self.server.path("www", "mib")
        ca = self.server.tree.ca
        told = self.fetch_ok("--cacert", ca, "-T", source, "-o", os.devnull, "-w", "%{http_code} %{size_upload}", url)
        self.assertEqual(told, b"201 1048576")
        with open(self.server.path("tmp", "dav", "put"), "rb") as file:
            self.assertEqual(hashlib.sha256(file.read()).hexdigest(), servers.SHA256["mib"])

    def test_each_wrong_certificate_has_its_own_message(self):
        texts = {
            "expired": "expired",
            "future": "not valid before",
            "wrong": "not for localhost but for other.test",
            "unknown": 'signed by "tern test other_ca", which is not trusted',
            "self": "signed by itself",
            "weak_key": "weak key",
            "weak_hash": "weak hash",
        }
        for name, text in texts.items():
            with self.subTest(certificate=name):
                url = self.server.url("/byte", name)
                self.assert_exit(60, "--cacert", self.server.tree.ca, url, says=text)
                self.assertEqual(self.fetch_ok("-k", url), b"x")

    def test_names_in_the_certificate(self):
        port = self.server.ports["tls"]
        ca = self.server.tree.ca
        for host in ("a.tern.test", "A.TERN.test"):
            resolve = f"{host}:{port}:127.0.0.1"
            self.assertEqual(self.fetch_ok("--cacert", ca, "--resolve", resolve, f"https://{host}:{port}/byte"), b"x")
        for host in ("tern.test", "a.b.tern.test", "localhost.test"):
            with self.subTest(host=host):
                self.assert_exit(60, "--cacert", ca, "--resolve", f"{host}:{port}:127.0.0.1",
                                 f"https://{host}:{port}/byte", says=f"not for {host} but for localhost, ")
        self.assertEqual(self.fetch_ok("--cacert", ca, self.server.url("/byte", "tls", host="127.0.0.1")), b"x")

    def test_without_the_authority_it_is_not_trusted(self):
        self.assert_exit(60, self.server.url("/byte", "tls"), says="not trusted")


class Apache(WebServerCases, case.Case):
    make = servers.Apache
    echo = "/echo"


class H2o(WebServerCases, UnixSocketCases, case.Case):
    make = servers.H2o
    echo = "/echo"


if servers.is_absent("h2o"):
    print("h2o is known not to be in this distribution: its tests are left out")
    del H2o

if __name__ == "__main__":
    case.main()
