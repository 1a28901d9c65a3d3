"""A certificate authority's tree for the tests, with a right certificate and every wrong one. Made by openssl(1) in a
temporary folder, once a process.

    tree().ca                 the authority's certificate, the one to trust
    tree().cert(NAME), tree().key(NAME)

good       EC P-256, for localhost, 127.0.0.1, ::1 and *.tern.test
rsa        the same, RSA 2048
expired    good until yesterday
future     good from tomorrow
wrong      for other.test alone
unknown    by an authority that nobody trusts
self       signed by itself
weak_key   RSA 1024
weak_hash  signed with SHA-1
odd        signed with Ed25519, which tern does not know
client     a client's
"""
import atexit
import os
import shutil
import subprocess
import tempfile
import time

from support import case

DAY_S = 24 * 60 * 60
NAMES = "DNS:localhost,IP:127.0.0.1,IP:::1,DNS:*.tern.test"

CONFIG = """
[ca]
default_ca = tree
[tree]
database = {folder}/{ca}.index
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
policy = any
[any]
commonName = supplied
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = CA:false
keyUsage = digitalSignature
extendedKeyUsage = {usage}
subjectAltName = {names}
authorityKeyIdentifier = keyid
[self]
basicConstraints = CA:false
subjectAltName = {names}
"""

_tree = None


class Tree:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="tern-certs-")
        atexit.register(shutil.rmtree, self.folder, True)
        case.require(shutil.which("openssl"), "openssl")
        for ca, key in (("ca", "ec"), ("other_ca", "ec"), ("odd_ca", "ed25519")):
            open(self._path(f"{ca}.index"), "w", encoding="ascii").close()
            self._self_signed(ca, "root", f"tern test {ca}", key)
        self.ca = self.cert("ca")
        self.leaf("good")
        self.leaf("rsa", key="rsa:2048")
        self.leaf("expired", start=-30 * DAY_S, end=-DAY_S)
        self.leaf("future", start=DAY_S, end=30 * DAY_S)
        self.leaf("wrong", names="DNS:other.test")
        self.leaf("unknown", ca="other_ca")
        self.leaf("weak_key", key="rsa:1024")
        self.leaf("weak_hash", digest="sha1")
        self.leaf("odd", ca="odd_ca", digest="default")
        self.leaf("client", usage="clientAuth", names="DNS:client.test")
        self._self_signed("self", "self", "localhost")

    def _path(self, name):
        return os.path.join(self.folder, name)

    def cert(self, name):
        return self._path(f"{name}.crt")

    def key(self, name):
        return self._path(f"{name}.key")

    def _openssl(self, *args, ca="ca", names=NAMES, usage="serverAuth"):
        config = self._path("config")
        with open(config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(folder=self.folder, ca=ca, names=names, usage=usage))
        verb, *rest = args
        done = subprocess.run(["openssl", verb, "-config", config, *rest], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"openssl {' '.join(args)}:\n{done.stderr}")

    @staticmethod
    def _new_key(kind):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["-newkey", kind]

    def _self_signed(self, name, extensions, subject, key="ec"):
        self._openssl("req", "-x509", "-batch", "-nodes", *self._new_key(key), "-subj", f"/CN={subject}", "-days", "30",
                      "-extensions", extensions, "-keyout", self.key(name), "-out", self.cert(name))

    def leaf(self, name, key="ec", ca="ca", start=-DAY_S, end=30 * DAY_S, digest="sha256", **config):
        request = self._path("request")
        when = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + offset)) for offset in (start, end)]
        self._openssl("req", "-new", "-batch", "-nodes", *self._new_key(key), "-subj", f"/CN={name}",
                      "-keyout", self.key(name), "-out", request)
        self._openssl("ca", "-batch", "-notext", "-in", request, "-out", self.cert(name), "-cert", self.cert(ca),
                      "-keyfile", self.key(ca), "-startdate", when[0], "-enddate", when[1], "-md", digest,
                      "-extensions", "leaf", ca=ca, **config)


def tree():
    global _tree
    if _tree is None:
        _tree = Tree()
    return _tree
