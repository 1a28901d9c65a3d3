"""What every end-to-end test needs: the program under test, the rule for skipping, the exit code.

TERN_FETCH    the program under test. Tests that only use curl's flags also run with TERN_FETCH=curl
TERN_ORIGIN   the bundled origin
TERN_MIXED    the steady load of GET and POST (mixed.c)
TERN_PROBE    the counting probe (bench/probe.c)
TERN_SERVERS  folder in which the packages of the test servers are unpacked (servers.py)
TERN_NO_SKIP  set where a test that cannot run is a failure
"""
import os
import subprocess
import sys
import unittest

# Longer than anything here takes, even under sanitizers on a busy machine: whoever reaches it hangs.
HANG_S = 120


def require(condition, what):
    """Goes on if condition holds; else skips the test, or fails it where skipping is not allowed."""
    if condition:
        return
    if os.environ.get("TERN_NO_SKIP"):
        raise AssertionError(f"TERN_NO_SKIP is set, and there is no {what}")
    raise unittest.SkipTest(f"there is no {what}")


def program(variable):
    path = os.environ.get(variable)
    require(path, f"program in ${variable}")
    return path


def is_curl():
    return os.path.basename(os.environ.get("TERN_FETCH", "")) == "curl"


def environment():
    """Without what would change a client's behaviour behind the test's back."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    for name in ("SSLKEYLOGFILE", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_HOME"):
        kept.pop(name, None)
    return kept


def command(*args):
    """-q: no configuration file of the user's. -S: messages although silent."""
    return [program("TERN_FETCH"), "-q", "-sS", *map(str, args)]


def fetch(*args, stdin=b"", env=None):
    """Runs it to its end; bytes in stdout and stderr, the exit code in returncode."""
    return subprocess.run(command(*args), input=stdin, capture_output=True, timeout=HANG_S,
                          env={**environment(), **(env or {})}, check=False)


def _told(result):
    return f"{result.args}: {result.returncode}, {result.stderr[:400]}, {result.stdout[:80]}"


class Case(unittest.TestCase):
    def fetch(self, *args, **options):
        return fetch(*args, **options)

    def fetch_ok(self, *args, **options):
        """Its standard output, after exit code 0."""
        result = fetch(*args, **options)
        self.assertEqual(result.returncode, 0, _told(result))
        return result.stdout

    def assert_exit(self, code, *args, says=None, **options):
        """It ends with code, and its message holds says. Returns the message."""
        result = fetch(*args, **options)
        message = result.stderr.decode(errors="replace")
        self.assertEqual(result.returncode, code, _told(result))
        if says is not None and not is_curl():
            self.assertIn(says, message)
        return message


def main():
    """As unittest.main, but 77 where nothing could run: ctest then shows the file as skipped."""
    result = unittest.main(module="__main__", exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    # A class that skips is not counted as run.
    ran = result.testsRun - sum(isinstance(test, unittest.TestCase) for test, _ in result.skipped)
    sys.exit(77 if result.skipped and ran == 0 else 0)
