"""Server processes that do not outlive the test: each leads its own process group, is told when the test dies, and is
ended and reaped at the latest at exit."""
import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

_running = []
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None)
# What a server forks and leaves behind becomes this process's child, to be reaped with its group.
_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)

READY_S = 30
TRIES = 3


def _die_with_parent():
    # TERM, not KILL: a master then ends its workers too.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop_all():
    for server in list(_running):
        server.stop()


def _on_signal(number, _frame):
    sys.exit(128 + number)  # and so through atexit


atexit.register(_stop_all)
signal.signal(signal.SIGTERM, _on_signal)


def free_ports(count, family=socket.AF_INET, kind=socket.SOCK_STREAM):
    """Ports that nobody has now. Someone may take one before the server does: hence Server's tries."""
    sockets = [socket.socket(family, kind) for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def accepts(port):
    with socket.socket() as sock:
        sock.settimeout(READY_S)
        return sock.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """Subclasses: configure() makes what is in self.folder and chooses ports, command() says what to start, ready()
    whether it serves. Use as a context manager, or start() and stop()."""
    env = {}

    def __init__(self):
        self.folder = None
        self.process = None

    def configure(self):
        pass

    def command(self):
        raise NotImplementedError

    def ready(self):
        raise NotImplementedError

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def log(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def start(self):
        for _ in range(TRIES):
            self.folder = tempfile.mkdtemp(prefix="tern-test-")
            os.chmod(self.folder, 0o755)  # some drop their rights when they are started as root
            _running.append(self)
            self.configure()
            self._spawn()
            if self._wait():
                return self
            log_text = self.log()
            self.stop()
        raise AssertionError(f"{type(self).__name__} does not start:\n{log_text}")

    def _spawn(self):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env={**os.environ, **self.env}, start_new_session=True, preexec_fn=_die_with_parent)

    def restart(self):
        """Ends it and starts it again, with the same configuration and ports."""
        self._end()
        self._spawn()
        if not self._wait():
            raise AssertionError(f"{type(self).__name__} does not start again:\n{self.log()}")

    def _wait(self):
        until = time.monotonic() + READY_S
        while self.process.poll() is None and time.monotonic() < until:
            if self.ready():
                return True
            time.sleep(0.02)
        return False

    def _end(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
            self._end_group(self.process.pid)
            self.process.wait()
            self.process = None

    def stop(self):
        if self in _running:
            _running.remove(self)
        self._end()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    @staticmethod
    def _end_group(group):
        try:
            os.killpg(group, signal.SIGKILL)
            while True:
                os.waitpid(-group, 0)
        except (ProcessLookupError, ChildProcessError):
            pass

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
