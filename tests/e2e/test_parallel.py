"""Ten thousand URLs over 64 connections, and a server that is reloaded while they are fetched."""
import os
import re
import subprocess

from support import case, servers

URLS = 10_000
CONNECTIONS = 64
RELOADS = 5


class Parallel(case.Case):
    def setUp(self):
        """A server for each test: workers of a reloaded one take connections for a while, and close them early."""
        super().setUp()
        self.server = servers.Nginx()
        self.server.start()
        self.addCleanup(self.server.stop)

    def list_of_urls(self, listener):
        lines = "".join(f'url = "{self.server.url("/byte", listener)}"\noutput = "{os.devnull}"\n' for _ in range(URLS))
        return self.server.write("list", lines)

    def start(self, listener, **options):
        """-w tells a line for each URL: status, connections made for it, exit code."""
        args = case.command("-Z", "--parallel-max", CONNECTIONS, "--http1.1", "--cacert", self.server.tree.ca,
                            "-w", "%{http_code} %{num_connects} %{exitcode}\n", "-K", self.list_of_urls(listener))
        return subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=case.environment(), **options)

    def accepted(self):
        """Connections nginx has taken so far, with this question's own."""
        text = self.fetch_ok(self.server.url("/counters")).decode()
        return int(re.search(r"accepts handled requests\s+(\d+)", text).group(1))

    def check(self, lines, errors, returncode):
        self.assertEqual(returncode, 0, errors)
        if not case.is_curl():  # whose parallel progress meter cannot be silenced in every version
            self.assertEqual(errors, b"")
        self.assertEqual(len(lines), URLS)
        wrong = [line for line in lines if line.split()[0] != b"200" or line.split()[2] != b"0"]
        self.assertEqual(wrong, [])
        return sum(int(line.split()[1]) for line in lines)

    def test_ten_thousand_urls_open_64_connections(self):
        for listener in ("plain", "tls"):
            with self.subTest(listener=listener):
                before = self.accepted()
                with self.start(listener) as run:
                    out, errors = run.communicate(timeout=case.HANG_S)
                connects = self.check(out.splitlines(), errors, run.returncode)
                self.assertEqual(connects, CONNECTIONS)
                self.assertEqual(self.accepted() - before, CONNECTIONS + 1)

    def test_no_call_fails_while_the_server_is_reloaded(self):
        with self.start("plain") as run:
            lines = []
            for line in run.stdout:
                lines.append(line)
                if len(lines) % (URLS // (RELOADS + 1)) == 0 and len(lines) < URLS - RELOADS:
                    self.server.reload()
            errors = run.stderr.read()
        connects = self.check(lines, errors, run.returncode)
        # Old workers closed the connections they had: a reload that was not felt would prove nothing.
        self.assertGreater(connects, CONNECTIONS)


if __name__ == "__main__":
    case.main()
