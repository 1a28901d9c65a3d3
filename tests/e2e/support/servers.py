"""nginx, Apache, h2o, nghttpd, haproxy, Caddy and dnsmasq as tests need them: on free ports of loopback, in a temporary
folder, as the current user, in the foreground. Found in TERN_SERVERS, where packages are unpacked without being
installed, else on the system.

All web servers serve the same: index.html, /empty (0 bytes), /byte (1), /mib (1 MiB), and answer 404 to /missing; those
that can answer 204 to /204, and to /large with a head larger than an HTTP/2 frame. nginx and Apache want USER and
PASSWORD below /basic/, Apache by Digest below /digest/. Each has a port for every listener
of LISTENERS that it can have, and for HTTP/2: "h2" over TLS, "h2c" in the clear. The first three have a Unix socket.
"""
import atexit
import base64
import hashlib
import http.client
import json
import os
import pwd
import random
import shlex
import shutil
import signal
import socket
import struct
import tempfile
import time

from support import case, certs
from support.process import READY_S, Server, accepts, free_ports

FILES = {
    "index.html": b"tern\n",
    "empty": b"",
    "byte": b"x",
    "mib": random.Random(1).randbytes(1024 * 1024),
    "text": b"all the same\n" * 1000,
}
SHA256 = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}

# TLS listeners: name -> (certificate, protocols)
LISTENERS = {
    "tls": ("good", "TLSv1.2 TLSv1.3"),
    "tls12": ("good", "TLSv1.2"),
    "tls13": ("good", "TLSv1.3"),
    "rsa": ("rsa", "TLSv1.2 TLSv1.3"),
    **{name: (name, "TLSv1.2 TLSv1.3")
       for name in ("expired", "future", "wrong", "unknown", "self", "weak_key", "weak_hash")},
}
GOOD = ("tls", "tls12", "tls13", "rsa")
HTTP2 = ("h2", "h2c")
CLEAR = ("plain", "h2c")

# The head of /large: more than an HTTP/2 frame (16 KiB), so that it takes a CONTINUATION.
LARGE_FIELDS = {f"Large-{i}": f"{i % 10}~" * 1500 for i in range(12)}

USER, PASSWORD, REALM = "Mufasa", "Circle of Life", "the realm"

# Packages that a distribution is known not to have: their tests are left out there, and say so.
ABSENT = {("debian", "13"): {"h2o"}}

# OpenSSL would not serve the weak certificates.
OPENSSL_CONF = """
openssl_conf = weak
[weak]
ssl_conf = ssl
[ssl]
system_default = level
[level]
CipherString = DEFAULT:@SECLEVEL=0
"""


# Of /big.
BIG_BYTES = 100 << 20
_big = []


def big():
    """A file of BIG_BYTES whose MiBs all differ, and its SHA-256. Made once a process."""
    if not _big:
        folder = tempfile.mkdtemp(prefix="tern-big-")
        atexit.register(shutil.rmtree, folder, True)
        digest = hashlib.sha256()
        path = os.path.join(folder, "big")
        with open(path, "wb") as file:
            for i in range(BIG_BYTES >> 20):
                piece = i.to_bytes(8) + FILES["mib"][8:]
                digest.update(piece)
                file.write(piece)
        os.chmod(path, 0o644)
        _big.extend((path, digest.hexdigest()))
    return tuple(_big)


def _root():
    return os.environ.get("TERN_SERVERS") or "/"


def is_absent(package):
    """Whether this distribution is known not to have it."""
    with open("/etc/os-release", encoding="utf-8") as file:
        release = dict(line.rstrip().split("=", 1) for line in file if "=" in line)
    key = tuple(release.get(name, "").strip('"') for name in ("ID", "VERSION_ID"))
    return package in ABSENT.get(key, ())


def find(name):
    """The program's path. Skips, or fails, where there is none."""
    folders = [os.path.join(_root(), folder) for folder in ("usr/sbin", "usr/bin")]
    path = shutil.which(name, path=os.pathsep.join(folders)) or shutil.which(name)
    case.require(path, name)
    return path


def library_env():
    """Libraries that were unpacked beside the servers. Only for them: the program under test takes the system's."""
    triplet = os.uname().machine + "-linux-gnu"
    folders = [os.path.join(_root(), folder, triplet) for folder in ("usr/lib", "lib")]
    return {"LD_LIBRARY_PATH": os.pathsep.join(folders)} if _root() != "/" else {}


def user_name():
    return pwd.getpwuid(os.geteuid()).pw_name


class WebServer(Server):
    name = None
    listeners = tuple(LISTENERS)
    http2 = HTTP2
    socket_path = None

    def __init__(self):
        super().__init__()
        self.program = find(self.name)
        self.tree = certs.tree()
        self.env = library_env()

    def prepare(self):
        names = ("plain", *self.listeners, *self.http2)
        self.ports = dict(zip(names, free_ports(len(names))))
        for name, content in FILES.items():
            os.chmod(self.write("www/" + name, content), 0o644)
        sha = base64.b64encode(hashlib.sha1(PASSWORD.encode()).digest()).decode()
        digest = hashlib.md5(f"{USER}:{REALM}:{PASSWORD}".encode()).hexdigest()
        os.chmod(self.write("htpasswd", f"{USER}:{{SHA}}{sha}\n"), 0o644)
        os.chmod(self.write("htdigest", f"{USER}:{REALM}:{digest}\n"), 0o644)
        os.mkdir(self.path("tmp"))
        for writable in ("www", "tmp"):
            os.chmod(self.path(writable), 0o777)

    def add_big(self):
        """Serves /big too. Returns its SHA-256."""
        path, digest = big()
        os.link(path, self.path("www", "big"))
        return digest

    def ready(self):
        return (all(accepts(port) for port in self.ports.values()) and
                (self.socket_path is None or os.path.exists(self.socket_path)))

    def url(self, path="/", listener="plain", host="localhost"):
        scheme = "http" if listener in CLEAR else "https"
        return f"{scheme}://{host}:{self.ports[listener]}{path}"


class Nginx(WebServer):
    """Takes PUT below /dav/ (which keeps it), writes a line to posts() for each request to /post, and tells its
    counters at /counters. A connection carries keepalive_requests."""
    name = "nginx"

    def __init__(self, keepalive_requests=1000000):
        super().__init__()
        self.keepalive_requests = keepalive_requests

    def configure(self):
        self.prepare()
        self.socket_path = self.path("socket")
        self.env = {**self.env, "OPENSSL_CONF": self.write("openssl.cnf", OPENSSL_CONF)}
        common = f"""
            root {self.path("www")};
            location /dav/ {{
                root {self.path("tmp")};
                dav_methods PUT;
                create_full_put_path on;
                client_max_body_size 0;
            }}
            location = /post {{ access_log {self.path("posts")} line; return 200; }}
            location = /204 {{ return 204; }}
            location = /large {{
                {"".join(f"add_header {name} {value};" for name, value in LARGE_FIELDS.items())}
                return 200;
            }}
            location = /counters {{ stub_status; }}
            location /basic/ {{
                alias {self.path("www")}/;
                auth_basic "{REALM}";
                auth_basic_user_file {self.path("htpasswd")};
            }}
            location = /busy {{ return 503; }}
            location = /moved/here {{ return 301 /byte; }}
            location = /moved/up {{ return 302 https://localhost:{self.ports["tls"]}/byte; }}
            location = /moved/down {{ return 302 http://localhost:{self.ports["plain"]}/byte; }}
            location = /moved/round {{ return 307 /moved/round; }}
            location /coded/ {{ alias {self.path("www")}/; gzip on; gzip_types *; gzip_min_length 0; }}
        """
        blocks = [f"server {{ listen 127.0.0.1:{self.ports['plain']} backlog=1024; "
                  f"listen unix:{self.socket_path}; {common} }}"]
        blocks.append(f"server {{ listen 127.0.0.1:{self.ports['h2c']} backlog=1024 http2; {common} }}")
        for name in (*self.listeners, "h2"):
            cert, protocols = LISTENERS.get(name, LISTENERS["tls"])
            blocks.append(f"""server {{
                listen 127.0.0.1:{self.ports[name]} ssl{" http2" if name == "h2" else ""};
                ssl_certificate {self.tree.cert(cert)};
                ssl_certificate_key {self.tree.key(cert)};
                ssl_protocols {protocols};
                {common}
            }}""")
        temps = "".join(f"{kind}_temp_path {self.path('tmp', kind)};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self.write("nginx.conf", f"""
            daemon off;
            {"user root;" if os.geteuid() == 0 else ""}
            worker_processes 2;
            pid {self.path("pid")};
            error_log stderr warn;
            events {{ worker_connections 4096; }}
            http {{
                access_log off;
                log_format line "$request_method $request_uri $status";
                {temps}
                keepalive_requests {self.keepalive_requests};
                keepalive_timeout 300s;
                {" ".join(blocks)}
            }}
        """)

    def command(self):
        return [self.program, "-p", self.folder, "-c", self.path("nginx.conf"), "-e", "stderr"]

    def reload(self):
        """New workers take over; old ones finish what they have and close idle connections."""
        self.process.send_signal(signal.SIGHUP)

    def busiest_worker(self):
        """The process id of the worker with the most connections."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            return max((int(pid) for pid in file.read().split()), key=lambda pid: len(os.listdir(f"/proc/{pid}/fd")))

    def posts(self):
        """A line for each request to /post that it has answered."""
        with open(self.path("posts"), encoding="ascii") as file:
            return file.read().splitlines()


class Apache(WebServer):
    """Takes any body at /echo and gives it back; by HTTP/2 at /proxied/echo, since mod_reflector cannot."""
    name = "apache2"
    listeners = GOOD

    def configure(self):
        self.prepare()
        modules = os.path.join(_root(), "usr/lib/apache2/modules")
        loads = "\n".join(f"LoadModule {name}_module {modules}/mod_{name}.so"
                          for name in ("mpm_event", "alias", "auth_basic", "auth_digest", "authn_core", "authn_file",
                                       "authz_core", "authz_user", "dir", "headers", "http2", "log_config", "proxy",
                                       "proxy_http", "reflector", "ssl")
                          if os.path.exists(f"{modules}/mod_{name}.so"))
        hosts = "\n".join(f"""
            Listen 127.0.0.1:{self.ports[name]}
            <VirtualHost 127.0.0.1:{self.ports[name]}>
                SSLEngine on
                SSLProtocol -all {LISTENERS[name][1].replace("TLSv", "+TLSv")}
                SSLCertificateFile {self.tree.cert(LISTENERS[name][0])}
                SSLCertificateKeyFile {self.tree.key(LISTENERS[name][0])}
            </VirtualHost>
        """ for name in self.listeners)
        os.chmod(self.write("www/large", b""), 0o644)
        large = "\n".join(f"Header set {name} {value}" for name, value in LARGE_FIELDS.items())
        self.write("apache.conf", f"""
            ServerRoot {self.folder}
            DefaultRuntimeDir {self.path("tmp")}
            PidFile {self.path("pid")}
            ErrorLog /dev/stderr
            LogFormat "%m %U%q %s" line
            CustomLog {self.path("posts")} line
            ServerName localhost
            {loads}
            {f"User nobody{chr(10)}Group nogroup" if os.geteuid() == 0 else ""}
            Listen 127.0.0.1:{self.ports["plain"]}
            DocumentRoot {self.path("www")}
            MaxKeepAliveRequests 0
            KeepAliveTimeout 300
            Redirect 204 /204
            ProxyPass /proxied http://127.0.0.1:{self.ports["plain"]}
            <Location /echo>
                SetHandler reflector
            </Location>
            Alias /basic {self.path("www")}
            Alias /digest {self.path("www")}
            <Location /basic>
                AuthType Basic
                AuthName "{REALM}"
                AuthUserFile {self.path("htpasswd")}
                Require valid-user
            </Location>
            <LocationMatch ^/digest>
                AuthType Digest
                AuthName "{REALM}"
                AuthUserFile {self.path("htdigest")}
                Require valid-user
            </LocationMatch>
            <Location /digest/echo>
                SetHandler reflector
            </Location>
            # A section's directives for Digest take the place of those of the sections before it, all of them.
            <Location /digest/brief>
                AuthType Digest
                AuthName "{REALM}"
                AuthUserFile {self.path("htdigest")}
                AuthDigestNonceLifetime 3
                Require valid-user
            </Location>
            <Location /large>
                {large}
            </Location>
            {hosts}
            Listen 127.0.0.1:{self.ports["h2"]}
            <VirtualHost 127.0.0.1:{self.ports["h2"]}>
                Protocols h2 http/1.1
                SSLEngine on
                SSLCertificateFile {self.tree.cert("good")}
                SSLCertificateKeyFile {self.tree.key("good")}
            </VirtualHost>
            Listen 127.0.0.1:{self.ports["h2c"]}
            <VirtualHost 127.0.0.1:{self.ports["h2c"]}>
                Protocols h2c http/1.1
            </VirtualHost>
        """)

    def command(self):
        return [self.program, "-d", self.folder, "-f", self.path("apache.conf"), "-DFOREGROUND"]

    def reload(self):
        """Gracefully: what a child has is finished, new children take over. A second one before they do would have
        them end what they have just begun, so this waits for them."""
        mark = "resuming normal operations"
        before = self.log().count(mark)
        self.process.send_signal(signal.SIGUSR1)
        until = time.monotonic() + READY_S
        while self.log().count(mark) == before and time.monotonic() < until:
            time.sleep(0.02)

    def posts(self):
        """As Nginx.posts, for any path."""
        with open(self.path("posts"), encoding="ascii") as file:
            return [line for line in file.read().splitlines() if line.startswith("POST ")]


class H2o(WebServer):
    """Takes any body at /echo and gives it back. It cannot be told to leave TLS 1.3 out."""
    name = "h2o"
    listeners = ("tls", "rsa")

    def configure(self):
        self.prepare()
        self.socket_path = self.path("socket")
        listens = "".join(f"""
listen:
  host: 127.0.0.1
  port: {self.ports[name]}
  ssl:
    certificate-file: {self.tree.cert(cert)}
    key-file: {self.tree.key(cert)}
    ocsp-update-interval: 0
""" for name, cert in (*((name, LISTENERS[name][0]) for name in self.listeners), ("h2", "good")))
        large = "".join(f"        header.set: \"{name}: {value}\"\n" for name, value in LARGE_FIELDS.items())
        self.write("h2o.conf", f"""
{"user: root" if os.geteuid() == 0 else ""}
num-threads: 1
pid-file: {self.path("pid")}
error-log: /dev/stderr
listen:
  host: 127.0.0.1
  port: {self.ports["plain"]}
listen:
  host: 127.0.0.1
  port: {self.ports["h2c"]}
listen:
  type: unix
  port: {self.socket_path}
{listens}
hosts:
  default:
    paths:
      /echo:
        mruby.handler: |
          Proc.new {{ |env| [200, {{}}, [env["rack.input"] ? env["rack.input"].read : ""]] }}
      /204:
        mruby.handler: |
          Proc.new {{ |env| [204, {{}}, []] }}
      /large:
        mruby.handler: |
          Proc.new {{ |env| [200, {{}}, []] }}
{large}
      /:
        file.dir: {self.path("www")}
""")
        self.env = {**self.env, "H2O_ROOT": os.path.join(_root(), "usr")}

    def command(self):
        return [self.program, "-m", "worker", "-c", self.path("h2o.conf")]


class Nghttpd(WebServer):
    """Gives the body of any POST back, and a trailer after every body. It speaks HTTP/2 alone, and has a process for
    each listener."""
    name = "nghttpd"
    listeners = ()

    def configure(self):
        self.prepare()
        del self.ports["plain"]

    def command(self):
        common = [self.program, "-a", "127.0.0.1", "-d", self.path("www"), "--echo-upload", "--trailer",
                  "tern-trailer: yes"]
        clear = [*common, "--no-tls", str(self.ports["h2c"])]
        tls = [*common, str(self.ports["h2"]), self.tree.key("good"), self.tree.cert("good")]
        return ["/bin/sh", "-c", f"{shlex.join(clear)} & exec {shlex.join(tls)}"]


class Haproxy(WebServer):
    """Before a bundled origin of its own, whose paths it has. A line of its log for each request."""
    name = "haproxy"
    listeners = ("tls",)

    def start(self):
        self.origin = Origin().start()
        return super().start()

    def stop(self):
        super().stop()
        self.origin.stop()

    def configure(self):
        self.prepare()
        pem = b""
        for path in (self.tree.cert("good"), self.tree.key("good")):
            with open(path, "rb") as file:
                pem += file.read()
        self.write("good.pem", pem)
        self.write("haproxy.conf", f"""
global
    hard-stop-after 5s
    tune.ssl.default-dh-param 2048
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    log stdout format raw local0
    log-format "%HM %HU %ST"
frontend web
    bind 127.0.0.1:{self.ports["plain"]}
    bind 127.0.0.1:{self.ports["tls"]} ssl crt {self.path("good.pem")}
    bind 127.0.0.1:{self.ports["h2"]} ssl crt {self.path("good.pem")} alpn h2,http/1.1
    bind 127.0.0.1:{self.ports["h2c"]} proto h2
    default_backend origin
backend origin
    server origin {self.origin.http.removeprefix("http://")}
""")

    def command(self):
        return [self.program, "-W", "-f", self.path("haproxy.conf")]

    def reload(self):
        """A new worker takes over; the old one finishes what it has."""
        self.process.send_signal(signal.SIGUSR2)

    def posts(self):
        """As Nginx.posts, for any path."""
        return [line for line in self.log().splitlines() if line.startswith("POST ")]


class Caddy(WebServer):
    """Takes any body at /echo and gives it back."""
    name = "caddy"
    listeners = ("tls",)

    def configure(self):
        self.prepare()
        self.env = {**self.env, "HOME": self.path("tmp"), "XDG_DATA_HOME": self.path("tmp"),
                    "XDG_CONFIG_HOME": self.path("tmp")}
        large = "\n".join(f"header /large {name} {value}" for name, value in LARGE_FIELDS.items())
        sites = "\n".join(f"""
{self.url("", listener)} {{
    bind 127.0.0.1
    {"" if listener in CLEAR else f"tls {self.tree.cert('good')} {self.tree.key('good')}"}
    root * {self.path("www")}
    file_server
    respond /204 204
    respond /large 200
    {large}
    respond /echo "{{http.request.body}}"
}}
""" for listener in self.ports)
        self.write("Caddyfile", f"""
{{
    admin off
    auto_https off
    servers {{
        protocols h1 h2 h2c
    }}
}}
{sites}
""")

    def command(self):
        return [self.program, "run", "--config", self.path("Caddyfile"), "--adapter", "caddyfile"]


class Dnsmasq(Server):
    """Answers from lines of its configuration and from what answer() says alone, and asks nobody."""

    def __init__(self, *lines):
        super().__init__()
        self.program = find("dnsmasq")
        self.env = library_env()
        self.lines = lines

    def configure(self):
        (self.port,) = free_ports(1, kind=socket.SOCK_DGRAM)
        self.write("hosts", "")
        self.write("dnsmasq.conf", "\n".join(("no-resolv", "no-hosts", "no-poll", "bind-interfaces", "log-queries",
                                              "listen-address=127.0.0.1", f"port={self.port}",
                                              f"addn-hosts={self.path('hosts')}",
                                              *self.lines, "")))

    def command(self):
        return [self.program, "--keep-in-foreground", "--log-facility=-", "--pid-file", f"--user={user_name()}",
                f"--conf-file={self.path('dnsmasq.conf')}"]

    def ready(self):
        question = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + b"\5ready\4test\0" + struct.pack("!2H", 1, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            sock.connect(("127.0.0.1", self.port))
            try:
                sock.send(question)
                return len(sock.recv(512)) >= 12
            except OSError:
                return False

    def answer(self, name, *addresses):
        """From now on, these and no others."""
        self.write("hosts", "".join(f"{address} {name}\n" for address in addresses))
        self.process.send_signal(signal.SIGHUP)

    def queries(self, name):
        """How many questions for name it has been asked, by type."""
        counts = {}
        for line in self.log().splitlines():
            words = line.split()
            for i, word in enumerate(words):
                if word.startswith("query[") and i + 1 < len(words) and words[i + 1] == name:
                    counts[word[6:-1]] = counts.get(word[6:-1], 0) + 1
        return counts


class Origin(Server):
    """The bundled origin, with further arguments."""

    def __init__(self, *arguments):
        super().__init__()
        self.program = case.program("TERN_ORIGIN")
        self.arguments = arguments
        self.asked = 0

    def configure(self):
        self.ca = self.path("ca.pem")
        self.socket_path = self.path("socket")

    def command(self):
        return [self.program, "--unix", self.socket_path, "--cert-out", self.ca, *self.arguments]

    def ready(self):
        lines = self.log().splitlines()
        if len(lines) < 3:
            return False
        self.http, self.https = lines[:2]
        return True

    def stats(self):
        """Its counters, asked by another client than the one under test, whose questions are left out."""
        connection = http.client.HTTPConnection(self.http.removeprefix("http://"))
        connection.request("GET", "/stats")
        stats = json.load(connection.getresponse())
        connection.close()
        self.asked += 1
        for count in ("requests", "connections"):
            stats[count] -= self.asked
        stats["methods"]["GET"] -= self.asked
        stats["protocols"]["HTTP/1.1"] -= self.asked
        return stats
