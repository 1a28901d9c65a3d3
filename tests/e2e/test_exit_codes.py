"""The exit codes and messages that scripts rely on."""
import os
import socket

from support import case, process, servers


class ExitCodes(case.Case):
    @classmethod
    def setUpClass(cls):
        cls.origin = servers.Origin()
        cls.origin.start()
        cls.addClassCleanup(cls.origin.stop)

    def test_0_on_success(self):
        for url in (self.origin.http, self.origin.https):
            self.assertEqual(self.fetch_ok("--cacert", self.origin.ca, url + "/status/200"), b"200\n")

    def test_1_unsupported_scheme(self):
        self.assert_exit(1, "nosuch://localhost/", says="nosuch")

    def test_2_unknown_option(self):
        self.assert_exit(2, "--no-such-option", self.origin.http, says="--no-such-option")

    def test_3_malformed_url(self):
        for url in ("http://", "http://[::1", "http://a:b/", "http://a:99999/", "http://a b/"):
            with self.subTest(url=url):
                self.assert_exit(3, url)

    def test_7_refused(self):
        (port,) = process.free_ports(1)
        self.assert_exit(7, f"http://127.0.0.1:{port}/", says="refused")

    def test_7_no_such_unix_socket(self):
        self.assert_exit(7, "--unix-socket", self.origin.path("nothing"), "http://any.test/")

    def test_18_truncated(self):
        self.assert_exit(18, self.origin.http + "/truncate/1000", says="after 500 of 1000 bytes")
        self.assert_exit(18, "--http1.1", "--cacert", self.origin.ca, self.origin.https + "/truncate/1000",
                         says="close_notify")

    def test_92_stream_reset(self):
        self.assert_exit(92, "--cacert", self.origin.ca, self.origin.https + "/truncate/1000", says="reset the stream")

    def test_22_http_error_with_f(self):
        self.assert_exit(22, "-f", self.origin.http + "/status/404", says="404")
        self.assert_exit(22, "-f", self.origin.http + "/status/503", says="503")
        self.assert_exit(0, self.origin.http + "/status/503")

    def test_23_cannot_write(self):
        self.assert_exit(23, "-o", "/dev/full", self.origin.http + "/bytes/100000")

    def test_28_timeouts(self):
        self.assert_exit(28, "-m", "0.2", self.origin.http + "/delay/60000/status/200")
        self.assert_exit(28, "-m", "0.2", self.origin.http + "/slow/100000")
        # A listener that takes no connection: its queue is full.
        with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            for sock in (first, second):
                sock.setblocking(False)
                sock.connect_ex(listener.getsockname())
            self.assert_exit(28, "--connect-timeout", "0.2", f"http://127.0.0.1:{listener.getsockname()[1]}/")

    def test_28_too_slow(self):
        self.assert_exit(28, "-y", "1", "-Y", "100000", self.origin.http + "/slow/100000")

    def test_35_tls_failure(self):
        self.assert_exit(35, self.origin.http.replace("http:", "https:") + "/")

    def test_52_empty_reply(self):
        for url in (self.origin.http, self.origin.https):
            self.assert_exit(52, "--cacert", self.origin.ca, url + "/empty", says="without an answer")

    def test_56_reset(self):
        self.assert_exit(56, self.origin.http + "/reset", says="reset")
        self.assert_exit(56, self.origin.http + "/reset/100000", says="reset")

    def test_60_untrusted(self):
        self.assert_exit(60, self.origin.https + "/", says="not trusted")

    def test_63_too_large(self):
        self.assert_exit(63, "--max-filesize", "999", self.origin.http + "/bytes/1000")
        if not case.is_curl():  # which does so since 8.4
            self.assert_exit(63, "--max-filesize", "999", self.origin.http + "/chunked/1000")
        self.assert_exit(0, "-o", os.devnull, "--max-filesize", "1000", self.origin.http + "/bytes/1000")

    def test_77_no_such_authority_file(self):
        self.assert_exit(77, "--cacert", self.origin.path("nothing"), self.origin.https + "/")

    def test_a_refused_request_sends_nothing(self):
        before = self.origin.stats()["requests"]
        self.assert_exit(3, self.origin.http + "/a b")
        self.assertEqual(self.origin.stats()["requests"], before)


class Silence(case.Case):
    def test_message_names_the_program_and_the_code(self):
        (port,) = process.free_ports(1)
        message = self.assert_exit(7, f"http://127.0.0.1:{port}/")
        self.assertRegex(message, r"^(curl|fetch): \(7\) .+\n$")


if __name__ == "__main__":
    case.main()
