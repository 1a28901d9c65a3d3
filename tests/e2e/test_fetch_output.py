"""fetch: where answers go, and what is said about them."""

import json
import os
import re
import signal
import stat
import threading
import time

from support import case
from support.peer import FetchTest, Peer, answer, serve

BODY = bytes(range(256)) * 1000


def body_of(request):
    return answer(BODY, fields=[("Content-Type", "application/octet-stream")])


class FileTest(FetchTest):
    def left(self):
        """Everything in the test's directory."""
        return sorted(os.listdir(self.directory))

    def test_output(self):
        with Peer(serve(body_of)) as peer:
            self.passes("-o", "out", peer.url())
            self.assertEqual(self.read("out"), BODY)
            self.assertEqual(self.left(), ["out"])

    def test_empty_body_makes_an_empty_file(self):
        with Peer(serve(lambda request: answer(b""))) as peer:
            self.passes("-o", "out", peer.url())
            self.assertEqual(self.read("out"), b"")

    def test_mode_is_by_umask_or_as_before(self):
        old = os.umask(0o027)
        self.addCleanup(os.umask, old)
        with Peer(serve(body_of)) as peer:
            self.passes("-o", "new", peer.url())
            self.assertEqual(stat.S_IMODE(os.stat(self.path("new")).st_mode), 0o640)
            os.chmod(self.write("old", "old"), 0o600)
            self.passes("-o", "old", peer.url())
            self.assertEqual(stat.S_IMODE(os.stat(self.path("old")).st_mode), 0o600)
            self.assertEqual(self.read("old"), BODY)

    def test_remote_name(self):
        with Peer(serve(body_of)) as peer:
            self.passes("-O", peer.url("/dir/name.bin?query/x#fragment"))
            self.assertEqual(self.left(), ["name.bin"])
            for path in ("/", "/dir/", "/..", "/?x/y"):
                ended = self.fetch("-O", peer.url(path))
                self.assertEqual(ended.code, 23)
                self.assertIn("no file name", ended.err)
            self.assertEqual(self.left(), ["name.bin"])

    def test_each_output_has_its_url(self):
        with Peer(serve(lambda request: answer(request.target.encode()))) as peer:
            ended = self.passes("-o", "a", "-O", "-o", "-", peer.url("/1"), peer.url("/2"), peer.url("/3"),
                                peer.url("/4"))
            self.assertEqual((self.read("a"), self.read("2"), ended.out), (b"/1", b"/2", b"/3/4"))

    def test_create_dirs(self):
        with Peer(serve(body_of)) as peer:
            ended = self.fetch("-o", "a/b/c", peer.url())
            self.assertEqual(ended.code, 23)
            self.assertIn("'a/b/c'", ended.err)
            self.passes("--create-dirs", "-o", "a/b/c", peer.url())
            self.assertEqual(self.read("a/b/c"), BODY)
            self.passes("--create-dirs", "-o", self.path("d//e/f"), peer.url())
            self.assertEqual(self.read("d/e/f"), BODY)

    def test_symbolic_link_is_replaced_not_followed(self):
        target = self.write("target", "precious")
        os.symlink(target, self.path("link"))
        os.symlink(self.path("nowhere"), self.path("dangling"))
        with Peer(serve(body_of)) as peer:
            for name in ("link", "dangling"):
                self.passes("-o", name, peer.url())
                self.assertFalse(os.path.islink(self.path(name)))
                self.assertEqual(self.read(name), BODY)
        self.assertEqual(self.read("target"), b"precious")
        self.assertEqual(self.left(), ["dangling", "link", "target"])

    def test_devices_and_pipes_are_written_as_they_stand(self):
        with Peer(serve(body_of)) as peer:
            self.passes("-o", "/dev/null", peer.url())
            self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
            self.assertEqual(self.passes("-o", "/dev/stdout", peer.url()).out, BODY)
            os.mkfifo(self.path("pipe"))
            os.symlink(self.path("pipe"), self.path("link"))
            for name in ("pipe", "link"):
                read = []
                reader = threading.Thread(target=lambda: read.append(self.read("pipe")))
                reader.start()
                self.passes("-o", name, peer.url())
                reader.join()
                self.assertEqual(read, [BODY])

    def test_directory_as_output(self):
        os.mkdir(self.path("directory"))
        with Peer(serve(body_of)) as peer:
            self.assertEqual(self.fetch("-o", "directory", peer.url()).code, 23)

    def test_failure_leaves_the_old_file(self):
        self.write("out", "old")

        def break_off(connection):
            connection.request()
            connection.send(answer(BODY)[:-1])

        with Peer(break_off) as peer:
            self.assertEqual(self.fetch("-o", "out", peer.url()).code, 18)
        with Peer(serve(lambda request: answer(b"not found", "404 Not Found"))) as peer:
            self.assertEqual(self.fetch("-f", "-o", "out", peer.url()).code, 22)
        self.assertEqual(self.read("out"), b"old")
        self.assertEqual(self.left(), ["out"])

    def half_way(self, end):
        """Stops fetch by a signal in the middle of a download; returns how it ended."""
        sent, finished = threading.Event(), threading.Event()

        def half(connection):
            connection.request()
            connection.send(answer(BODY)[: len(BODY) // 2])
            sent.set()
            finished.wait(30)

        with Peer(half) as peer:
            process = self.start("-o", "out", peer.url())
            self.assertTrue(sent.wait(30))
            # Only once bytes stand in the temporary file has the test its point.
            deadline = time.monotonic() + 30
            while not any(os.path.getsize(self.path(name)) for name in self.left()):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
            process.send_signal(end)
            code = process.wait(30)
            finished.set()
        return code

    def test_killed_half_way(self):
        self.assertEqual(self.half_way(signal.SIGKILL), -signal.SIGKILL)
        self.assertNotIn("out", self.left())

    def test_interrupted_half_way(self):
        for end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.assertEqual(self.half_way(end), -end)
            self.assertEqual(self.left(), [])

    def test_full_device(self):
        with Peer(serve(body_of)) as peer:
            ended = self.fetch("-o", "/dev/full", peer.url())
            self.assertEqual(ended.code, 23)
            self.assertIn("No space left", ended.err)

    def test_closed_pipe(self):
        reader, writer = os.pipe()
        os.close(reader)
        with Peer(serve(body_of)) as peer:
            process = self.start(peer.url(), stdout=writer)
            os.close(writer)
            self.assertEqual(process.wait(30), 23)


class ShownTest(FetchTest):
    def test_include(self):
        def respond(request):
            return b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer(b"body", "200 Fine Thing", [("X-A", "b")])

        with Peer(serve(respond)) as peer:
            self.assertEqual(self.passes("-i", peer.url()).out, respond(None))
            self.passes("-i", "-o", "out", peer.url())
            self.assertEqual(self.read("out"), respond(None))

    def test_head(self):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nX-A: b\r\n\r\n"
        with Peer(serve(lambda request: head)) as peer:
            self.assertEqual(self.passes("-I", peer.url()).out, head)

    def test_silent_and_show_error(self):
        self.assertIn("fetch: (7) ", self.fetch("http://127.0.0.1:1/").err)
        self.assertEqual(self.fetch("-s", "http://127.0.0.1:1/").err, "")
        self.assertIn("fetch: (7) ", self.fetch("-sS", "http://127.0.0.1:1/").err)

    def test_verbose(self):
        with Peer(serve(lambda request: answer(b"ok", fields=[("X-A", "b")]))) as peer:
            ended = self.fetch("-v", "-u", "me:canary-secret", peer.url("/path"))
            self.assertEqual((ended.code, ended.out), (0, b"ok"))
            lines = ended.err.splitlines()
            self.assertIn("> GET /path HTTP/1.1", lines)
            self.assertIn("> Host: 127.0.0.1:%d" % peer.port, lines)
            self.assertIn("< HTTP/1.1 200 OK", lines)
            self.assertIn("< X-A: b", lines)
            self.assertTrue(any(line.startswith("* ") for line in lines))
            secret = peer.requests[0].get("Authorization").split()[1]
            self.assertNotIn(secret, ended.err)
            self.assertNotIn("canary", ended.err)

    def test_write_out(self):
        with Peer(serve(lambda request: answer(b"hello", "404 Not Found",
                                               [("Content-Type", "text/x"), ("X-A", "1"), ("x-a", "2")]))) as peer:
            def shown(format, *args):
                ended = self.passes("-o", "/dev/null", "-w", format, *args, peer.url("/p"))
                return ended.out.decode()

            self.assertEqual(shown("%{http_code} %{response_code} %{http_version} %{content_type}"),
                             "404 404 1.1 text/x")
            self.assertEqual(shown("%{method} %{url} %{url_effective}"), "GET {0} {0}".format(peer.url("/p")))
            self.assertEqual(shown("%{method}", "-X", "PATCH"), "PATCH")
            self.assertEqual(shown("%{size_download} %{size_upload}", "-d", "abc"), "5 3")
            self.assertEqual(shown("%{num_connects} %{num_headers} %{urlnum} %{scheme}"), "1 4 0 http")
            self.assertEqual(shown("%{remote_ip} %{remote_port} %{local_ip}"), "127.0.0.1 %d 127.0.0.1" % peer.port)
            self.assertRegex(shown("%{local_port}"), r"^[1-9]\d+$")
            self.assertEqual(shown("%{ssl_verify_result} %{exitcode} [%{errormsg}]"), "0 0 []")
            self.assertEqual(shown("%header{x-A}|%header{none}|%{filename_effective}"), "1||/dev/null")
            self.assertEqual(shown(r"a\tb\nc\rd\\ 100%% %x \q"), "a\tb\nc\rd\\\\ 100% %x \\q")
            self.assertEqual(json.loads(shown("%{header_json}")),
                             {"content-type": ["text/x"], "x-a": ["1", "2"], "content-length": ["5"]})
            head = int(shown("%{size_header}"))
            self.assertEqual(head, len(answer(b"hello", "404 Not Found",
                                              [("Content-Type", "text/x"), ("X-A", "1"), ("x-a", "2")])) - 5)
            self.assertEqual(int(shown("%{size_request}")), len(peer.requests[-1].head) + 4)
            self.assertGreater(int(shown("%{speed_download}")), 0)

    def test_write_out_json(self):
        with Peer(serve(lambda request: answer(b"hello"))) as peer:
            values = json.loads(self.passes("-o", "out", "-w", "%{json}", peer.url()).out)
        self.assertEqual((values["http_code"], values["size_download"], values["exitcode"]), (200, 5, 0))
        self.assertEqual((values["errormsg"], values["content_type"]), (None, None))
        self.assertEqual((values["http_version"], values["filename_effective"]), ("1.1", "out"))

    def test_write_out_times_grow(self):
        with Peer(serve(lambda request: answer(b"hello"))) as peer:
            names = ("namelookup", "connect", "pretransfer", "starttransfer", "total")
            format = " ".join("%%{time_%s}" % name for name in names)
            shown = self.passes("-o", "/dev/null", "-w", format + " %{time_appconnect}", peer.url()).out.decode()
            self.assertRegex(shown, r"^(\d+\.\d{6} ?){6}$")
            times = [float(time) for time in shown.split()]
            self.assertEqual(times[:5], sorted(times[:5]))
            self.assertGreater(times[4], 0)
            self.assertEqual(times[5], 0)

    def test_write_out_of_a_failure(self):
        ended = self.fetch("-s", "-w", "%{http_code} %{exitcode} %{num_connects} %{errormsg}", "http://127.0.0.1:1/")
        self.assertEqual(ended.code, 7)
        self.assertRegex(ended.out.decode(), r"^000 7 0 .+")

    def test_write_out_streams_and_file(self):
        with Peer(serve(lambda request: answer(b"body"))) as peer:
            ended = self.fetch("-w", "%{stderr}E%{http_code}%{stdout}O%{nonsense}", peer.url())
            self.assertEqual(ended.out, b"bodyO")
            self.assertEqual(ended.err, "E200fetch: unknown --write-out variable: 'nonsense'\n")
            self.assertEqual(self.passes("-w", "@" + self.write("format", "%{http_code}"), peer.url()).out, b"body200")

    def test_waterfall_of_one(self):
        with Peer(serve(lambda request: answer(b"body"))) as peer:
            ended = self.fetch("--waterfall", peer.url("/path"))
            self.assertEqual((ended.code, ended.out), (0, b"body"))
            lines = ended.err.splitlines()
            self.assertEqual(lines[0], "200  " + peer.url("/path"))
            self.assertEqual([line.split()[0] for line in lines[1:]],
                             ["pool", "dns", "tcp", "tls", "write", "wait", "read", "total"])
            for line in lines[1:8]:
                self.assertRegex(line, r"^  \w+ +\|[ .dcs>#-]+\| +\d+\.\d{3} ms$")
            self.assertNotIn("\033", ended.err)
            parts = [float(re.search(r"([\d.]+) ms", line).group(1)) for line in lines[1:]]
            self.assertAlmostEqual(sum(parts[:-1]), parts[-1], delta=0.2)

    def test_waterfall_of_several(self):
        with Peer(serve(lambda request: answer(b"body"))) as peer:
            ended = self.fetch("--waterfall", peer.url("/1"), peer.url("/2"))
            lines = ended.err.splitlines()
            self.assertEqual(len(lines), 3)
            self.assertIn("time line", lines[0])
            for line in lines[1:]:
                self.assertRegex(line, r"^200  http://\S+ +\|.+\| +\d+\.\d{3} ms")


if __name__ == "__main__":
    case.main()
