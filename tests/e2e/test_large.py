"""Bodies far larger than any buffer: every byte is right and memory stays flat."""
import hashlib
import os
import subprocess

from support import case, servers

GIB = 1 << 30
# What a transfer may add to the peak of a small one: far below the body.
GROWTH_KIB = 16 * 1024
# Freed memory that the address sanitizer keeps back would be counted.
SANITIZERS = {"ASAN_OPTIONS": "quarantine_size_mb=1"}


class Large(case.Case):
    @classmethod
    def setUpClass(cls):
        cls.origin = servers.Origin().start()
        cls.addClassCleanup(cls.origin.stop)

    def run_measured(self, *args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
        """Its peak memory in KiB, after exit code 0."""
        process = subprocess.Popen(case.command("--cacert", self.origin.ca, *args), stdin=stdin, stdout=stdout,
                                   stderr=subprocess.PIPE, env={**case.environment(), **SANITIZERS})
        errors = process.stderr.read()
        process.stderr.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual((process.returncode, errors), (0, b""))
        return usage.ru_maxrss

    def assert_flat(self, small, large):
        self.assertLess(large, small + GROWTH_KIB, f"peak of {small} KiB for a small body, {large} KiB for a large one")

    def test_download_of_a_gibibyte(self):
        small = self.run_measured(self.origin.http + "/bytes/1")
        large = self.run_measured(self.origin.http + f"/bytes/{GIB}")
        self.assert_flat(small, large)

    def test_download_by_tls_is_right_and_flat(self):
        size = 64 << 20
        small = self.run_measured(self.origin.https + "/bytes/1")
        path = self.origin.path("body")
        with open(path, "wb") as file:
            large = self.run_measured(self.origin.https + f"/bytes/{size}", stdout=file)
        self.assert_flat(small, large)
        self.assertEqual(os.path.getsize(path), size)
        self.assertEqual(digest(path), DIGEST_64_MIB)

    def test_upload_from_a_pipe(self):
        size = 256 << 20
        small = self.run_measured("-T", "-", self.origin.http + "/upload", stdin=subprocess.DEVNULL)
        told = self.origin.path("told")
        with subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE) as source, \
                open(told, "wb") as file:
            large = self.run_measured("-T", "-", self.origin.http + "/upload", stdin=source.stdout, stdout=file)
        self.assert_flat(small, large)
        with open(told, encoding="ascii") as file:
            self.assertEqual(file.read(), f"{size}\n")


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Of the origin's pattern (bench/origin/body.h).
DIGEST_64_MIB = "53b11a4d39e27d1c8fc547a09857f1987f3988c618452bf41e62eebf32224ee2"

if __name__ == "__main__":
    case.main()
