"""Scripted peers on loopback, and fetch run against them.

A Peer accepts connections and hands each to a script, a function of one Connection, in a thread of its own. What the
script writes is what goes over the wire, byte for byte. Everything a peer has seen stays in `requests`.
"""

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

from support import case, certs


class Request:
    """One request as it came: the fields in their order, the body without its framing."""

    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.head = head
        self.method, self.target, self.version = lines[0].split(" ")
        self.fields = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines[1:]]
        self.names = [name for name, _ in self.fields]
        self.body = body

    def get(self, name):
        for field, value in self.fields:
            if field.lower() == name.lower():
                return value
        return None


class Connection:
    def __init__(self, peer, sock, number):
        self.peer = peer
        self.sock = sock
        self.number = number  # 1 for the peer's first
        self.buffered = b""

    def _more(self):
        data = self.sock.recv(65536)
        self.buffered += data
        return bool(data)

    def _until(self, mark):
        while mark not in self.buffered:
            if not self._more():
                return None
        part, self.buffered = self.buffered.split(mark, 1)
        return part

    def _exactly(self, count):
        while len(self.buffered) < count:
            if not self._more():
                raise ConnectionError("the request's body ended early")
        part, self.buffered = self.buffered[:count], self.buffered[count:]
        return part

    def _chunked(self):
        body = b""
        while True:
            size = int(self._until(b"\r\n"), 16)
            body += self._exactly(size)
            self._exactly(2)
            if size == 0:
                return body

    def request(self):
        """The next request, body and all, or None at the end of the connection."""
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        request = Request(head, b"")
        if request.get("Expect"):
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.get("Transfer-Encoding") == "chunked":
            request.body = self._chunked()
        elif request.get("Content-Length"):
            request.body = self._exactly(int(request.get("Content-Length")))
        with self.peer.lock:
            self.peer.requests.append(request)
        return request

    def send(self, data):
        self.sock.sendall(data)


def answer(body=b"", status="200 OK", fields=()):
    """A whole response of known length."""
    head = "HTTP/1.1 %s\r\n" % status
    head += "".join("%s: %s\r\n" % field for field in fields)
    return head.encode("latin-1") + b"Content-Length: %d\r\n\r\n" % len(body) + body


def serve(respond):
    """A script that answers each request of a connection with the bytes that respond(request) gives."""

    def script(connection):
        while True:
            request = connection.request()
            if request is None:
                return
            connection.send(respond(request))

    return script


def tls_context(name="good", trusted=None):
    """A server's side of TLS, with the certificate of that name (see certs.py). With trusted, a client must show one
    that this authority has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.tree().cert(name), certs.tree().key(name))
    if trusted is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(trusted)
    return context


class Peer:
    """with Peer(script) as peer: … peer.url("/path")"""

    def __init__(self, script, family=socket.AF_INET, path=None, tls=None):
        self.script = script
        self.tls = tls  # an ssl.SSLContext
        self.requests = []
        self.connections = 0
        self.lock = threading.Lock()
        if path is not None:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
        else:
            self.listener = socket.socket(family)
            self.listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(256)
        self.live = set()

    def __enter__(self):
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        # A blocked accept does not see its socket closed: shutdown wakes it.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for sock in self.live:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.thread.join(case.HANG_S)

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(case.HANG_S)
            with self.lock:
                self.live.add(sock)
                self.connections += 1
                number = self.connections
            threading.Thread(target=self._run, args=(sock, number), daemon=True).start()

    def _run(self, sock, number):
        plain = sock
        try:
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
            self.script(Connection(self, sock, number))
        except (OSError, ssl.SSLError):
            pass  # what the other side did is for the test to judge
        finally:
            with self.lock:
                self.live.discard(plain)
            sock.close()

    def url(self, path="/", scheme="http", host="127.0.0.1"):
        return "%s://%s:%d%s" % (scheme, host, self.port, path)


class Ended:
    """What a run of fetch left behind."""

    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr.decode("utf-8", "replace")


class FetchTest(unittest.TestCase):
    """Gives each test a directory of its own, which is also fetch's home and working directory."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="fetch-test-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.environment = {**case.environment(), "HOME": self.directory}
        self.environment.pop("XDG_CONFIG_HOME", None)
        self.program = case.program("TERN_FETCH")

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def start(self, *args, **options):
        """fetch, running: its standard streams are pipes unless options say otherwise."""
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen([self.program, *args], env=self.environment, cwd=self.directory, **streams)
        self.addCleanup(self._reap, process)
        return process

    @staticmethod
    def _reap(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def fetch(self, *args, stdin=b""):
        """Runs fetch to its end."""
        return Ended(subprocess.run([self.program, *args], input=stdin, capture_output=True, timeout=case.HANG_S,
                                    env=self.environment, cwd=self.directory))

    def passes(self, *args, stdin=b""):
        """Runs fetch, which must succeed in silence."""
        ended = self.fetch(*args, stdin=stdin)
        self.assertEqual((ended.code, ended.err), (0, ""))
        return ended
