"""fetch: what the options put on the wire."""

import base64

from support import case
from support.peer import FetchTest, Peer, answer, serve


class RequestTest(FetchTest):
    def sent(self, *args, path="/", stdin=b""):
        """The one request that fetch makes with these options."""
        with Peer(serve(lambda request: answer(b"ok"))) as peer:
            self.passes("-o", "/dev/null", *args, peer.url(path), stdin=stdin)
            self.assertEqual(len(peer.requests), 1)
            return peer.requests[0]

    def test_plain_get(self):
        request = self.sent(path="/a?b=c#d")
        self.assertEqual((request.method, request.target, request.version), ("GET", "/a?b=c", "HTTP/1.1"))
        self.assertEqual(request.names, ["Host", "User-Agent", "Accept"])
        self.assertRegex(request.get("User-Agent"), r"^fetch/\d+\.\d+\.\d+$")
        self.assertEqual(request.get("Accept"), "*/*")

    def test_order_is_curls(self):
        request = self.sent("-H", "X-One: 1", "-u", "me:secret", "-r", "0-9", "-e", "http://from/", "-A", "agent",
                            "-d", "x=1")
        self.assertEqual(request.names[:7], ["Host", "Authorization", "Range", "User-Agent", "Accept", "Referer",
                                             "X-One"])
        self.assertEqual(set(request.names[7:]), {"Content-Length", "Content-Type"})
        self.assertEqual(request.get("Authorization"), "Basic " + base64.b64encode(b"me:secret").decode())
        self.assertEqual(request.get("Range"), "bytes=0-9")
        self.assertEqual(request.get("User-Agent"), "agent")
        self.assertEqual(request.get("Referer"), "http://from/")

    def test_basic_authorization_of_every_length(self):
        for user in (":", "a:", "a:b", "a:bc", "a:b:c", "ü:ß"):
            encoded = base64.b64encode(user.encode()).decode()
            self.assertEqual(self.sent("-u", user).get("Authorization"), "Basic " + encoded)

    def test_bearer(self):
        self.assertEqual(self.sent("--oauth2-bearer", "tok").get("Authorization"), "Bearer tok")

    def test_header_forms(self):
        request = self.sent("-H", "Accept:", "-H", "X-Empty;", "-H", "User-Agent: mine", "-H", "X-Blank:   v  ")
        self.assertIsNone(request.get("Accept"))
        self.assertEqual(request.get("X-Empty"), "")
        self.assertEqual(request.get("X-Blank"), "v")
        self.assertEqual([value for name, value in request.fields if name == "User-Agent"], ["mine"])

    def test_host_given(self):
        request = self.sent("-H", "X-First: 1", "-H", "Host: other.example")
        self.assertEqual(request.fields[0], ("Host", "other.example"))
        self.assertEqual(request.names.count("Host"), 1)

    def test_no_user_agent(self):
        self.assertIsNone(self.sent("-A", "").get("User-Agent"))

    def test_headers_from_file(self):
        file = self.write("fields", "X-One: 1\r\nX-Two: 2\n\n")
        request = self.sent("-H", "@" + file)
        self.assertEqual((request.get("X-One"), request.get("X-Two")), ("1", "2"))

    def test_malformed_header_is_refused(self):
        ended = self.fetch("-H", "no colon", "http://127.0.0.1:1/")
        self.assertEqual(ended.code, 2)
        self.assertIn("'no colon'", ended.err)

    def test_header_injection_is_refused(self):
        with Peer(serve(lambda request: answer(b"ok"))) as peer:
            ended = self.fetch("-H", "X-A: b\r\nX-C: d", peer.url())
            self.assertEqual((ended.code, peer.requests), (43, []))

    def test_method(self):
        self.assertEqual(self.sent("-X", "DELETE").method, "DELETE")
        self.assertEqual(self.sent("-I").method, "HEAD")

    def test_range_from_one_byte_on(self):
        self.assertEqual(self.sent("-r", "500").get("Range"), "bytes=500-")

    def test_form(self):
        file = self.write("form", b"from=file\r\nx\n\0")
        request = self.sent("-d", "a=1", "-d", "@" + file, "--data-raw", "@raw", "--data-urlencode", "n=a b&ü")
        self.assertEqual(request.method, "POST")
        self.assertEqual(request.get("Content-Type"), "application/x-www-form-urlencoded")
        self.assertEqual(request.body, b"a=1&from=filex&@raw&n=a%20b%26%C3%BC")
        self.assertEqual(request.get("Content-Length"), str(len(request.body)))

    def test_form_from_standard_input(self):
        self.assertEqual(self.sent("-d", "@-", stdin=b"line\none\n").body, b"lineone")

    def test_empty_form(self):
        request = self.sent("-d", "")
        self.assertEqual((request.method, request.body, request.get("Content-Length")), ("POST", b"", "0"))

    def test_binary_data(self):
        content = bytes(range(256))
        file = self.write("binary", content)
        self.assertEqual(self.sent("--data-binary", "@" + file).body, content)

    def test_urlencode_forms(self):
        file = self.write("words", "a b")
        for given, sent in (("a b", b"a%20b"), ("=a b", b"a%20b"), ("@" + file, b"a%20b"), ("n@" + file, b"n=a%20b")):
            self.assertEqual(self.sent("--data-urlencode", given).body, sent)

    def test_json(self):
        request = self.sent("--json", '{"a":', "--json", "1}")
        self.assertEqual((request.method, request.body), ("POST", b'{"a":1}'))
        self.assertEqual(request.get("Content-Type"), "application/json")
        self.assertEqual(request.get("Accept"), "application/json")
        self.assertEqual(request.names.count("Accept"), 1)
        self.assertEqual(self.sent("--json", "1", "-H", "Content-Type: x/y").get("Content-Type"), "x/y")

    def test_upload_file(self):
        file = self.write("a file.bin", b"0123456789")
        request = self.sent("-T", file, path="/dir/")
        self.assertEqual((request.method, request.target), ("PUT", "/dir/a%20file.bin"))
        self.assertEqual((request.get("Content-Length"), request.body), ("10", b"0123456789"))
        self.assertEqual(self.sent("-T", file, path="/name").target, "/name")

    def test_upload_standard_input(self):
        content = b"x" * 300000
        request = self.sent("-T", "-", path="/dir/", stdin=content)
        self.assertEqual((request.method, request.target, request.body), ("PUT", "/dir/", content))
        self.assertEqual(request.get("Transfer-Encoding"), "chunked")
        self.assertEqual(request.get("Expect"), "100-continue")

    def test_expect_taken_away(self):
        request = self.sent("-T", "-", "-H", "Expect:", stdin=b"x")
        self.assertIsNone(request.get("Expect"))

    def test_each_upload_has_its_url(self):
        one, two = self.write("one", "1"), self.write("two", "22")
        with Peer(serve(lambda request: answer(b""))) as peer:
            self.passes("-T", one, "-T", two, peer.url("/a"), peer.url("/b"), peer.url("/c"))
            seen = [(request.method, request.target, request.body) for request in peer.requests]
        self.assertEqual(seen, [("PUT", "/a", b"1"), ("PUT", "/b", b"22"), ("GET", "/c", b"")])

    def test_scheme_is_added(self):
        with Peer(serve(lambda request: answer(b"ok"))) as peer:
            self.assertEqual(self.passes("127.0.0.1:%d/x" % peer.port).out, b"ok")

    def test_unix_socket(self):
        with Peer(serve(lambda request: answer(b"ok")), path=self.path("socket")) as peer:
            self.assertEqual(self.passes("--unix-socket", self.path("socket"), "http://name/").out, b"ok")
            self.assertEqual(peer.requests[0].get("Host"), "name")

    def test_resolve(self):
        with Peer(serve(lambda request: answer(b"ok"))) as peer:
            rule = "name.invalid:%d:127.0.0.1" % peer.port
            self.assertEqual(self.passes("--resolve", rule, peer.url("/", host="name.invalid")).out, b"ok")
            self.assertEqual(peer.requests[0].get("Host"), "name.invalid:%d" % peer.port)

    def test_connect_to(self):
        with Peer(serve(lambda request: answer(b"ok"))) as peer:
            for rule in ("name.invalid:80:127.0.0.1:%d", "::127.0.0.1:%d"):
                ended = self.passes("--connect-to", rule % peer.port, "http://name.invalid/")
                self.assertEqual((ended.out, peer.requests[-1].get("Host")), (b"ok", "name.invalid"))
            ended = self.fetch("--connect-to", "name.invalid:81:127.0.0.1:%d" % peer.port, "http://name.invalid/")
            self.assertEqual((ended.code, len(peer.requests)), (6, 2), "a rule for another port was followed")

    def test_interface(self):
        with Peer(serve(lambda request: answer(b"ok"))) as peer:
            ended = self.passes("--interface", "127.0.0.2", "-w", " %{local_ip}", peer.url())
            self.assertEqual(ended.out, b"ok 127.0.0.2")


if __name__ == "__main__":
    case.main()
