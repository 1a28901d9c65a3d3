"""What a warm request costs, by count: heap allocations and system calls (bench/probe.c)."""
import re
import subprocess

from support import case, servers

REQUESTS = 3000
WARM_UP = 100  # the probe's own: rounds of all that are at once
# A buffer may still find its size, or a PING fall due.
ALLOCATIONS_MAX = 0.02
# Writes, reads and waits; of a loop that is left alone, one turn serves many calls.
CALLS_MAX = {1: 4.5, 100: 0.5}


class Warm(case.Case):
    @classmethod
    def setUpClass(cls):
        cls.origin = servers.Origin().start()
        cls.addClassCleanup(cls.origin.stop)

    def probe(self, verb, url, at_once):
        """Heap allocations and system calls for each request, and connections made."""
        report = self.origin.path("calls")
        # The sanitizer's leak check cannot run under strace.
        env = {**case.environment(), "ASAN_OPTIONS": "detect_leaks=0"}
        done = subprocess.run(["strace", "-f", "-c", "-o", report, case.program("TERN_PROBE"), verb, url,
                               str(REQUESTS), str(at_once)], capture_output=True, text=True, env=env,
                              timeout=case.HANG_S,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(report, encoding="ascii") as file:
            calls = sum(int(line.split()[3]) for line in file
                        if re.search(r"\b(sendmsg|writev?|read|recvfrom|epoll_p?wait2?|epoll_ctl|timerfd_settime)$",
                                     line))
        self.assertIn("failed 0", done.stdout)
        return (float(re.search(r"allocations per warm request: ([\d.]+)", done.stdout).group(1)),
                calls / (REQUESTS + WARM_UP * at_once),
                int(re.search(r"connections opened (\d+)", done.stdout).group(1)))

    def check(self, verb, at_once, connections):
        allocations, calls, opened = self.probe(verb, self.origin.http + "/bytes/1000", at_once)
        print(f"{verb}, {at_once} at once: {allocations} allocations and {calls:.3f} system calls a request",
              flush=True)
        self.assertLessEqual(allocations, ALLOCATIONS_MAX)
        self.assertLess(calls, CALLS_MAX[at_once])
        self.assertEqual(opened, connections)

    def test_http_1(self):
        self.check("warm", 1, 1)

    def test_http_2(self):
        for at_once in (1, 100):
            with self.subTest(at_once=at_once):
                self.check("warm-h2", at_once, 1)


if __name__ == "__main__":
    case.main()
