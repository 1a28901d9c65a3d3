"""fetch: the command line and config files."""


from support import case
from support.peer import FetchTest, Peer, answer, serve


def echo_target(request):
    return answer(request.target.encode() + b"\n")


class OptionsTest(FetchTest):
    def refused(self, *args, stdin=b""):
        """The message of a command line that is refused before anything is sent."""
        ended = self.fetch(*args, stdin=stdin)
        self.assertEqual((ended.code, ended.out), (2, b""))
        return ended.err

    def test_refusals_name_the_option(self):
        for args, says in (
            ([], "no URL"),
            (["--nonsense"], "--nonsense: is unknown"),
            (["-sxf"], "-x: is unknown"),
            (["--http1.1=1", "a"], "--http1.1=1: is unknown"),
            (["-o"], "-o: requires a value"),
            (["--max-time"], "--max-time: requires a value"),
            (["-m", "soon", "a"], "'soon' is not a number of seconds"),
            (["-m", "1e3", "a"], "'1e3' is not a number of seconds"),
            (["-m", "-1", "a"], "'-1' is not a number of seconds"),
            (["-m", "99999999999", "a"], "is not a number of seconds"),
            (["--parallel-max", "70000", "a"], "'70000' is not a whole number up to 65535"),
            (["--max-filesize", "1x", "a"], "'1x' is not a size"),
            (["--max-filesize", "99999999999999999999", "a"], "is not a size"),
            (["--max-filesize", "99999999999999g", "a"], "is not a size"),
            (["--tls-max", "1.1", "a"], "'1.1' is not 1.2, 1.3 or default"),
            (["--tlsv1.3", "--tls-max", "1.2", "a"], "--tls-max is below"),
            (["--no-output", "a"], "--no-output: only switches"),
            (["-T", "x", "-d", "y", "a"], "-T and -d"),
            (["-I", "-d", "y", "a"], "-I asks for a head alone, and -d"),
            (["-u", "a:b", "--oauth2-bearer", "c", "a"], "-u and --oauth2-bearer"),
        ):
            with self.subTest(args=args):
                message = self.refused(*args)
                self.assertIn(says, message)
                self.assertIn("--help", message)

    def test_unreadable_files(self):
        for args in (["-K", "/nonexistent"], ["-d", "@/nonexistent", "a"], ["-H", "@/nonexistent", "a"],
                     ["-w", "@/nonexistent", "a"], ["-T", "/nonexistent", "http://127.0.0.1:1/"]):
            with self.subTest(args=args):
                ended = self.fetch(*args)
                self.assertEqual(ended.code, 26)
                self.assertIn("/nonexistent", ended.err)

    def test_malformed_rules(self):
        for option, values in (("--resolve", ["x", "x:80", "x:0:127.0.0.1", "x:99999:127.0.0.1", ":80:127.0.0.1",
                                              "[::1:80:1.1.1.1"]),
                               ("--connect-to", ["x", "a:1:b:x", "a:1:b:2:3", "[::1]x:1:b:2"])):
            for value in values:
                with self.subTest(value=value):
                    ended = self.fetch(option, value, "http://127.0.0.1:1/")
                    self.assertEqual(ended.code, 49)
                    self.assertIn("'%s'" % value, ended.err)

    def test_letters_combine(self):
        with Peer(serve(echo_target)) as peer:
            self.passes("-sSfoout", peer.url("/x"))
            self.assertEqual(self.read("out"), b"/x\n")
            self.passes("-sSfo", "other", peer.url("/y"))
            self.assertEqual(self.read("other"), b"/y\n")

    def test_switches_can_be_cleared(self):
        with Peer(serve(lambda request: answer(b"body", "404 Not Found"))) as peer:
            self.assertEqual(self.fetch("-sf", peer.url()).code, 22)
            self.assertEqual(self.passes("-f", "--no-fail", peer.url()).out, b"body")

    def test_double_dash_ends_options(self):
        with Peer(serve(echo_target)) as peer:
            ended = self.fetch("--", peer.url("/x"), "-s")
            self.assertEqual((ended.code, ended.out), (6, b"/x\n"))

    def test_help_and_version(self):
        for flag in ("-h", "--help"):
            self.assertIn(b"--waterfall", self.passes(flag).out)
        for flag in ("-V", "--version"):
            self.assertRegex(self.passes(flag).out.decode(), r"^fetch \d+\.\d+\.\d+ tern/\d+\.\d+\.\d+\n")

    def test_every_option_is_in_the_help(self):
        text = self.passes("--help").out.decode()
        for name in ("cacert", "capath", "cert", "config", "connect-timeout", "connect-to", "create-dirs", "data",
                     "data-binary", "data-raw", "data-urlencode", "disable", "dns-servers", "fail", "head", "header",
                     "http1.1", "include", "insecure", "interface", "ipv4", "ipv6", "json", "key", "max-filesize",
                     "max-time", "oauth2-bearer", "output", "parallel", "parallel-max", "pinnedpubkey", "range",
                     "referer", "remote-name", "request", "resolve", "show-error", "silent", "speed-limit",
                     "speed-time", "tls-max", "tlsv1.2", "tlsv1.3", "unix-socket", "upload-file", "url", "user",
                     "user-agent", "verbose", "version", "waterfall", "write-out"):
            self.assertIn("--" + name, text)

    def test_config_file(self):
        with Peer(serve(echo_target)) as peer:
            file = self.write("config", "\n".join((
                "# a comment",
                "  silent",
                'header = "X-Quoted: a \\"b\\" \\\\ c"',
                "header: X-Colon;",
                "-H X-Dash;",
                "--user-agent agent",
                "url = " + peer.url("/one"),
                'output = "one out"',
                "url = %s # twice" % peer.url("/two"),
                "-oTwo\r",
            )))
            self.passes("-K", file)
            self.assertEqual((self.read("one out"), self.read("Two")), (b"/one\n", b"/two\n"))
            request = peer.requests[0]
            self.assertEqual(request.get("X-Quoted"), 'a "b" \\ c')
            self.assertEqual((request.get("X-Colon"), request.get("X-Dash")), ("", ""))

    def test_config_from_standard_input(self):
        with Peer(serve(echo_target)) as peer:
            self.assertEqual(self.passes("-K", "-", stdin=b"url=" + peer.url("/in").encode()).out, b"/in\n")

    def test_config_errors_name_the_line(self):
        for text, says in (("silent\nnonsense", ":2: option --nonsense: is unknown"),
                           ("output", ":1: option --output: requires a value"),
                           ("silent = yes", ":1: option --silent: takes no value"),
                           ('url = "open', ":1: option url: the value's closing quote is missing"),
                           ("url = a b", ":1: option url: a value with blanks in it needs quotes")):
            with self.subTest(text=text):
                file = self.write("config", text)
                self.assertIn(file + says, self.refused("-K", file))

    def test_config_that_reads_itself_ends(self):
        file = self.write("config", "config = config\n")
        self.assertIn("config files inside each other", self.refused("-K", file))

    def test_default_config(self):
        with Peer(serve(echo_target)) as peer:
            self.write(".fetchrc", "user-agent = home\n")
            self.passes(peer.url())
            self.assertEqual(peer.requests[-1].get("User-Agent"), "home")
            for flag in ("-q", "--disable", "-qs"):
                self.passes(flag, peer.url())
                self.assertNotEqual(peer.requests[-1].get("User-Agent"), "home")
            self.environment["XDG_CONFIG_HOME"] = self.path("")
            self.write("fetchrc", "user-agent = xdg\n")
            self.passes(peer.url())
            self.assertEqual(peer.requests[-1].get("User-Agent"), "xdg")


if __name__ == "__main__":
    case.main()
