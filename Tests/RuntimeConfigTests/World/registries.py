#!/usr/bin/env python3
"""All registries of a small world, and the mirror in front of them, in a network of their own.

usage: registries.py FOLDER MIRROR_PORT PORT... -- NAME...

Listens on each PORT, with and without TLS, with a certificate for every NAME (or address), and on MIRROR_PORT as the
mirror. FOLDER gets `ca.pem`, `client.pem`, `client.key` and `requests.log`, a line for each request:

    mirror ns=HOST METHOD PATH
    registry AUTHORITY METHOD PATH

A registry is whoever is listed, one a line, in FOLDER/registries, read at each request; everybody else answers 404. Any
tag exists: an image of one small layer that says its name. SIGUSR1 stops the mirror (connections are refused), SIGUSR2
starts it again; the log says `mirror stopped` and `mirror started`.
"""

import gzip
import hashlib
import io
import json
import os
import platform
import signal
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONTENT = {}
LOCK = threading.Lock()


def store(content, kind):
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    CONTENT[digest] = content, kind
    return {"mediaType": kind, "digest": digest, "size": len(content)}


def image(repository, tag):
    """Bytes of the manifest; the same for the same name."""
    text, archive = f"{repository}:{tag}\n".encode(), io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("name")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    layer = store(gzip.compress(archive.getvalue(), mtime=0), LAYER)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    config = store(json.dumps({
        "architecture": machine, "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(archive.getvalue()).hexdigest()]},
    }).encode(), CONFIG)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    return CONTENT[store(json.dumps(manifest).encode(), MANIFEST)["digest"]]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url, authority = urlsplit(self.path), self.headers.get("Host", "")
        if self.server_is_mirror:
            asked = parse_qs(url.query).get("ns", [""])[0]
            self.log(f"mirror ns={asked} {self.command} {url.path}")
            isKnown = asked != ""
        else:
            self.log(f"registry {authority} {self.command} {url.path}")
            with open(os.path.join(FOLDER, "registries")) as file:
                isKnown = authority in file.read().split()
        parts = url.path.split("/")
        found = None
        if isKnown and url.path == "/v2/":
            found = b"{}", "application/json"
        elif isKnown and parts[1:2] == ["v2"] and parts[-2] == "manifests" and ":" not in parts[-1]:
            found = image("/".join(parts[2:-2]), parts[-1])
        elif isKnown and len(parts) > 4:
            found = CONTENT.get(parts[-1])
        content, kind = found or (b"{}", "application/json")
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if found and parts[-2] == "manifests":
            self.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(content).hexdigest())
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log(self, line):
        with LOCK:
            LOG.write(line + "\n")

    def log_message(self, *_):
        pass


class MirrorHandler(Handler):
    server_is_mirror = True


class RegistryHandler(Handler):
    server_is_mirror = False


def serve(connection, handler):
    try:
        if connection.recv(1, socket.MSG_PEEK) == b"\x16":
            connection = CONTEXT.wrap_socket(connection, server_side=True)
        handler(connection, ("", 0), None)
    except OSError:
        pass  # A client that went away.
    finally:
        connection.close()


def listen(port, handler):
    listener = socket.create_server(("0.0.0.0", port), backlog=64)

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection, handler), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


def make_certificates(names):
    def run(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=FOLDER)

    kinds = [("IP" if name.replace(".", "").isdigit() else "DNS") + ":" + name for name in names]
    with open(os.path.join(FOLDER, "names"), "w") as file:
        file.write("subjectAltName=" + ",".join(kinds))
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=world")
    for name in ["server", "client"]:
        run("req", "-new", *key, "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
        run("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", name + ".pem")


FOLDER, mirrorPort, *rest = sys.argv[1:]
ports, names = rest[:rest.index("--")], rest[rest.index("--") + 1:]
LOG = open(os.path.join(FOLDER, "requests.log"), "a", buffering=1)
make_certificates(names)
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
CONTEXT.load_cert_chain(os.path.join(FOLDER, "server.pem"), os.path.join(FOLDER, "server.key"))
for port in ports:
    listen(int(port), RegistryHandler)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGUSR2})
mirror = listen(int(mirrorPort), MirrorHandler)
LOG.write("mirror started\n")
while True:
    if signal.sigwait({signal.SIGUSR1, signal.SIGUSR2}) == signal.SIGUSR1:
        mirror.shutdown(socket.SHUT_RDWR)
        mirror.close()
        LOG.write("mirror stopped\n")
    else:
        mirror = listen(int(mirrorPort), MirrorHandler)
        LOG.write("mirror started\n")
