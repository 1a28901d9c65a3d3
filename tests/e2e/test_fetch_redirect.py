"""fetch: redirects, what they may carry and where they may lead, and the audit that tells."""
import json
import os
import re

from support import case, certs
from support.peer import FetchTest, Peer, answer, serve, tls_context


def moved(to, status="302 Found", body=b"further on", fields=()):
    return answer(body, status, [("Location", to), *fields])


def routes(table, otherwise=answer(b"arrived\n")):
    """Answers by path; a function is asked."""

    def respond(request):
        found = table.get(request.target, otherwise)
        return found(request) if callable(found) else found

    return serve(respond)


class Rows:
    """An audit, taken apart."""

    LINE = re.compile(r" +(\d+) +(\d+)  (\S+) +(\S+) +(followed|refused|ignored) +(\S+) -> (\S+?)(?:: (.*))?$")

    def __init__(self, text):
        lines = text.splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("audit of "))
        self.of = lines[start].removeprefix("audit of ")
        lines = lines[start + 1:]
        self.end = next(line for line in lines if line.startswith("  end: ")).removeprefix("  end: ")
        lines = lines[:lines.index("  end: " + self.end)]
        self.rows = [self.LINE.match(line).groups() for line in lines[1:]]  # the first names the columns


class RedirectTest(FetchTest):
    def audit(self, code, *args, **options):
        ended = self.fetch("-q", "-sS", "--audit", *args, **options)
        self.assertEqual(ended.code, code, ended.err)
        return Rows(ended.err), ended

    def test_off_until_asked_for(self):
        with Peer(routes({"/a": moved("b?c#d")})) as peer:
            ended = self.passes("-sS", "-w", " %{http_code} %{num_redirects} %{redirect_url} %{url_effective}",
                                peer.url("/a"))
            self.assertEqual(ended.out.decode(), f"further on 302 0 {peer.url('/b?c')} {peer.url('/a')}")
            self.assertEqual(len(peer.requests), 1)

    def test_a_chain(self):
        with Peer(routes({"/a": moved("b"), "/b": moved("/c/d"), "/c/d": moved("?e"), "/c/d?e": moved("./f")})) as peer:
            names = "%{num_redirects}|%{url_effective}|%{redirect_url}|%{http_code}|%{num_headers}|%{method}"
            ended = self.passes("-sSL", "-w", names, peer.url("/a"))
            self.assertEqual(ended.out.decode(), f"arrived\n4|{peer.url('/c/f')}||200|1|GET")
            self.assertEqual([request.target for request in peer.requests], ["/a", "/b", "/c/d", "/c/d?e", "/c/f"])

    def test_times_and_json(self):
        with Peer(routes({"/a": moved("b")})) as peer:
            told = json.loads(self.passes("-sSL", "-o", "/dev/null", "-w", "%{json}", peer.url("/a")).out)
            self.assertTrue(0 < told["time_redirect"] <= told["time_starttransfer"] <= told["time_total"])
            self.assertEqual((told["num_redirects"], told["num_retries"], told["redirect_url"]), (1, 0, None))
            told = json.loads(self.passes("-sSL", "-o", "/dev/null", "-w", "%{json}", peer.url("/x")).out)
            self.assertEqual((told["time_redirect"], told["num_redirects"]), (0, 0))

    def test_how_many(self):
        chain = {f"/{n}": moved(f"/{n + 1}") for n in range(60)}
        with Peer(routes(chain)) as peer:
            for args, start, code in (
                ([], 10, 0), ([], 9, 47),  # 50 and 51 of them
                (["--max-redirs", "2"], 58, 0), (["--max-redirs", "2"], 57, 47),
                (["--max-redirs", "0"], 60, 0), (["--max-redirs", "0"], 59, 47),
                (["--max-redirs", "-1"], 0, 0),
            ):
                with self.subTest(args=args, start=start):
                    ended = self.fetch("-sSL", *args, "-w", "%{redirect_url}", peer.url(f"/{start}"))
                    self.assertEqual(ended.code, code, ended.err)
                    self.assertEqual(ended.out.startswith(b"arrived"), code == 0)
                    limit = int(args[1]) if args else 50
                    self.assertTrue(code == 0 or ended.out.decode() == peer.url(f"/{start + limit + 1}"), ended.out)

    def test_heads_of_all(self):
        with Peer(routes({"/a": moved("/b"), "/b": moved("c")})) as peer:
            out = self.passes("-sSL", "-i", peer.url("/a")).out
            self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)|Location: (\S+)", out),
                             [(b"302", b""), (b"", b"/b"), (b"302", b""), (b"", b"c"), (b"200", b"")])
            self.assertTrue(out.endswith(b"\r\n\r\narrived\n"))
            self.assertNotIn(b"further on", out)

        def head_only(request):
            if request.target == "/b":
                return moved("/c").split(b"further")[0]
            return answer(b"").split(b"\r\n\r\n")[0] + b"\r\n\r\n"

        with Peer(serve(head_only)) as peer:
            self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)", self.passes("-sSLI", peer.url("/b")).out), [b"302", b"200"])
            self.assertEqual([request.method for request in peer.requests], ["HEAD", "HEAD"])

    def test_many_at_once_show_their_own_heads(self):
        with Peer(routes({f"/{n}": moved(f"/to{n}") for n in range(20)})) as peer:
            args = [arg for n in range(20) for arg in ("-o", self.path(str(n)), peer.url(f"/{n}"))]
            self.passes("-sSLZ", "-i", *args)
            for n in range(20):
                self.assertEqual(re.findall(r"Location: (\S+)", self.read(str(n)).decode()), [f"/to{n}"])

    def test_methods_and_bodies(self):
        for status, args, method, body in (
            (301, ["-d", "x"], "GET", b""), (302, ["-d", "x"], "GET", b""), (303, ["-d", "x"], "GET", b""),
            (307, ["-d", "x"], "POST", b"x"), (308, ["-d", "x"], "POST", b"x"),
            (301, ["-d", "x", "--post301"], "POST", b"x"), (302, ["-d", "x", "--post302"], "POST", b"x"),
            (303, ["-d", "x", "--post303"], "POST", b"x"), (301, ["-d", "x", "--post302"], "GET", b""),
            (302, ["-T", self.write("file", "abc")], "PUT", b"abc"), (303, ["-T", self.path("file")], "GET", b""),
            (308, ["-T", self.path("file")], "PUT", b"abc"), (303, ["-X", "DELETE"], "GET", b""),
            (302, ["-X", "DELETE"], "DELETE", b""),
        ):
            with self.subTest(status=status, args=args), Peer(routes({"/a": moved("/b", f"{status} X")})) as peer:
                ended = self.passes("-sSL", *args, "-w", "%{method}", peer.url("/a"))
                last = peer.requests[-1]
                self.assertEqual((last.target, last.method, last.body), ("/b", method, body))
                self.assertEqual(ended.out.decode(), "arrived\n" + method)
                self.assertEqual(last.get("Content-Type") is None, "-d" not in args or method == "GET")

    def test_a_body_that_cannot_be_had_again(self):
        with Peer(routes({"/a": moved("/b", "307 X")})) as peer:
            rows, ended = self.audit(65, "-L", "-T", "-", peer.url("/a"), stdin=b"once")
            self.assertEqual(rows.rows, [("1", "307", "PUT", "-", "refused", peer.url("/a"), peer.url("/b"),
                                          "the body cannot be sent again")])
            self.assertEqual((ended.out, len(peer.requests)), (b"", 1))
            self.assertEqual(self.fetch("-sSL", "-T", "-", "--max-redirs", "0", peer.url("/b"), stdin=b"x").code, 0)

    def test_secrets_stay_with_their_origin(self):
        secrets = ["-u", "me:pass", "-H", "Cookie: a=b", "-H", "Other: c"]
        with Peer(serve(lambda request: answer(b"arrived"))) as there:
            to = {"/away": moved(there.url("/x")), "/back": moved("/here")}
            with Peer(routes(to)) as here:
                self.passes("-sSL", *secrets, here.url("/back"))
                self.assertIsNotNone(here.requests[-1].get("Authorization"))
                self.assertEqual(here.requests[-1].get("Cookie"), "a=b")
                for args, kept in ((["-L"], None), (["--location-trusted"], "a=b")):
                    rows, _ = self.audit(0, *args, *secrets, here.url("/away"))
                    last = there.requests[-1]
                    self.assertEqual((last.get("Cookie"), last.get("Other")), (kept, "c"))
                    self.assertEqual(last.get("Authorization") is None, kept is None)
                    self.assertEqual(rows.rows[0][3], "secrets" if kept is None else "-")

    def test_userinfo_is_not_shown(self):
        with Peer(routes({"/a": moved("//me:hidden@127.0.0.1:1/b")})) as peer:
            rows, ended = self.audit(0, "-w", "%{redirect_url}", peer.url("/a").replace("//", "//user:hidden@"))
            self.assertEqual(rows.of, peer.url("/a"))
            self.assertNotIn("hidden", ended.err + ended.out.decode())

    def test_locations_that_are_none(self):
        for location, code, says in (("http://[/", 3, "Location is no URL"),
                                     ("ftp://127.0.0.1/", 1, "neither http nor https"),
                                     ("file:///etc/passwd", 1, "neither http nor https")):
            with self.subTest(location=location), Peer(routes({"/a": moved(location)})) as peer:
                rows, ended = self.audit(code, "-L", peer.url("/a"))
                self.assertEqual((rows.rows[0][4], rows.rows[0][7]), ("refused", says))
                self.assertEqual(ended.out, b"")
        with Peer(serve(lambda request: answer(b"no Location", "302 X"))) as peer:
            self.assertEqual(self.passes("-sSL", peer.url()).out, b"no Location")

    def test_what_came_from_outside_steers_no_terminal(self):
        with Peer(routes({"/a": moved("/\x1b]0;x\x07\xe4")})) as peer:
            ended = self.fetch("-sSL", "--audit", "-o", "/dev/null", peer.url("/a"))
            self.assertNotRegex(ended.err, r"[\x00-\x09\x0b-\x1f\x7f-\xff]")

    def test_files_appear_only_at_the_end_of_a_chain(self):
        def dropped(connection):
            connection.request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

        with Peer(dropped) as bad, Peer(routes({"/a": moved("/b"), "/bad": moved(bad.url("/"))})) as peer:
            self.passes("-sSL", "-o", "out", peer.url("/a"))
            self.assertEqual(self.read("out"), b"arrived\n")
            self.passes("-sSLO", peer.url("/a"))  # named by the URL that was asked for
            self.assertEqual(self.read("a"), b"arrived\n")
            self.assertEqual(self.fetch("-sSL", "-o", "half", peer.url("/bad")).code, 18)
            self.assertEqual(self.fetch("-sSL", "-o", "half", "--max-redirs", "0", peer.url("/a")).code, 47)
            self.assertEqual(self.fetch("-sSL", "-i", "-o", "half", "--max-redirs", "0", peer.url("/a")).code, 47)
            self.assertFalse(os.path.exists(self.path("half")))

    def test_protocols(self):
        with Peer(serve(lambda request: answer(b"safe")), tls=tls_context()) as tls, \
                Peer(routes({"/up": moved(tls.url("/", "https", "localhost"))})) as plain:
            ca = ["--cacert", certs.tree().ca]
            for args, code in ((["--proto", "=https"], 1), (["--proto", "-https"], 1), (["--proto", "-all,http"], 1),
                               (["--proto-redir", "=https"], 0), (["--proto-redir", "=http"], 1),
                               (["--proto", "=http,https"], 0),
                               (["--proto", "-http", "--proto", "ftp"], 0), (["--proto-redir", "-all,+https"], 0)):
                with self.subTest(args=args):
                    self.assertEqual(self.fetch("-sSL", *ca, *args, plain.url("/up")).code, code)

    def test_the_gate_judges_each_hop(self):
        with Peer(routes({})) as peer:
            for url in (peer.url("/"), peer.url("/", host="localhost"), peer.url("/", host="[::ffff:127.0.0.1]")):
                ended = self.fetch("-sS", "--gate", "public", url)
                self.assertEqual((ended.code, peer.connections), (1, 0))
                self.assertIn("the address is not a public one", ended.err)
            self.assertEqual(self.fetch("-sS", "--gate", "public", "--gate", "any", peer.url("/")).code, 0)


class ChainTest(FetchTest):
    """A chain with a hop to another origin, a downgrade and a loop, line by line."""

    def setUp(self):
        super().setUp()
        self.table = {}
        self.tls_table = {}
        self.plain = self.enter(routes(self.table))
        self.tls = self.enter(routes(self.tls_table), tls_context())
        self.ca = ["--cacert", certs.tree().ca]

    def enter(self, script, tls=None):
        peer = Peer(script, tls=tls).__enter__()
        self.addCleanup(peer.__exit__)
        return peer

    def audit(self, code, *args):
        ended = self.fetch("-q", "-sSL", "--audit", *self.ca, *args)
        self.assertEqual(ended.code, code, ended.err)
        return Rows(ended.err)

    def test_chain(self):
        start, form, safe = self.plain.url("/start"), self.plain.url("/form"), self.tls.url("/safe", "https",
                                                                                            "localhost")
        again = self.tls.url("/again", "https", "localhost")
        self.table.update({"/start": moved("/form", "308 Permanent Redirect"), "/form": moved(safe, "303 See Other")})
        self.tls_table.update({"/safe": moved("again", "301 Moved Permanently"), "/again": moved(start, "302 Found")})
        head = [("1", "308", "POST", "-", "followed", start, form, None),
                ("2", "303", "POST>GET", "body,secrets", "followed", form, safe, None),
                ("3", "301", "GET", "-", "followed", safe, again, None)]

        rows = self.audit(1, "-u", "me:pass", "-d", "a=1", start)
        self.assertEqual(rows.of, start)
        self.assertEqual(rows.rows, head + [("4", "302", "GET", "secrets", "refused", again, start,
                                             "https to http is not allowed")])
        self.assertEqual(rows.end, f"(1) redirect to {start}: https to http is not allowed "
                                   "(--proto-redir =http,https allows it)")

        rows = self.audit(47, "-u", "me:pass", "-d", "a=1", "--proto-redir", "=http,https", start)
        second = [("5", "308", "GET", "-", "followed", start, form, None),
                  ("6", "303", "GET", "secrets", "followed", form, safe, None),
                  ("7", "301", "GET", "-", "followed", safe, again, None)]
        self.assertEqual(rows.rows, head + [("4", "302", "GET", "secrets", "followed", again, start, None)] + second +
                         [("8", "302", "GET", "secrets", "refused", again, start, "the redirects go round in a loop")])
        self.assertIn("the redirects go round in a loop", rows.end)
        # What went to the other origin did not come back, not even to the first one.
        self.assertEqual([request.get("Authorization") is not None for request in self.plain.requests[-4:]],
                         [True, True, False, False])
        self.assertEqual([request.get("Authorization") for request in self.tls.requests],
                         [None] * len(self.tls.requests))

    def test_ends_at_the_gate(self):
        self.table["/a"] = moved("http://169.254.169.254/latest/meta-data")
        rows = self.audit(1, "--proto-redir", "=https", self.plain.url("/a"))
        self.assertEqual(rows.rows, [("1", "302", "GET", "secrets", "refused", self.plain.url("/a"),
                                      "http://169.254.169.254/latest/meta-data",
                                      "http://169.254.169.254: --proto-redir does not allow its protocol")])

    def test_without_redirects(self):
        rows = self.audit(0, self.plain.url("/x"))
        self.assertEqual((rows.rows, rows.end), ([], "GET gave status 200"))


if __name__ == "__main__":
    case.main()
