"""Many downloads over one HTTP/2 connection, some of them paused for ever: the others finish, memory stays within the
ledger, and after a cancel all is back."""
import json
import subprocess

from support import case, servers

BODY = 64 << 10
# The ledger's limit for one connection (tern/client.h, connection_memory_bytes_max).
LEDGER = 64 << 20
# Freed memory that the address sanitizer keeps back would be counted.
SANITIZERS = {"ASAN_OPTIONS": "quarantine_size_mb=1"}


class Crowd(case.Case):
    @classmethod
    def setUpClass(cls):
        cls.origin = servers.Origin("--streams", "4000").start()
        cls.addClassCleanup(cls.origin.stop)

    def crowd(self, path, *args):
        result = subprocess.run([case.program("TERN_CROWD"), *map(str, args), self.origin.http + path],
                                capture_output=True, timeout=case.HANG_S, check=False,
                                env={**case.environment(), **SANITIZERS})
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        return json.loads(result.stdout)

    def assert_all_back(self, told):
        self.assertEqual((told["failed"], told["held_after"], told["live_after"]), (0, 0, 0), told)
        self.assertEqual((told["connections"], told["idle_after"]), (1, 1), told)
        before, during, after = told["descriptors"]
        self.assertEqual((during, after), (before + 1, before), told)

    def test_every_tenth_of_a_thousand_is_paused_for_ever(self):
        told = self.crowd(f"/bytes/{BODY}", "--count", 1000, "--pause-every", 10)
        self.assertEqual((told["done"], told["paused"], told["bytes"]), (900, 100, 900 * BODY), told)
        self.assertLessEqual(told["held"], 100 * BODY, told)
        self.assertLessEqual(told["held"] + told["promised"], LEDGER, told)
        self.assert_all_back(told)
        print(json.dumps(told))

    def test_what_paused_calls_hold_ends_at_their_windows(self):
        told = self.crowd("/bytes/10485760", "--count", 40, "--pause-every", 2)
        self.assertEqual((told["done"], told["paused"]), (20, 20), told)
        self.assertLessEqual(told["held"], 20 * (256 << 10), told)  # body_window_bytes: they never got a wider one
        self.assert_all_back(told)


if __name__ == "__main__":
    case.main()
