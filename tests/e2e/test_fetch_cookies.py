"""fetch: cookies and HSTS, in files that curl reads and writes too."""

import os
import stat
import subprocess
import time
import urllib.parse

from support import case, certs
from support.peer import FetchTest, Peer, answer, serve, tls_context

HEAD = "# Netscape HTTP Cookie File\n"


def cookies(request):
    """/set?COOKIE&COOKIE sets them, /to?URL redirects there with a cookie, anything else tells what it was sent."""
    path, _, query = request.target.partition("?")
    if path.endswith("/set"):
        fields = [("Set-Cookie", urllib.parse.unquote(cookie)) for cookie in query.split("&")]
        return answer(b"", fields=fields)
    if path.endswith("/to"):
        fields = [("Location", urllib.parse.unquote(query)), ("Set-Cookie", "hop=1; Path=/")]
        return answer(b"", "302 Found", fields)
    return answer((request.get("Cookie") or "").encode())


def quoted(*cookies_):
    return "&".join(urllib.parse.quote(cookie) for cookie in cookies_)


class CookieTest(FetchTest):
    def setUp(self):
        super().setUp()
        self.peer = Peer(serve(cookies))
        self.peer.__enter__()
        self.addCleanup(self.peer.__exit__)
        self.jar = self.path("jar")

    def url(self, path, host="a.test"):
        return self.peer.url(path, host=host)

    def resolve(self):
        hosts = ("a.test", "www.a.test", "b.test", "com", "a.com")
        return [word for host in hosts for word in ("--resolve", f"{host}:{self.peer.port}:127.0.0.1")]

    def says(self, *args):
        return self.passes("-sS", *self.resolve(), *args).out.decode()

    def lines(self):
        return [line for line in self.read("jar").decode().splitlines() if line and not line.startswith("# ")]

    def test_data(self):
        self.assertEqual(self.says("-b", "a=1", self.url("/")), "a=1")
        self.assertEqual(self.says("-b", "a=1; b=2", "-b", "c=3", self.url("/")), "a=1; b=2; c=3")
        self.assertFalse(os.path.exists(self.jar))

    def test_data_stays_with_the_first_origin(self):
        for to in (self.url("/", "b.test"), self.url("/", "www.a.test")):
            self.assertEqual(self.says("-L", "-b", "a=1", self.url("/to?" + quoted(to))), "")
        self.assertEqual(self.says("-L", "-b", "a=1", self.url("/to?/x")), "a=1")

    def test_none_are_kept_unless_asked_for(self):
        self.assertEqual(self.says("-b", "x=1", self.url("/set?a=1"), self.url("/")), "x=1")

    def test_kept_for_the_run(self):
        self.assertEqual(self.says("-b", "", self.url("/set?a=1"), self.url("/")), "a=1")
        self.assertEqual(self.says("-L", "-b", "", self.url("/to?/x")), "hop=1")
        self.assertEqual(self.says("-L", "-b", "", "-b", "x=1", self.url("/to?/x")), "x=1; hop=1")
        self.assertEqual(self.says("-L", "-b", "", self.url("/to?" + quoted(self.url("/", "b.test")))), "")

    def test_kept_for_the_next_run(self):
        soon = int(time.time()) + 1000
        jar = ["-b", self.jar, "-c", self.jar]
        self.says(*jar, self.url("/x/set?" + quoted("a=1", "b=2; Domain=a.test; Path=/; HttpOnly",
                                                    "c=3; Max-Age=1000; Path=/", "d=4; Secure", "e=5; Domain=test")))
        lines = self.lines()
        self.assertEqual(lines[:2], ["a.test\tFALSE\t/x\tFALSE\t0\ta\t1", "#HttpOnly_.a.test\tTRUE\t/\tFALSE\t0\tb\t2"])
        self.assertRegex(lines[2], r"^a\.test\tFALSE\t/\tFALSE\t\d+\tc\t3$")
        self.assertLess(abs(int(lines[2].split("\t")[4]) - soon), 300)
        self.assertEqual(len(lines), 3)
        self.assertEqual(stat.S_IMODE(os.stat(self.jar).st_mode), 0o600)
        self.assertEqual(self.says(*jar, self.url("/x/")), "a=1; b=2; c=3")
        self.assertEqual(self.says(*jar, self.url("/", "www.a.test")), "b=2")
        self.assertEqual(self.says(*jar, "-j", self.url("/x/")), "c=3")
        self.assertEqual(len(self.lines()), 1)
        self.says(*jar, self.url("/set?" + quoted("c=; Max-Age=0; Path=/")))
        self.assertEqual(self.lines(), [])
        self.assertEqual(os.listdir(self.directory), ["jar"])

    def test_to_the_standard_output(self):
        self.assertEqual(self.says("-c", "-", self.url("/set?a=1")), HEAD + "a.test\tFALSE\t/\tFALSE\t0\ta\t1\n")
        self.assertEqual(self.says("-c", "/dev/null", self.url("/set?a=1")), "")

    def test_from_the_standard_input(self):
        ended = self.passes("-sS", *self.resolve(), "-b", "-", self.url("/"),
                            stdin=b"a.test\tFALSE\t/\tFALSE\t0\ta\t1\n")
        self.assertEqual(ended.out, b"a=1")

    def test_lines_that_cannot_be_read(self):
        self.write("jar", HEAD + "<html>\na.test\tFALSE\t/\tFALSE\t0\ta\t1\na.test\tFALSE\t/\tFALSE\tsoon\tb\t2\n")
        ended = self.fetch("-sS", *self.resolve(), "-b", self.jar, self.url("/"))
        self.assertEqual((ended.code, ended.out), (0, b"a=1"))
        self.assertEqual(ended.err.splitlines(),
                         [f"fetch: {self.jar}, line 2 is left out: not seven fields with tabs between them",
                          f"fetch: {self.jar}, line 4 is left out: the time to expire is no number of seconds"])
        self.assertEqual(self.fetch("-s", *self.resolve(), "-b", self.jar, self.url("/")).err, "")

    def test_files_that_are_not_there(self):
        ended = self.fetch("-sS", *self.resolve(), "-b", self.path("none"), self.url("/"))
        self.assertEqual((ended.code, ended.err),
                         (0, f"fetch: option -b: there is no file '{self.path('none')}': no cookies from there\n"))
        ended = self.fetch("-sS", "-b", self.directory, self.url("/"))
        self.assertEqual(ended.code, 26)
        ended = self.fetch("-sS", *self.resolve(), "-c", self.path("no/where"), self.url("/"))
        self.assertEqual(ended.code, 23)
        self.assertIn("cannot be written", ended.err)

    def test_nobody_sets_cookies_for_all(self):
        for host, domain in (("a.com", "com"), ("a.com", "."), ("com", "com"), ("a.test", "b.test")):
            self.says("-c", self.jar, self.url("/set?" + quoted(f"x=1; Domain={domain}"), host))
            self.assertNotIn("TRUE", self.read("jar").decode().replace(HEAD, ""))
            self.assertEqual(self.says("-b", self.jar, self.url("/", "b.test")), "")

    def test_a_flood(self):
        """More than the jar holds, and 4 KB each."""
        many = "&".join(f"n{i}={'v' * 200}" for i in range(200))
        self.says("-b", self.jar, "-c", self.jar, self.url("/set?" + many), self.url("/set?big=" + "v" * 4093),
                  self.url("/set?huge=" + "v" * 4094))
        lines = self.lines()
        self.assertEqual(len(lines), 180)
        self.assertTrue(any("\tbig\t" in line for line in lines))
        self.assertFalse(any("\thuge\t" in line for line in lines))
        self.assertLess(len(self.says("-b", self.jar, self.url("/"))), 8191)

    # ---- beside curl ----

    def curl(self, *args):
        case.require(any(os.access(os.path.join(folder, "curl"), os.X_OK)
                         for folder in os.environ["PATH"].split(":")), "curl")
        return subprocess.run(["curl", "-q", "-sS", *self.resolve(), *args], env=self.environment, check=True,
                              capture_output=True, timeout=case.HANG_S).stdout.decode()

    SET = ("a=1", "b=2; Domain=a.test; Path=/", "c=3; Max-Age=1000; HttpOnly", "d=x=y; Path=/x/y", "e=; Path=/",
           "f=sp ace \"q\"; Domain=.a.test; Expires=Fri, 31-Dec-2027 23:59:59 GMT; Path=/")
    ASKED = (("/", "a.test"), ("/x/", "a.test"), ("/x/y", "a.test"), ("/x/yz", "a.test"), ("/", "www.a.test"),
             ("/x/y/z", "www.a.test"), ("/", "b.test"))

    def same(self, path, host):
        """Both send the same, but in an order of their own: curl's is not the RFC's."""
        args = ("-b", self.jar, self.url(path, host))
        self.assertEqual(sorted(self.curl(*args).split("; ")), sorted(self.says(*args).split("; ")))

    def test_curl_reads_what_fetch_writes(self):
        self.says("-c", self.jar, self.url("/x/set?" + quoted(*self.SET)))
        for path, host in self.ASKED:
            self.same(path, host)

    def test_fetch_reads_what_curl_writes(self):
        self.curl("-c", self.jar, self.url("/x/set?" + quoted(*self.SET)))
        for path, host in self.ASKED:
            self.same(path, host)

    def test_there_and_back(self):
        self.says("-c", self.jar, self.url("/x/set?" + quoted(*self.SET)))
        first = sorted(self.lines())
        self.assertEqual(len(first), len(self.SET))
        self.curl("-b", self.jar, "-c", self.jar, self.url("/"))
        self.assertEqual(sorted(self.lines()), first)
        self.says("-b", self.jar, "-c", self.jar, self.url("/"))
        self.assertEqual(sorted(self.lines()), first)


class HstsTest(FetchTest):
    """A host that wants TLS, on a port of its own: http goes there too."""

    def setUp(self):
        super().setUp()
        respond = serve(lambda request: answer(b"safe", fields=[("Strict-Transport-Security",
                                                                 "max-age=10000; includeSubDomains")]))
        self.peer = Peer(respond, tls=tls_context())
        self.peer.__enter__()
        self.addCleanup(self.peer.__exit__)
        self.file = self.path("hsts")
        self.options = ["-sS", "--hsts", self.file, "--cacert", certs.tree().cert("ca")]

    def url(self, scheme):
        return self.peer.url(scheme=scheme, host="localhost")

    def test_remembered(self):
        self.assertNotEqual(self.fetch(*self.options, self.url("http")).code, 0)
        self.assertEqual(self.passes(*self.options, self.url("https")).out, b"safe")
        self.assertRegex(self.read("hsts").decode(), r'^\.localhost "\d{8} \d\d:\d\d:\d\d"\n$')
        self.assertEqual(self.passes(*self.options, self.url("http")).out, b"safe")

    def test_for_the_run_alone(self):
        self.options[2] = ""
        self.assertEqual(self.passes(*self.options, self.url("https"), self.url("http")).out, b"safesafe")
        self.assertEqual(os.listdir(self.directory), [])

    def test_lines_that_cannot_be_read(self):
        self.write("hsts", "what is this\nlocalhost \"unlimited\"\n")
        ended = self.fetch(*self.options, self.url("http"))
        self.assertEqual((ended.code, ended.out), (0, b"safe"))
        self.assertEqual(ended.err, f"fetch: {self.file}: 1 lines cannot be read and are left out\n")

    def test_curl_too(self):
        case.require(any(os.access(os.path.join(folder, "curl"), os.X_OK)
                         for folder in os.environ["PATH"].split(":")), "curl")

        def curl(scheme):
            return subprocess.run(["curl", "-q", *self.options, self.url(scheme)], env=self.environment,
                                  capture_output=True, timeout=case.HANG_S).stdout

        self.passes(*self.options, self.url("https"))
        self.assertEqual(curl("http"), b"safe")
        os.unlink(self.file)
        self.assertEqual(curl("https"), b"safe")
        self.assertEqual(self.passes(*self.options, self.url("http")).out, b"safe")


if __name__ == "__main__":
    case.main()
