"""A time-stamp authority of our own for tests: an RFC 3161 responder on this machine, made of openssl."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

SETTINGS = """
[tsa]
default_tsa = own
[own]
serial = ./serial
crypto_device = builtin
signer_cert = ./leaf.pem
signer_key = ./leaf.key
certs = ./root.pem
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""
LEAF = """
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=20)


def make_authority(folder: Path) -> Path:
    """A root and a leaf that may stamp times, in ``folder``; returns the root's PEM file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here: it makes the time stamps of this test")
    for name, text in (("tsa.cnf", SETTINGS), ("leaf.cnf", LEAF), ("serial", "01\n")):
        (folder / name).write_text(text)
    for who in ("root", "leaf"):
        openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{who}.key")
    usage = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    name = ("-subj", "/O=Clock House/CN=Root", "-days", "30")
    openssl(folder, "req", "-x509", "-new", "-key", "root.key", "-out", "root.pem", *name, *usage)
    openssl(folder, "req", "-new", "-key", "leaf.key", "-out", "leaf.csr", "-subj", "/O=Clock House/CN=Clock")
    openssl(folder, "x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
            "-days", "30", "-extfile", "leaf.cnf", "-out", "leaf.pem")  # fmt: skip
    return folder / "root.pem"


@contextmanager
def authority(folder: Path, answers: str = "well") -> Iterator[str]:
    """Its address while it runs. ``answers``: ``well``, ``nonsense``, ``error`` or ``stale`` (a stamp of something else)."""

    class Responder(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            (folder / "query").write_bytes(asked)
            if answers == "stale":
                openssl(folder, "ts", "-query", "-data", "tsa.cnf", "-sha256", "-cert", "-out", "query")
            openssl(folder, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "reply")
            reply = b"no such thing" if answers == "nonsense" else (folder / "reply").read_bytes()
            self.send_response(500 if answers == "error" else 200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Responder) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
