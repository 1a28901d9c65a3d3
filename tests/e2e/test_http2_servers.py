"""HTTP/2 with real servers, agreed by ALPN and by prior knowledge: bodies both ways, heads, many calls at once."""
import hashlib
import json
import os
import re
import subprocess

from support import case, servers
from test_origin import pattern

CALLS = 1000
AT_ONCE = 100


class Http2Cases:
    """What every one of them must do. Subclasses say which server, and what it has."""
    make = None
    echo = "/echo"  # gives a request's body back
    no_content = "/204"
    large = "/large"
    trailers = None  # has some
    paths = {name: "/" + name for name in ("empty", "byte", "mib", "big")}

    @classmethod
    def setUpClass(cls):
        cls.server = cls.make()
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        cls.digests = {**servers.SHA256, "big": cls.server.add_big()}

    def get(self, listener, path, *args, **options):
        how = "--http2-prior-knowledge" if listener == "h2c" else "--http2"
        return self.fetch_ok(how, "--cacert", self.server.tree.ca, *args, self.server.url(path, listener), **options)

    def told(self, listener, path, *args):
        return self.get(listener, path, "-o", os.devnull, "-w", "%{http_version} %{http_code} %{size_download}",
                        *args).decode()

    def each(self):
        for listener in servers.HTTP2:
            with self.subTest(listener=listener):
                yield listener

    def test_it_is_http_2(self):
        for listener in self.each():
            self.assertEqual(self.told(listener, self.paths["byte"]), "2 200 1")

    def test_bodies(self):
        for listener in self.each():
            for name, path in self.paths.items():
                with self.subTest(file=name):
                    body = self.get(listener, path)
                    self.assertEqual(hashlib.sha256(body).hexdigest(), self.digests[name])

    def test_head_has_a_length_and_no_body(self):
        for listener in self.each():
            head = self.get(listener, self.paths["mib"], "-I").decode().lower()
            self.assertRegex(head, r"^http/2 200")
            self.assertIn("content-length: 1048576\r\n", head)
            self.assertTrue(head.endswith("\r\n\r\n"))

    def test_answers_without_a_body(self):
        for listener in self.each():
            if self.no_content:
                self.assertEqual(self.told(listener, self.no_content), "2 204 0")
            head = self.get(listener, self.paths["mib"], "-I").decode()
            modified = re.search(r"(?i)^last-modified: (.*)\r$", head, re.M)
            if modified:
                since = f"If-Modified-Since: {modified.group(1)}"
                self.assertEqual(self.told(listener, self.paths["mib"], "-H", since), "2 304 0")

    def test_head_of_an_answer_larger_than_a_frame(self):
        if self.large is None:
            return
        for listener in self.each():
            head = self.get(listener, self.large, "-I").decode().lower()
            for name, value in servers.LARGE_FIELDS.items():
                self.assertIn(f"\r\n{name.lower()}: {value}\r\n", head)

    def test_head_of_a_request_of_many_kilobytes(self):
        fields = [arg for i in range(3) for arg in ("-H", f"Large-{i}: " + "~" * 2000)]
        for listener in self.each():
            self.assertEqual(self.told(listener, self.paths["byte"], *fields), "2 200 1")

    def test_trailers(self):
        if self.trailers is None:
            return
        for listener in self.each():
            how = "--http2-prior-knowledge" if listener == "h2c" else "--http2"
            url = self.server.url(self.trailers, listener)
            told = subprocess.run([case.program("TERN_MIXED"), how, "--cacert", self.server.tree.ca, "--calls", "10",
                                   url],
                                  capture_output=True, env=case.environment(), timeout=case.HANG_S, check=True)
            told = json.loads(told.stdout)
            self.assertEqual((told["http_2"], told["trailers"], told["failures"]), (10, 10, []))

    def test_upload(self):
        for listener in self.each():
            for args in (["--data-binary", "@-"], ["-T", "-"]):
                with self.subTest(args=args):
                    echoed = self.get(listener, self.echo, *args, "-X", "POST", "-H", "Expect:",
                                      stdin=servers.FILES["mib"])
                    self.assertEqual(hashlib.sha256(echoed).hexdigest(), servers.SHA256["mib"])

    def test_thousand_calls_on_one_connection(self):
        for listener in self.each():
            line = f'url = "{self.server.url(self.paths["byte"], listener)}"\noutput = "{os.devnull}"\n'
            path = self.server.write("list", line * (CALLS - 1))
            lines = self.get(listener, self.paths["byte"], "-o", os.devnull, "-Z", "--parallel-max", AT_ONCE, "-K",
                             path,
                             "-w", "%{http_version} %{http_code} %{num_connects}\n").decode().splitlines()
            self.assertEqual(len(lines), CALLS)
            self.assertEqual({line[:5] for line in lines}, {"2 200"})
            self.assertEqual(sum(int(line.split()[2]) for line in lines), 1)


class Nginx(Http2Cases, case.Case):
    make = servers.Nginx

    def test_upload(self):  # it keeps what it is given, and gives nothing back
        for listener in self.each():
            told = self.get(listener, "/dav/" + listener, "-T", self.server.path("www", "mib"), "-o", os.devnull,
                            "-w", "%{http_version} %{http_code} %{size_upload}")
            self.assertEqual(told, b"2 201 1048576")
            with open(self.server.path("tmp", "dav", listener), "rb") as file:
                self.assertEqual(hashlib.file_digest(file, "sha256").hexdigest(), servers.SHA256["mib"])


class Apache(Http2Cases, case.Case):
    make = servers.Apache
    echo = "/proxied/echo"


class H2o(Http2Cases, case.Case):
    make = servers.H2o


class Nghttpd(Http2Cases, case.Case):
    make = servers.Nghttpd
    echo = "/"
    no_content = None
    large = None
    trailers = "/mib"


class Haproxy(Http2Cases, case.Case):
    make = servers.Haproxy
    no_content = "/status/204"
    large = None  # more than its buffer takes
    trailers = "/trailers/10"
    paths = {name: f"/bytes/{size}"
             for name, size in (("empty", 0), ("byte", 1), ("mib", 1 << 20), ("big", servers.BIG_BYTES))}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.digests = {name: hashlib.sha256(pattern(int(path.rpartition("/")[2]))).hexdigest()
                       for name, path in cls.paths.items()}


class Caddy(Http2Cases, case.Case):
    make = servers.Caddy


if servers.is_absent("h2o"):
    print("h2o is known not to be in this distribution: its tests are left out")
    del H2o

if __name__ == "__main__":
    case.main()
