"""The bench's harness against the bundled origin: that its counts are the server's, and its fields what they say.

Nothing here asserts a time: only that one was taken where it had to be."""
import json
import subprocess

from support import case, servers

FIELDS = {"name": str, "requests": int, "errors": int, "bytes": int, "wall_s": float, "user_s": float, "sys_s": float,
          "cpu_us_per_req": float, "p50_us": float, "p99_us": float, "p999_us": float, "maxrss_kb": int,
          "connections_opened": int}


class Load(case.Case):
    """An origin for each test, so that its counters are that test's alone."""

    def setUp(self):
        self.origin = servers.Origin()
        self.origin.start()
        self.addCleanup(self.origin.stop)

    def load(self, path, *args, tls=False, code=0):
        url = (self.origin.https if tls else self.origin.http) + path
        trust = ("--cacert", self.origin.ca) if tls else ()
        done = subprocess.run([case.program("TERN_LOAD"), url, *map(str, args), *trust, "--json"], text=True,
                              capture_output=True, timeout=case.HANG_S, env=case.environment(), check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout.count("\n"), 1, done.stdout)
        report = json.loads(done.stdout)
        for field, kind in FIELDS.items():
            self.assertIs(type(report[field]), kind, field)
        self.assertEqual(report["name"], url)
        return report

    def assert_counts(self, report, requests, size, connections=None):
        """What the harness counted is what the server did."""
        stats = self.origin.stats()
        self.assertEqual((report["requests"], report["errors"]), (requests, 0))
        self.assertEqual(report["bytes"], requests * size)
        self.assertEqual(stats["requests"], requests)
        self.assertEqual(stats["connections"], report["connections_opened"])
        if connections is not None:
            self.assertEqual(report["connections_opened"], connections)
        self.assertGreater(report["wall_s"], 0)
        self.assertGreater(report["maxrss_kb"], 0)
        percentiles = [report[name] for name in ("p50_us", "p99_us", "p999_us", "max_us")]
        self.assertGreater(percentiles[0], 0)
        self.assertEqual(percentiles, sorted(percentiles))
        cpu_s = report["user_s"] + report["sys_s"]
        self.assertAlmostEqual(report["cpu_us_per_req"] * requests / 1e6, cpu_s, delta=cpu_s / 100 + 1e-5)

    def test_closed_loop(self):
        self.assert_counts(self.load("/bytes/128", "-c", 4, "-n", 500, "--http1.1"), 500, 128, connections=4)

    def test_the_warm_up_is_not_counted(self):
        for loop in ((), ("--rate", 5000)):
            report = self.load("/bytes/128", "-c", 4, "-n", 100, "--warm-up", 20, *loop)
            self.assertEqual((report["requests"], report["errors"], report["bytes"]), (100, 0, 12800))
        self.assertEqual(self.origin.stats()["requests"], 240)

    def test_fewer_requests_than_in_flight(self):
        self.assert_counts(self.load("/bytes/7", "-c", 8, "-n", 3), 3, 7, connections=3)

    def test_a_connection_for_each_request(self):
        self.assert_counts(self.load("/bytes/128", "-c", 3, "-n", 60, "--close"), 60, 128, connections=60)

    def test_streams_of_one_connection(self):
        report = self.load("/bytes/128", "-c", 16, "-n", 500, "--http2-prior-knowledge")
        self.assert_counts(report, 500, 128, connections=1)

    def test_tls_and_resumption(self):
        report = self.load("/bytes/128", "-c", 1, "-n", 6, "--close", "--http1.1", tls=True)
        self.assert_counts(report, 6, 128, connections=6)
        self.assertEqual((report["tls_handshakes"], report["tls_resumed"]), (6, 5))

    def test_full_handshakes(self):
        report = self.load("/bytes/128", "-c", 1, "-n", 3, "--close", "--no-resumption", tls=True)
        self.assertEqual((report["tls_handshakes"], report["tls_resumed"]), (3, 0))

    def test_http2_over_tls(self):
        self.assert_counts(self.load("/bytes/128", "-c", 8, "-n", 100, "--http2", tls=True), 100, 128, connections=1)
        self.assertEqual(self.origin.stats()["protocols"]["HTTP/2"], 100)

    def test_open_loop(self):
        report = self.load("/bytes/128", "-c", 4, "-n", 200, "--rate", 2000)
        self.assert_counts(report, 200, 128)
        # The last start is meant 199 intervals after the first.
        self.assertGreaterEqual(report["wall_s"], 199 / 2000)

    def test_threads_share_the_requests(self):
        self.assert_counts(self.load("/bytes/128", "-c", 2, "-n", 301, "--threads", 2), 301, 128, connections=4)

    def test_upload(self):
        report = self.load("/upload", "-c", 2, "-n", 20, "--upload", 100000)
        self.assertEqual(report["bytes"], 20 * len("100000\n"))
        self.assertEqual(self.origin.stats()["methods"]["POST"], 20)

    def test_cancels_are_counted_apart(self):
        for protocol in ("--http1.1", "--http2-prior-knowledge"):
            report = self.load("/bytes/128", "-c", 4, "-n", 100, "--cancel-every", 10, protocol)
            self.assertEqual((report["requests"], report["errors"], report["cancelled"]), (100, 0, 10))
            self.assertGreaterEqual(report["bytes"], 90 * 128)

    def test_idle_connections_beside(self):
        for tls, connections in ((False, 122), (True, 244)):
            report = self.load("/bytes/128", "-c", 2, "-n", 50, "--http1.1", "--idle", 120, tls=tls)
            self.assertEqual((report["requests"], report["errors"], report["connections_opened"]), (50, 0, 2))
            self.assertEqual(self.origin.stats()["connections"], connections)

    def test_paused_readers_beside(self):
        for protocol in ("--http1.1", "--http2-prior-knowledge"):
            report = self.load("/bytes/128", "-c", 2, "-n", 50, "--paused", 3, "--paused-url",
                               self.origin.http + "/bytes/10000000", protocol)
            self.assertEqual((report["requests"], report["errors"], report["bytes"]), (50, 0, 50 * 128))

    def test_errors_are_told(self):
        report = self.load("/status/503", "-n", 5)
        self.assertEqual((report["requests"], report["errors"]), (5, 5))
        report = self.load("/empty", "-n", 5)
        self.assertEqual((report["requests"], report["errors"]), (5, 5))

    def test_a_wrong_command_line(self):
        for wrong in ((), ("u", "-n", "0"), ("u", "-c", "x"), ("u", "--rate", "-1"), ("u", "v"),
                      ("u", "--tls-max", "2")):
            done = subprocess.run([case.program("TERN_LOAD"), *wrong], capture_output=True, timeout=case.HANG_S,
                                  check=False)
            self.assertEqual((done.returncode, done.stdout), (2, b""), wrong)


if __name__ == "__main__":
    case.main()
