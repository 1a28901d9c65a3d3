"""Names, looked up at a real name server: --dns-servers is not in every curl, so these need the bundled fetch."""
import json
import os
import socket
import struct
import subprocess
import threading
import time

from support import case, process, servers


class Records(case.Case):
    """dnsmasq with records for test names; the origin behind them."""

    @classmethod
    def setUpClass(cls):
        case.require(not case.is_curl(), "fetch (curl cannot choose its name servers)")
        cls.origin = servers.Origin().start()
        cls.addClassCleanup(cls.origin.stop)
        cls.port = cls.origin.http.rsplit(":", 1)[1]
        cls.dns = servers.Dnsmasq(
            "local=/test/",  # what is not here is not there
            "local-ttl=60",
            "host-record=v4.test,127.0.0.1",
            "host-record=v6.test,::1",
            "host-record=both.test,127.0.0.1,::1",
            "host-record=xn--mnchen-3ya.test,127.0.0.1",
            "host-record=xn--fa-hia.test,127.0.0.1",
            "cname=alias.test,both.test",
        ).start()
        cls.addClassCleanup(cls.dns.stop)

    def args(self, host, path="/status/200"):
        return ["--dns-servers", f"127.0.0.1:{self.dns.port}", f"http://{host}:{self.port}{path}"]

    def test_found(self):
        for host in ("v4.test", "V4.Test", "v4.test.", "alias.test"):
            with self.subTest(host=host):
                self.assertEqual(self.fetch_ok(*self.args(host)), b"200\n")

    def test_no_such_name_is_6(self):
        self.assert_exit(6, *self.args("none.test"), says="none.test")

    def test_no_address_of_the_family_is_6(self):
        self.assert_exit(6, "-6", *self.args("v4.test"))
        self.assert_exit(6, "-4", *self.args("v6.test"))

    def test_name_servers_that_do_not_answer_end_in_6_or_28(self):
        (dead,) = process.free_ports(1, kind=socket.SOCK_DGRAM)
        result = self.fetch("--dns-servers", f"127.0.0.1:{dead}", "--connect-timeout", "2", "http://v4.test/")
        self.assertIn(result.returncode, (6, 28), result)

    def test_only_an_ipv6_address(self):
        with Sixth() as sixth:
            args = ["--dns-servers", f"127.0.0.1:{self.dns.port}", "-w", " %{remote_ip}"]
            self.assertEqual(self.fetch_ok(*args, f"http://v6.test:{sixth.port}/"), b"six ::1")

    def test_falls_back_to_ipv4_where_ipv6_refuses(self):
        told = self.fetch_ok("-o", os.devnull, "-w", "%{remote_ip}", *self.args("both.test"))
        self.assertEqual(told, b"127.0.0.1")

    def test_international_names(self):
        for host in ("münchen.test", "MÜNCHEN.test", "faß.test"):
            with self.subTest(host=host):
                self.assertEqual(self.fetch_ok(*self.args(host)), b"200\n")
        sent = self.fetch_ok(*self.args("münchen.test", "/headers")).decode()
        self.assertIn(f"Host: xn--mnchen-3ya.test:{self.port}\n", sent)

    def test_one_lookup_serves_several_urls(self):
        before = self.dns.queries("both.test")
        url = f"http://both.test:{self.port}/close/1"  # so that each of them dials
        self.assertEqual(len(self.fetch_ok(*self.args("both.test", "/close/1"), url, url)), 3)
        after = self.dns.queries("both.test")
        for kind in ("A", "AAAA"):
            self.assertEqual(after.get(kind, 0) - before.get(kind, 0), 1, kind)


class Sixth:
    """One answer on ::1."""

    def __enter__(self):
        self.listener = socket.socket(socket.AF_INET6)
        self.listener.bind(("::1", 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        return self

    def _serve(self):
        connection, _ = self.listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nsix")

    def __exit__(self, *_):
        self.listener.close()
        self.thread.join()


class Moves(case.Case):
    """A name that moves between origins on several addresses while GET and POST go on."""
    addresses = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
    ttl_s = 1
    at_once = 16

    @classmethod
    def setUpClass(cls):
        cls.port = 0
        for address in cls.addresses:
            origin = servers.Origin("--address", address, "--port", str(cls.port)).start()
            cls.addClassCleanup(origin.stop)
            cls.port = int(origin.http.rsplit(":", 1)[1])  # the same for all
        cls.dns = servers.Dnsmasq("local=/test/", f"local-ttl={cls.ttl_s}").start()
        cls.addClassCleanup(cls.dns.stop)

    def connections(self):
        """How many there are to each address."""
        counts = dict.fromkeys(self.addresses, 0)
        with open("/proc/net/tcp", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                local, state = line.split()[1], line.split()[3]
                address = socket.inet_ntoa(struct.pack("<I", int(local[:8], 16)))
                if state == "01" and int(local[9:], 16) == self.port and address in counts:
                    counts[address] += 1
        return counts

    def move(self, *addresses):
        """How long until all connections are to these addresses, and what there are then."""
        self.dns.answer("moves.test", *addresses)
        began = time.monotonic()
        while True:
            counts = self.connections()
            used = {address for address, count in counts.items() if count > 0}
            took_s = time.monotonic() - began
            if used and used <= set(addresses):
                return took_s, counts
            self.assertLess(took_s, 15, counts)
            time.sleep(0.02)

    def load(self, *args):
        url = f"http://moves.test:{self.port}"
        load = subprocess.Popen([case.program("TERN_MIXED"), *args, "--dns-servers", f"127.0.0.1:{self.dns.port}",
                                 "--at-once", str(self.at_once), f"{url}/bytes/1000", f"{url}/upload"],
                                stdout=subprocess.PIPE, env=case.environment())
        self.addCleanup(load.stdout.close)
        self.addCleanup(load.kill)
        return load

    def test_calls_follow_their_name(self):
        first, second, third = self.addresses
        for args in ([], ["--http2-prior-knowledge"]):
            with self.subTest(args=args):
                self.dns.answer("moves.test", first)
                load = self.load(*args)
                self.move(first)
                for addresses in ((second,), (third, first), (second,)):
                    took_s, counts = self.move(*addresses)
                    print(self.id(), *args, f"{took_s:.2f} s to", counts, flush=True)
                    # The answer is kept for its TTL; a look every second finds the new one.
                    self.assertLess(took_s, self.ttl_s + 1 + 2)
                    if not args:  # new connections go to all addresses
                        self.assertTrue(all(counts[address] > 0 for address in addresses), counts)
                load.terminate()
                out, _ = load.communicate(timeout=case.HANG_S)
                told = json.loads(out)
                self.assertEqual(told["failures"], [])
                self.assertGreater(told["get"]["done"], 1000)
                self.assertGreater(told["post"]["done"], 300)
                self.assertEqual((told["attempts_max"], told["replayed"], told["dead"]), (1, 0, 0))
                self.assertGreaterEqual(told["retired"], 3 if args else 3 * self.at_once / 2)


class Hostile(case.Case):
    """A name server that does what dnsmasq would not."""

    @classmethod
    def setUpClass(cls):
        case.require(not case.is_curl(), "fetch (curl cannot choose its name servers)")
        cls.origin = servers.Origin().start()
        cls.addClassCleanup(cls.origin.stop)
        cls.port = cls.origin.http.rsplit(":", 1)[1]

    def ask(self, dns, *args):
        return self.fetch("--dns-servers", f"127.0.0.1:{dns.port}", *args, f"http://name.test:{self.port}/status/200")

    def test_servfail_is_6(self):
        with NameServer(lambda udp, question: answer(question, rcode=2)) as dns:
            self.assertEqual(self.ask(dns).returncode, 6)

    def test_truncated_answer_is_asked_for_again_by_tcp(self):
        with NameServer(lambda udp, question: answer(question, truncated=udp, address=not udp)) as dns:
            result = self.ask(dns)
            self.assertEqual((result.returncode, result.stdout), (0, b"200\n"), result.stderr)
            self.assertGreater(dns.by_tcp, 0)

    def test_silent_server_is_6_or_28(self):
        with NameServer(lambda udp, question: None) as dns:
            self.assertIn(self.ask(dns, "--connect-timeout", "1").returncode, (6, 28))

    def test_lost_question_is_asked_again(self):
        questions = []

        def lose_the_first(_udp, question):
            questions.append(question)
            return answer(question, address=True) if len(questions) > 2 else None
        with NameServer(lose_the_first) as dns:
            self.assertEqual(self.ask(dns).returncode, 0)

    def test_time_to_live_of_zero_is_honoured(self):
        for ttl, lookups in ((0, 2), (60, 1)):
            questions = set()

            def note(_udp, question, ttl=ttl, questions=questions):
                questions.add(question[:2])  # the id: new for each lookup
                return answer(question, address=True, ttl=ttl)
            with self.subTest(ttl=ttl), NameServer(note) as dns:
                url = f"http://name.test:{self.port}/close/1"  # so that each of them dials
                self.fetch_ok("-4", "--dns-servers", f"127.0.0.1:{dns.port}", url, url)
                self.assertEqual(len(questions), lookups)

    def test_answer_to_another_question_is_not_taken(self):
        def lie(udp, question):
            return bytes([question[0] ^ 0xFF]) + answer(question, address=True)[1:]
        with NameServer(lie) as dns:
            self.assertIn(self.ask(dns, "--connect-timeout", "1").returncode, (6, 28))

    def test_nonsense_is_not_taken(self):
        with NameServer(lambda udp, question: question[:2] + b"\xff" * 40) as dns:
            self.assertIn(self.ask(dns, "--connect-timeout", "1").returncode, (6, 28))


def answer(question, rcode=0, truncated=False, address=False, ttl=60):
    """A response to question: with 127.0.0.1 if address and it asks for A, else with no record."""
    end = question.index(b"\0", 12) + 5
    is_a = question[end - 4:end - 2] == b"\0\1"
    records = 1 if address and is_a else 0
    flags = 0x8180 | rcode | (0x0200 if truncated else 0)
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, ttl, 4) + bytes([127, 0, 0, 1])
    return question[:2] + struct.pack("!5H", flags, 1, records, 0, 0) + question[12:end] + record * records


class NameServer:
    """Answers each question with what reply(udp, question) makes of it; None: not at all."""

    def __init__(self, reply):
        self.reply = reply
        self.by_tcp = 0

    def __enter__(self):
        self._bind()
        self.tcp.listen()
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self._serve_udp, self._serve_tcp)]
        for thread in self.threads:
            thread.start()
        return self

    def _bind(self):
        """One number for both: what is free for UDP may be taken for TCP, by any connection of the machine."""
        for _ in range(100):
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind(("127.0.0.1", 0))
            self.port = self.udp.getsockname()[1]
            self.tcp = socket.socket()
            try:
                self.tcp.bind(("127.0.0.1", self.port))
                return
            except OSError:
                self.udp.close()
                self.tcp.close()
        raise RuntimeError("no port is free for UDP and TCP")

    def _serve_udp(self):
        while True:
            question, peer = self.udp.recvfrom(4096)
            if not question:
                return
            reply = self.reply(True, question)
            if reply is not None:
                self.udp.sendto(reply, peer)

    def _serve_tcp(self):
        while True:
            connection, _ = self.tcp.accept()
            with connection, connection.makefile("rb") as stream:
                while len(size := stream.read(2)) == 2:
                    question = stream.read(struct.unpack("!H", size)[0])
                    if not question:
                        return
                    self.by_tcp += 1
                    reply = self.reply(False, question)
                    if reply is not None:
                        connection.sendall(struct.pack("!H", len(reply)) + reply)

    def __exit__(self, *_):
        # An empty question ends each thread.
        self.udp.sendto(b"", ("127.0.0.1", self.port))
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"\0\0")
        for thread in self.threads:
            thread.join()
        self.udp.close()
        self.tcp.close()


if __name__ == "__main__":
    case.main()
