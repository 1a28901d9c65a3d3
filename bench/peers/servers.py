"""The servers of the comparison, each on a core of its own: nginx, h2o and the bundled origin. They come from where the
tests have theirs (tools/deps.sh test), and are started and ended as there."""
import os
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

from support import servers as tested  # noqa: E402
from support.process import Server, accepts, free_ports  # noqa: E402

BODY = 128
BULK = 100 << 20
IDLE_MAX = 16384


def pinned(cores, command):
    return ["taskset", "-c", ",".join(map(str, cores)), *command] if cores else command


class Chain:
    """An authority, an intermediate of its and a server's certificate, all with keys of one kind."""

    EXTENSIONS = {
        "root": "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n",
        "middle": "basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign\n",
        "leaf": "basicConstraints=CA:false\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n"
                "subjectAltName=DNS:localhost,IP:127.0.0.1\n",
    }

    def __init__(self, folder, kind):
        self.base = os.path.join(folder, kind)
        self.kind = kind
        for name, signer in (("root", "root"), ("middle", "root"), ("leaf", "middle")):
            self._make(name, signer)
        self.ca, self.key = self._path("root.crt"), self._path("leaf.key")
        self.cert = self._path("chain.crt")
        with open(self.cert, "wb") as chain:
            for name in ("leaf", "middle"):
                with open(self._path(name + ".crt"), "rb") as part:
                    chain.write(part.read())

    def _path(self, name):
        return f"{self.base}-{name}"

    def _make(self, name, signer):
        key, request, cert = (self._path(f"{name}.{end}") for end in ("key", "csr", "crt"))
        extensions = self._path(name + ".ext")
        with open(extensions, "w", encoding="ascii") as file:
            file.write(self.EXTENSIONS[name])
        algorithm = ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if self.kind == "rsa" else [
            "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        self._openssl("genpkey", "-algorithm", *algorithm, "-out", key)
        self._openssl("req", "-new", "-key", key, "-subj", f"/CN=bench {self.kind} {name}", "-out", request)
        sign = ["-signkey", key] if name == signer else [
            "-CA", self._path(signer + ".crt"), "-CAkey", self._path(signer + ".key"), "-CAcreateserial"]
        self._openssl("x509", "-req", "-in", request, *sign, "-days", "30", "-sha256", "-extfile", extensions, "-out",
                      cert)

    @staticmethod
    def _openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)


class Pinned(Server):
    """address(work) is the URL's front and the certificate to trust."""

    def __init__(self, cores):
        super().__init__()
        self.cores = cores

    def command(self):
        return pinned(self.cores, self.plain_command())

    def small(self):
        return "/bytes/128"

    def bulk(self):
        return f"/bytes/{BULK}"


class Origin(Pinned):
    def plain_command(self):
        return [os.environ["TERN_ORIGIN"], "--streams", "256", "--cert-out", self.path("ca.pem")]

    def ready(self):
        lines = self.log().splitlines()
        if len(lines) < 2:
            return False
        self.ports = {name: int(line.rsplit(":", 1)[1]) for name, line in zip(("http", "https"), lines)}
        return True

    def address(self, tls=False, http2=False, chain="ec"):
        if tls:
            return f"https://localhost:{self.ports['https']}", self.path("ca.pem")
        return f"http://127.0.0.1:{self.ports['http']}", None


class Web(Pinned):
    """nginx and h2o: files, and a port for each way to speak."""
    name = None

    def __init__(self, cores):
        super().__init__(cores)
        self.program = tested.find(self.name)
        self.env = tested.library_env()

    def configure(self):
        names = ("http", "h2c", "ec", "rsa")
        self.ports = dict(zip(names, free_ports(len(names))))
        self.chains = {kind: Chain(self.folder, kind) for kind in ("ec", "rsa")}
        os.makedirs(self.path("www"))
        os.chmod(self.folder, 0o755)
        self.write("www/small", b"x" * BODY)
        with open(self.path("www/bulk"), "wb") as file:
            file.truncate(BULK)
        os.mkdir(self.path("tmp"))
        os.chmod(self.path("tmp"), 0o777)

    def small(self):
        return "/small"

    def bulk(self):
        return "/bulk"

    def ready(self):
        return all(accepts(port) for port in self.ports.values())

    def address(self, tls=False, http2=False, chain="ec"):
        if tls:
            return f"https://localhost:{self.ports[chain]}", self.chains[chain].ca
        return f"http://127.0.0.1:{self.ports['h2c' if http2 else 'http']}", None


class Nginx(Web):
    name = "nginx"

    def configure(self):
        super().configure()
        temps = "".join(f"{kind}_temp_path {self.path('tmp', kind)};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        place = f"""
            root {self.path("www")};
            location = /small {{ default_type text/plain; return 200 "{"x" * BODY}"; }}
        """
        tls = "".join(f"""server {{
            listen 127.0.0.1:{self.ports[kind]} ssl http2 backlog=4096;
            ssl_certificate {chain.cert}; ssl_certificate_key {chain.key};
            ssl_protocols TLSv1.2 TLSv1.3;
            {place} }}""" for kind, chain in self.chains.items())
        self.write("nginx.conf", f"""
            daemon off;
            {"user root;" if os.geteuid() == 0 else ""}
            worker_processes {max(1, len(self.cores))};
            worker_rlimit_nofile {IDLE_MAX + 1024};
            pid {self.path("pid")};
            error_log stderr error;
            events {{ worker_connections {IDLE_MAX}; }}
            http {{
                access_log off; {temps}
                sendfile on; keepalive_requests 1000000000; keepalive_timeout 3600s;
                http2_max_concurrent_streams 256;
                server {{ listen 127.0.0.1:{self.ports["http"]} backlog=4096; {place} }}
                server {{ listen 127.0.0.1:{self.ports["h2c"]} http2; {place} }}
                {tls}
            }}
        """)

    def plain_command(self):
        return [self.program, "-p", self.folder, "-c", self.path("nginx.conf"), "-e", "stderr"]


class H2o(Web):
    name = "h2o"

    def configure(self):
        super().configure()
        ports = {**{name: "" for name in ("http", "h2c")},
                 **{kind: f"\n  ssl:\n    certificate-file: {chain.cert}\n    key-file: {chain.key}\n"
                          "    ocsp-update-interval: 0"
                    for kind, chain in self.chains.items()}}
        listeners = "".join(f"listen:\n  host: 127.0.0.1\n  port: {self.ports[name]}{tls}\n"
                            for name, tls in ports.items())
        self.write("h2o.conf", f"""
user: {tested.user_name()}
num-threads: {max(1, len(self.cores))}
temp-buffer-path: {self.path("tmp")}
error-log: /dev/stderr
http1-request-timeout: 3600
http2-idle-timeout: 3600
http2-max-concurrent-requests-per-connection: 256
{listeners}
hosts:
  default:
    paths:
      /:
        file.dir: {self.path("www")}
""")
        self.env = {**self.env, "H2O_ROOT": os.path.join(os.environ.get("TERN_SERVERS") or "/", "usr")}

    def plain_command(self):
        return [self.program, "-m", "worker", "-c", self.path("h2o.conf")]
