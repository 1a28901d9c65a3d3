"""Credentials at real servers: Basic, Digest, stale nonces, netrc. All but what says otherwise also runs with curl."""
import os

from support import case, servers

WHO = f"{servers.USER}:{servers.PASSWORD}"
WRONG = f"{servers.USER}:wrong"


class Server:
    """Subclasses say which."""
    make = None

    @classmethod
    def setUpClass(cls):
        cls.server = cls.make()
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)

    def url(self, path, listener="plain", host="localhost"):
        return self.server.url(path, listener, host)

    def tell(self, *args, **options):
        """The status that it ended with."""
        return int(self.fetch_ok("--cacert", self.server.tree.ca, "-o", os.devnull, "-w", "%{http_code}", *args,
                                 **options))

    def asked(self, *args):
        """The requests that went out for it, as lines "METHOD target", with a star where they were authorized."""
        result = self.fetch("-v", "--cacert", self.server.tree.ca, *["-o", os.devnull] * 3, *args)
        requests = []
        for line in result.stderr.decode().splitlines():
            words = line[2:].split()
            if line.startswith("> ") and len(words) == 3 and words[2].startswith("HTTP/"):
                requests.append(" ".join(words[:2]))
            if line.lower().startswith("> authorization:"):
                requests[-1] += " *"
        return requests

    def write_netrc(self, text):
        return self.server.write("netrc", text)

    def test_basic(self):
        for listener in ("plain", "tls", "h2"):
            version = ["--http2"] if listener == "h2" else ["--http1.1"]
            with self.subTest(listener=listener):
                url = self.url("/basic/byte", listener)
                self.assertEqual(self.tell("-u", WHO, *version, url), 200)
                self.assertEqual(self.tell("--anyauth", "-u", WHO, *version, url), 200)
                self.assertEqual(self.tell(*version, url), 401)
                self.assertEqual(self.tell("-u", WRONG, *version, url), 401)
                self.assertEqual(self.tell("--digest", "-u", WHO, *version, url), 401)

    def test_basic_is_sent_unasked_and_once(self):
        self.assertEqual(self.asked("-u", WHO, self.url("/basic/byte")), ["GET /basic/byte *"])
        self.assertEqual(self.asked("-u", WRONG, self.url("/basic/byte")), ["GET /basic/byte *"])
        self.assertEqual(self.asked("--anyauth", "-u", WHO, self.url("/basic/byte")),
                         ["GET /basic/byte", "GET /basic/byte *"])
        self.assertEqual(self.asked("--anyauth", "-u", WRONG, self.url("/basic/byte")),
                         ["GET /basic/byte", "GET /basic/byte *"])

    def test_userinfo(self):
        url = self.url("/basic/byte").replace("://", "://Mufasa:Circle%20of%20Life@")
        self.assertEqual(self.tell(url), 200)
        self.assertEqual(self.tell("-u", WRONG, url), 401)  # the option comes first

    def test_netrc(self):
        entry = f'login {servers.USER} password "{servers.PASSWORD}"'
        good = self.write_netrc(f"# a comment\nmachine other.test login x password y\nmachine localhost {entry}\n")
        url = self.url("/basic/byte")
        self.assertEqual(self.tell("--netrc-file", good, url), 200)
        self.assertEqual(self.tell("--netrc-file", good, self.url("/basic/byte", host="127.0.0.1")), 401)
        wrong = url.replace("://", "://Mufasa:wrong@")
        self.assertEqual(self.tell("-n", "--netrc-file", good, wrong), 200)
        self.assertEqual(self.tell("--netrc-optional", "--netrc-file", good, wrong), 401)
        home = {"HOME": self.server.folder}
        self.assertEqual(self.tell("-n", url, env=home), 401)
        os.rename(good, self.server.path(".netrc"))
        self.assertEqual(self.tell("-n", url, env=home), 200)
        os.unlink(self.server.path(".netrc"))
        default = self.write_netrc(f"default {entry}")
        self.assertEqual(self.tell("--netrc-file", default, url), 200)

    def test_netrc_that_is_none(self):
        case.require(not case.is_curl(), "fetch (curl goes on without it)")
        broken = self.write_netrc("machine localhost\nlogin x\npasswort secret\n")
        message = self.assert_exit(2, "--netrc-file", broken, self.url("/byte"), says="netrc, line 3")
        self.assertNotIn("secret", message)
        self.assert_exit(26, "--netrc-file", self.server.path("nowhere"), self.url("/byte"), says="--netrc-file")


class Nginx(Server, case.Case):
    make = servers.Nginx


class Apache(Server, case.Case):
    make = servers.Apache

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.origin = servers.Origin()
        cls.origin.start()
        cls.addClassCleanup(cls.origin.stop)

    def test_digest(self):
        for listener in ("plain", "tls", "h2"):
            version = ["--http2"] if listener == "h2" else ["--http1.1"]
            for scheme in ("--digest", "--anyauth"):
                with self.subTest(listener=listener, scheme=scheme):
                    url = self.url("/digest/byte", listener)
                    self.assertEqual(self.tell(scheme, "-u", WHO, *version, url), 200)
                    self.assertEqual(self.tell(scheme, "-u", WRONG, *version, url), 401)
        self.assertEqual(self.tell("-u", WHO, self.url("/digest/byte")), 401)
        self.assertEqual(self.fetch_ok("--digest", "-u", WHO, self.url("/digest/mib")), servers.FILES["mib"])

    def test_digest_is_asked_for_once(self):
        case.require(not case.is_curl(), "fetch (curl remembers no nonce for the next URL)")
        self.assertEqual(self.asked("--digest", "-u", WHO, self.url("/digest/byte?x"), self.url("/digest/empty")),
                         ["GET /digest/byte?x", "GET /digest/byte?x *", "GET /digest/empty *"])
        self.assertEqual(self.asked("--digest", "-u", WRONG, self.url("/digest/byte")),
                         ["GET /digest/byte", "GET /digest/byte *"])

    def test_digest_with_a_body(self):
        body = servers.FILES["mib"]
        for args in (["-X", "POST", "--data-binary", "@-"], ["-X", "POST", "-T", self.server.path("www", "mib")]):
            with self.subTest(args=args):
                echoed = self.fetch_ok("--digest", "-u", WHO, "--http1.1", *args, self.url("/digest/echo"), stdin=body)
                self.assertEqual(echoed, body)

    def test_a_stale_nonce(self):
        """It is good for three seconds, and another request that takes longer goes between."""
        case.require(not case.is_curl(), "fetch (curl remembers no nonce for the next URL)")
        url, slow = self.url("/digest/brief"), self.origin.http + "/delay/4100/status/200"
        asked = [line for line in self.asked("--digest", "-u", WHO, url, slow, url) if "brief" in line]
        self.assertEqual(asked, ["GET /digest/brief", "GET /digest/brief *", "GET /digest/brief *",
                                 "GET /digest/brief *"])

    def test_what_cannot_be_sent_again(self):
        case.require(not case.is_curl(), "fetch (curl sends an empty body first)")
        waits = self.fetch_ok("--digest", "-u", WHO, "--http1.1", "-T", "-", "-X", "POST", self.url("/digest/echo"),
                              stdin=b"x" * 100)
        self.assertEqual(waits, b"x" * 100)
        result = self.fetch("-v", "--digest", "-u", WHO, "-T", "-", "-H", "Expect:", "-X", "POST", "-o", os.devnull,
                            "-w", "%{http_code}", self.url("/digest/echo"), stdin=b"x" * 100)
        self.assertEqual((result.returncode, result.stdout), (0, b"401"))
        self.assertIn(b"401 stands: the request's body cannot be sent again", result.stderr)


if __name__ == "__main__":
    case.main()
