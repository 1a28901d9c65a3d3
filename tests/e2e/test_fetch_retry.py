"""fetch: retries, their times and limits; rates; a budget."""
import re
import threading
import time

from support import case, servers
from support.peer import FetchTest, Peer, answer, serve


def failing(times, status="503 Service Unavailable", fields=(), after=answer(b"well again")):
    """The first so many requests are answered with status."""
    seen = []

    def respond(request):
        seen.append(request)
        return answer(b"not yet", status, fields) if len(seen) <= times else after

    return serve(respond)


QUICK = ["--retry-delay", "0.01"]


class RetryTest(FetchTest):
    def test_off_until_asked_for(self):
        for args in ([], ["--retry", "0"], ["--retry-all-errors"]):
            with self.subTest(args=args), Peer(failing(1)) as peer:
                self.assertEqual(self.passes("-sS", *args, peer.url()).out, b"not yet")
                self.assertEqual(len(peer.requests), 1)

    def test_until_it_is_well(self):
        with Peer(failing(2)) as peer:
            ended = self.passes("-sS", "--retry", "3", *QUICK, "-w", " %{num_retries} %{http_code}", peer.url())
            self.assertEqual((ended.out, len(peer.requests)), (b"well again 2 200", 3))

    def test_the_last_answer_is_the_answer(self):
        with Peer(failing(9)) as peer:
            ended = self.passes("-sS", "--retry", "2", *QUICK, "-w", " %{num_retries}", peer.url())
            self.assertEqual((ended.out, len(peer.requests)), (b"not yet 2", 3))
        with Peer(failing(9)) as peer:
            ended = self.fetch("-sS", "-f", "--retry", "1", *QUICK, "-o", "out", peer.url())
            self.assertEqual((ended.code, len(peer.requests)), (22, 2))
        with Peer(failing(9)) as peer:
            ended = self.fetch("-sS", "--fail-with-body", "--retry", "1", *QUICK, peer.url())
            self.assertEqual((ended.code, ended.out, len(peer.requests)), (22, b"not yet", 2))

    def test_it_says_so_unless_silent(self):
        with Peer(failing(2)) as peer:
            ended = self.fetch("-q", "--retry", "2", *QUICK, peer.url())
            self.assertEqual(re.findall(r"fetch: (.*)", ended.err),
                             ["the answer has status 503: trying again in 0.010 s (1 of 2)",
                              "the answer has status 503: trying again in 0.010 s (2 of 2)"])

    def test_which_statuses(self):
        passing = {408, 429, 500, 502, 503, 504, 522, 524}
        for status in (400, 403, 404, 408, 409, 429, 451, 500, 501, 502, 503, 504, 505, 522, 524, 530):
            for args, again in ((["--retry", "1"], status in passing),
                                (["-f", "--retry", "1", "--retry-all-errors"], True),
                                (["--retry", "1", "--retry-all-errors"], status in passing)):
                with self.subTest(status=status, args=args), Peer(failing(1, f"{status} X")) as peer:
                    self.fetch("-sS", *args, *QUICK, peer.url())
                    self.assertEqual(len(peer.requests), 1 + again)

    def test_which_failures(self):
        def dropping(connection):
            request = connection.request()
            if connection.number > 1 and request is not None:
                connection.send(answer(b"well again"))

        for args, code in ((["--retry", "2"], 52), (["--retry", "2", "--retry-all-errors"], 0)):
            with self.subTest(args=args), Peer(dropping) as peer:
                self.assertEqual(self.fetch("-sS", *args, *QUICK, peer.url()).code, code)
        for args, tries in (([], 1), (["--retry-connrefused"], 3), (["--retry-all-errors"], 3)):
            with self.subTest(args=args):
                ended = self.fetch("-q", "--retry", "2", *QUICK, *args, "-w", "%{num_retries}", "http://127.0.0.1:1/")
                self.assertEqual((ended.code, ended.out), (7, str(tries - 1).encode()))

    def test_max_time_is_for_each_try(self):
        def slow(connection):
            connection.request()
            if connection.number == 1:
                connection.request()  # never answers, and waits for the other side to go
            else:
                connection.send(answer(b"in time"))

        with Peer(slow) as peer:
            self.assertEqual(self.fetch("-sS", "-m", "0.3", peer.url()).code, 28)
        with Peer(slow) as peer:
            ended = self.passes("-sS", "-m", "4", "--retry", "1", *QUICK, "-w", " %{num_retries}", peer.url())
            self.assertEqual(ended.out, b"in time 1")
        with Peer(lambda connection: [connection.request(), connection.request()]) as peer:
            ended = self.fetch("-sS", "-m", "0.3", "--retry", "1", *QUICK, peer.url())
            self.assertEqual((ended.code, peer.connections), (28, 2))
            self.assertIn("the attempt took too long", ended.err)

    def test_retry_after_and_the_time_for_retries(self):
        for value in ("2", "900", "901", "99999999999999999999999999"):
            with self.subTest(value=value), Peer(failing(1, fields=[("Retry-After", value)])) as peer:
                ended = self.passes("-sS", "--retry", "3", *QUICK, "--retry-max-time", "1", peer.url())
                self.assertEqual((ended.out, len(peer.requests)), (b"not yet", 1))
        with Peer(failing(1, fields=[("Retry-After", "1")])) as peer:
            before = time.monotonic()
            self.assertEqual(self.passes("-sS", "--retry", "3", *QUICK, peer.url()).out, b"well again")
            self.assertGreaterEqual(time.monotonic() - before, 1)

    def test_the_pauses_double(self):
        with Peer(failing(2)) as peer:
            before = time.monotonic()
            ended = self.fetch("-q", "--retry", "2", peer.url())
            self.assertGreaterEqual(time.monotonic() - before, 3)
            self.assertEqual(re.findall(r"in (\S+) s", ended.err), ["1.000", "2.000"])

    def test_only_what_may_be_sent_twice(self):
        file = self.write("file", "content")
        for args, again in ((["-d", "x"], False), (["-X", "PATCH"], False), (["-X", "DELETE"], True),
                            (["-T", file], True),
                            (["-I"], True), (["-d", "x", "-H", "Idempotency-Key: 1"], True),
                            (["-d", "x", "--retry-all-errors"], True)):
            with self.subTest(args=args):
                def respond(request, seen=[]):  # one list for each definition
                    seen.append(request)
                    return answer(b"", "503 X" if len(seen) == 1 else "200 OK")

                with Peer(serve(respond)) as peer:
                    ended = self.passes("-sS", "--retry", "1", *QUICK, *args, "-o", "out", "-w", "%{http_code}",
                                        peer.url())
                    self.assertEqual((len(peer.requests), ended.out), (1 + again, b"200" if again else b"503"))
                    self.assertEqual(len({request.body for request in peer.requests}), 1)

    def test_an_upload_that_cannot_be_had_again(self):
        with Peer(failing(1)) as peer:
            ended = self.passes("-sS", "--retry", "2", *QUICK, "-T", "-", peer.url("/x"), stdin=b"once")
            self.assertEqual((ended.out, len(peer.requests)), (b"not yet", 1))
        with Peer(failing(1)) as peer:  # what -d reads it keeps
            ended = self.passes("-sS", "--retry", "2", *QUICK, "-X", "PUT", "-d", "@-", peer.url("/x"), stdin=b"kept")
            self.assertEqual([request.body for request in peer.requests], [b"kept", b"kept"])

    def test_a_body_that_has_begun_is_not_begun_again(self):
        def half(connection):
            connection.request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

        with Peer(half) as peer:
            ended = self.fetch("-sS", "--retry", "3", "--retry-all-errors", *QUICK, "-o", "out", peer.url())
            self.assertEqual((ended.code, len(peer.requests)), (18, 1))

    def test_behind_a_redirect(self):
        seen = []

        def respond(request):
            seen.append(request.target)
            if request.target == "/a":
                return answer(b"", "302 X", [("Location", "/b")])
            return answer(b"not yet", "503 X") if len(seen) < 4 else answer(b"well again")

        with Peer(serve(respond)) as peer:
            ended = self.passes("-sSL", "--retry", "3", *QUICK, "-w", " %{num_redirects} %{num_retries}",
                                peer.url("/a"))
            self.assertEqual((ended.out, seen), (b"well again 1 2", ["/a", "/b", "/b", "/b"]))

    def test_many_at_once(self):
        seen = {}

        def respond(request):
            seen[request.target] = seen.get(request.target, 0) + 1
            return answer(b"not yet", "503 X") if seen[request.target] == 1 else answer(b"well again")

        with Peer(serve(respond)) as peer:
            urls = [peer.url(f"/{n}") for n in range(40)]
            ended = self.passes("-sSZ", "--retry", "2", *QUICK, "-w", "%{http_code} ", "-o", "/dev/null",
                                *[arg for url in urls[1:] for arg in ("-o", "/dev/null", url)], urls[0])
            self.assertEqual(ended.out.split(), [b"200"] * 40)

    def test_a_budget(self):
        """All fail, and are in a pause at the same time: only a tenth of them may be."""
        all_here = threading.Barrier(40)
        seen = set()

        def respond(request):
            if request.target not in seen:
                seen.add(request.target)
                all_here.wait(case.HANG_S)
            return answer(b"not yet", "503 X")

        with Peer(serve(respond)) as peer:
            urls = [arg for n in range(40) for arg in ("-o", "/dev/null", peer.url(f"/{n}"))]
            args = ["-sSZ", "--retry", "1", "--retry-delay", "5", "-w", "%{num_retries} ", *urls]
            retried = self.passes("--budget", "10,1", *args).out.split()
            self.assertEqual(len(retried), 40)
            self.assertTrue(1 <= retried.count(b"1") <= 4, retried)

    def test_a_hedge(self):
        done = threading.Event()
        seen = []

        def respond(request):
            seen.append(request)
            if len(seen) == 1:
                done.wait(case.HANG_S)  # the first never answers in time
            return answer(b"the second")

        with Peer(serve(respond)) as peer:
            self.assertEqual(self.passes("-sS", "--hedge", "0.05", peer.url()).out, b"the second")
            done.set()
            self.assertEqual(len(seen), 2)

    def test_a_rate(self):
        with Peer(serve(lambda request: answer(b"x"))) as peer:
            for args in (["--rate", "10/s"], ["--rate", "600/m"], ["--rate", "20/2s"], ["-Z", "--rate", "10/s"]):
                with self.subTest(args=args):
                    before = time.monotonic()
                    self.passes("-sS", *args, *[peer.url(f"/{n}") for n in range(5)])
                    self.assertGreaterEqual(time.monotonic() - before, 0.4)
            self.passes("-sS", "--rate", "1/d", peer.url())  # the first does not wait
            self.passes("-sS", "-m", "3", "--rate", "1/4s", peer.url(), peer.url())  # nor does -m count the wait


class BadValuesTest(FetchTest):
    def test_refusals_name_option_and_value(self):
        for option, says, values in (
            ("--max-redirs", "nor -1", ("-2", "x", "", "1.5", "99999999999", "+1", " 1")),
            ("--retry", "is not a whole number", ("-1", "x", "", "1.5", "99999999999")),
            ("--retry-delay", "is not a number of seconds", ("-1", "x", "", "1e3", "inf")),
            ("--hedge", "is not a number of seconds", ("-1", "x", "")),
            ("--retry-max-time", "is not a number of seconds", ("-1", "x", "")),
            ("--rate", "such as 2/s", ("0", "0/s", "", "/s", "x/s", "-1/s", "1.5/s", "1/", "1/x", "1/ss", "1/0s",
                                       "1/s/s",
                                       "1/5", "1/-1s", "99999999999/s", "1/99999h", "2 /s")),
            ("--gate", "neither public nor any", ("", "private", "PUBLIC")),
            ("--budget", "PERCENT,LEAST", ("0", "101", "", "x", "10,", "10,0", "10,x", "%", "10%%", "10,1,1", "-1")),
            ("--proto", "is no protocol", ("htps", "=", "-", "+http,bogus", "http https", "==http")),
            ("--proto-redir", "is no protocol", ("htps",)),
        ):
            for value in values:
                with self.subTest(option=option, value=value):
                    ended = self.fetch("-q", option, value, "http://127.0.0.1:1/")
                    self.assertEqual((ended.code, ended.out), (2, b""))
                    self.assertIn(f"option {option}: '{value}'", ended.err)
                    self.assertIn(says, ended.err)
        ended = self.fetch("-q", "-f", "--fail-with-body", "a")
        self.assertEqual(ended.code, 2)
        self.assertIn("--fail-with-body", ended.err)

    def test_values_that_are_right(self):
        with Peer(serve(lambda request: answer(b"x"))) as peer:
            for args in (["--rate", "2"], ["--rate", "1/1s"], ["--rate", "7/d"], ["--rate", "1000000000/s"],
                         ["--budget", "10%"],
                         ["--budget", "10%,2"], ["--budget", "100,3"], ["--proto", ""], ["--proto", "ftp,http"],
                         ["--proto", "=ftp,http"], ["--max-redirs", "0"], ["--retry-delay", "0"], ["--gate", "any"]):
                with self.subTest(args=args):
                    self.passes("-sS", *args, peer.url())


class QueryTest(FetchTest):
    def test_the_url_gets_it(self):
        file = self.write("file", "a b&c\n")
        with Peer(serve(lambda request: answer(b"x"))) as peer:
            for args, path, target in (
                (["-G", "-d", "a=1"], "/", "/?a=1"),
                (["-G", "-d", "a=1", "-d", "b=2"], "/x?q", "/x?q&a=1&b=2"),
                (["-G", "-d", "a=1"], "/x?", "/x?a=1"),
                (["-G", "-d", "a=1"], "/x?q&", "/x?q&a=1"),
                (["-G", "-d", "a=1"], "/x#part", "/x?a=1"),
                (["-G", "-d", "a=1"], "/x?q#part", "/x?q&a=1"),
                (["-G", "-d", "a=1"], "", "/?a=1"),
                (["-G", "--data-urlencode", "a=1 2"], "/", "/?a=1%202"),
                (["-G"], "/x", "/x"),
                (["-G", "-d", ""], "/x", "/x"),
                (["--url-query", "a=1 2"], "/", "/?a=1%202"),
                (["--url-query", "a b", "--url-query", "=c d", "--url-query", "+e%20f"], "/?x",
                 "/?x&a%20b&c%20d&e%20f"),
                (["--url-query", "n@" + file], "/", "/?n=a%20b%26c%0A"),
                (["--url-query", "a=1", "-G", "-d", "b=2"], "/", "/?a=1&b=2"),
            ):
                with self.subTest(args=args, path=path):
                    self.passes("-sS", *args, peer.url(path))
                    last = peer.requests[-1]
                    self.assertEqual((last.method, last.target, last.body), ("GET", target, b""))
                    self.assertIsNone(last.get("Content-Type"))
            self.passes("-sS", "-d", "body", "--url-query", "a=1", peer.url("/x"))
            self.assertEqual((peer.requests[-1].target, peer.requests[-1].body), ("/x?a=1", b"body"))
            self.passes("-sS", "-T", file, "--url-query", "a=1", peer.url("/up/"))
            self.assertEqual(peer.requests[-1].target, "/up/file?a=1")
            self.passes("-sS", "--url-query", "a=1", peer.url("/1"), peer.url("/2"))
            self.assertEqual([request.target for request in peer.requests[-2:]], ["/1?a=1", "/2?a=1"])
        self.assertEqual(self.fetch("-sS", "-G", "--data-binary", "@" + self.write("nul", b"a\0b"), "http://a/").code,
                         2)
        self.assertEqual(self.fetch("-sS", "--url-query", "@/nonexistent", "http://a/").code, 26)

    def test_head_keeps_its_method(self):
        def respond(request):
            return answer(b"")

        with Peer(serve(respond)) as peer:
            self.passes("-sS", "-I", "-G", "-d", "a=1", peer.url("/"))
            self.assertEqual((peer.requests[-1].method, peer.requests[-1].target), ("HEAD", "/?a=1"))


class FailWithBodyTest(FetchTest):
    def test_the_body_is_kept(self):
        with Peer(serve(lambda request: answer(b"why", request.target[1:] + " X"))) as peer:
            for status, code in ((200, 0), (399, 0), (400, 22), (500, 22), (599, 22)):
                with self.subTest(status=status):
                    ended = self.fetch("-sS", "--fail-with-body", "-o", "out", "-w", "%{exitcode} %{http_code}",
                                       peer.url(f"/{status}"))
                    self.assertEqual((ended.code, ended.out, self.read("out")),
                                     (code, f"{code} {status}".encode(), b"why"))
            ended = self.fetch("-sS", "--fail-with-body", "-f", "--no-fail", peer.url("/404"))
            self.assertEqual((ended.code, ended.out), (22, b"why"))


class NginxTest(FetchTest):
    """The same against a server that people use."""

    @classmethod
    def setUpClass(cls):
        cls.server = servers.Nginx()
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)

    def test_redirects(self):
        ca = ["--cacert", self.server.tree.ca]
        ended = self.passes("-sSL", *ca, "-w", " %{num_redirects} %{scheme}", self.server.url("/moved/here"))
        self.assertEqual(ended.out, b"x 1 http")
        ended = self.passes("-sSL", *ca, "-w", " %{num_redirects} %{scheme}", self.server.url("/moved/up"))
        self.assertEqual(ended.out, b"x 1 https")
        ended = self.fetch("-sSL", *ca, self.server.url("/moved/down", "tls"))
        self.assertEqual((ended.code, ended.out), (1, b""))
        ended = self.passes("-sSL", *ca, "--proto-redir", "=http,https", self.server.url("/moved/down", "tls"))
        self.assertEqual(ended.out, b"x")
        ended = self.fetch("-sSL", "--audit", self.server.url("/moved/round"))
        self.assertEqual(ended.code, 47)
        self.assertIn("the redirects go round in a loop", ended.err)

    def test_retries(self):
        ended = self.passes("-sS", "--retry", "2", *QUICK, "-o", "/dev/null", "-w", "%{num_retries} %{http_code}",
                            self.server.url("/busy"))
        self.assertEqual(ended.out, b"2 503")

    def test_compressed(self):
        plain = self.passes("-sS", self.server.url("/coded/mib")).out
        ended = self.passes("-sS", "--compressed", "-o", "out", "-w",
                            "%{size_download} %{size_delivered} %header{content-encoding}",
                            self.server.url("/coded/text"))
        coded, delivered, coding = ended.out.split()
        self.assertEqual((coding, int(delivered)), (b"gzip", len(self.read("out"))))
        self.assertLess(int(coded), int(delivered))
        self.assertEqual(self.passes("-sS", "--compressed", self.server.url("/coded/mib")).out, plain)


if __name__ == "__main__":
    case.main()
