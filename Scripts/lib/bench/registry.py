"""Debian's docker-registry as the origin: filled over loopback, then served wherever a bench wants it."""

import hashlib
import http.client
import json
import os
import re

from tools import Failure, listens

REPOSITORY = "bench/image"
PORT = 5000
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def settings(folder, address, proxy=None):
    lines = [
        "version: 0.1", "log:", "  level: error", "  accesslog:", "    disabled: false", "storage:",
        "  filesystem:", f"    rootdirectory: {folder}", "http:", f"  addr: {address}", "  secret: bench"]
    if proxy:
        lines += ["proxy:", f"  remoteurl: {proxy}"]
    return "\n".join(lines) + "\n"


class Registry:
    """One docker-registry. `proxy` makes it a pull-through cache of that URL."""

    def __init__(self, children, folder, port=PORT, host="127.0.0.1", namespace=None, proxy=None):
        os.makedirs(folder, exist_ok=True)
        config = folder + ".yml"
        with open(config, "w") as file:
            file.write(settings(folder, f"{host}:{port}", proxy))
        self.log, self.port = folder + ".log", port
        self.child = children.start(["docker-registry", "serve", config], self.log, namespace=namespace)
        self.child.wait_until("docker-registry", lambda: listens(port, self.child.pid))
        self.mark = 0

    @property
    def pid(self):
        return self.child.pid

    def begin(self):
        """Counts from here."""
        self.mark = os.path.getsize(self.log)

    def blob_bytes(self, digest=""):
        """Bytes of blobs that it sent since `begin`, by its access log: what it wrote to sockets, without heads."""
        with open(self.log) as file:
            file.seek(self.mark)
            text = file.read()
        pattern = rf'"GET /v2/\S*/blobs/{digest or "sha256:"}\S* HTTP/1\.1" 20[06] (\d+)'
        return sum(int(count) for count in re.findall(pattern, text))

    def blob_requests(self, digest=""):
        with open(self.log) as file:
            file.seek(self.mark)
            return len(re.findall(rf'"GET /v2/\S*/blobs/{digest}', file.read()))


def upload(connection, body, digest):
    connection.request("POST", f"/v2/{REPOSITORY}/blobs/uploads/", headers={"Content-Length": "0"})
    answer = connection.getresponse()
    answer.read()
    place = answer.headers["Location"]
    connection.request("PUT", f"{place}&digest={digest}", body=body)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 201:
        raise Failure(f"docker-registry did not take a blob: {answer.status}")


def push_layer(registry, path, digest, tag, media_type="application/vnd.oci.image.layer.v1.tar"):
    """Pushes an image of one layer, the file at `path`."""
    connection = http.client.HTTPConnection("127.0.0.1", registry.port)
    config = b"{}"
    config_digest = "sha256:" + hashlib.sha256(config).hexdigest()
    upload(connection, config, config_digest)
    with open(path, "rb") as file:
        upload(connection, file, digest)
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest,
                   "size": len(config)},
        "layers": [{"mediaType": media_type, "digest": digest, "size": os.path.getsize(path)}]})
    connection.request("PUT", f"/v2/{REPOSITORY}/manifests/{tag}", body=manifest,
                       headers={"Content-Type": MANIFEST_TYPE})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 201:
        raise Failure(f"docker-registry did not take a manifest: {answer.status}")


def push_noise(registry, sizes, folder):
    """Pushes an image for each size, tagged by it, with one uncompressed layer of noise; digests by size.

    Noise, so that no contender gains by compression. The layers also stay in `folder`, named by their digests.
    """
    digests = {}
    for size in sizes:
        path = os.path.join(folder, "layer")
        digest = hashlib.sha256()
        with open(path, "wb") as file:
            left = size
            while left > 0:
                part = os.urandom(min(left, 4 << 20))
                digest.update(part)
                file.write(part)
                left -= len(part)
        digests[size] = "sha256:" + digest.hexdigest()
        layer = os.path.join(folder, digest.hexdigest())
        os.rename(path, layer)
        push_layer(registry, layer, digests[size], size)
    return digests
