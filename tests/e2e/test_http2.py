"""HTTP/2 by fetch: agreed by ALPN, known before, or not spoken by the server."""
import os

from support import case, servers

CALLS = 1000


class Http2(case.Case):
    @classmethod
    def setUpClass(cls):
        cls.origin = servers.Origin().start()
        cls.addClassCleanup(cls.origin.stop)

    def version_of(self, *args, ca=None):
        out = self.fetch_ok("--cacert", ca or self.origin.ca, "-o", os.devnull,
                            "-w", "%{http_version} %{http_code} %{size_download}", *args)
        return out.decode()

    def test_alpn(self):
        self.assertEqual(self.version_of("--http2", self.origin.https + "/bytes/1000000"), "2 200 1000000")

    def test_it_is_the_default_over_tls(self):
        self.assertEqual(self.version_of(self.origin.https + "/bytes/10"), "2 200 10")
        self.assertEqual(self.version_of(self.origin.http + "/bytes/10"), "1.1 200 10")
        self.assertEqual(self.version_of("--http1.1", self.origin.https + "/bytes/10"), "1.1 200 10")

    def test_plaintext_without_knowledge_is_http_1_1(self):
        self.assertEqual(self.version_of("--http2", self.origin.http + "/bytes/10"), "1.1 200 10")

    def test_prior_knowledge(self):
        self.assertEqual(self.version_of("--http2-prior-knowledge", self.origin.http + "/bytes/10"), "2 200 10")

    def test_upload_and_trailers(self):
        out = self.fetch_ok("--http2-prior-knowledge", "-d", "x" * 100000, "-H", "Expect:",
                            self.origin.http + "/upload")
        self.assertEqual(out, b"100000\n")
        out = self.fetch_ok("--http2-prior-knowledge", self.origin.http + "/trailers/10")
        self.assertEqual(len(out), 10)

    def test_many_calls_on_one_connection(self):
        path = self.origin.path("list")
        with open(path, "w", encoding="ascii") as file:
            file.write(f'url = "{self.origin.https}/bytes/1000"\noutput = "{os.devnull}"\n' * CALLS)
        out = self.fetch_ok("--http2", "--cacert", self.origin.ca, "-Z", "--parallel-max", 100, "-K", path,
                            "-w", "%{http_version} %{http_code} %{num_connects}\n").decode().splitlines()
        self.assertEqual(len(out), CALLS)
        self.assertEqual({line[:5] for line in out}, {"2 200"})
        self.assertEqual(sum(int(line.split()[2]) for line in out), 1)

    def test_server_that_speaks_1_1_alone(self):
        nginx = servers.Nginx().start()
        self.addCleanup(nginx.stop)
        url = nginx.url("/byte", "tls")
        self.assertEqual(self.version_of("--http2", url, ca=nginx.tree.ca), "1.1 200 1")
        done = self.fetch("--http2-prior-knowledge", "--cacert", nginx.tree.ca, url)
        self.assertEqual(done.returncode, 35)
        self.assertIn(b"no_application_protocol", done.stderr)


if __name__ == "__main__":
    case.main()
