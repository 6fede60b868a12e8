"""One hawker daemon with a folder, a cache and a socket of its own."""

import json
import os
import shutil
import subprocess
import time

from tools import listens, sha256

MIRROR_PORT = 4001
PEER_PORT = 4000
COMMIT_SECONDS = 10


class Daemon:
    """`address` is where peers reach it; `peers` are the addresses, with ports, of all of them.

    The cache is used again if the folder has one. `tls` is the folder of the node's certificate, as `hawker cert node`
    makes it; without one, nodes talk in plaintext.
    """

    def __init__(self, children, binary, folder, name, address, peers, registry, namespace=None,
                 mirror_port=MIRROR_PORT, peer_port=PEER_PORT, zone=None, tls=None, compression=True):
        self.binary, self.folder, self.name = binary, folder, name
        self.mirror_port, self.zone, self.tls, self.compression = mirror_port, zone, tls, compression
        self.socket = os.path.join(folder, "s")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        config = os.path.join(folder, "hawker.toml")
        with open(config, "w") as file:
            file.write(self.settings(address, peer_port, peers, registry))
        self.child = children.start(
            [binary, "daemon", "--config", config], os.path.join(folder, "log"), namespace=namespace)

    def settings(self, address, peer_port, peers, registry):
        others = ", ".join(f'"{peer}"' for peer in peers)
        zone = f'zone = "{self.zone}"\n' if self.zone else ""
        trust = "insecure_plaintext = true\n"
        if self.tls:
            trust = (f'tls.certificate = "{self.tls}/tls.crt"\ntls.key = "{self.tls}/tls.key"\n'
                     f'tls.authorities = ["{self.tls}/ca.crt"]\n')
        listen = f'listen = "{address}:{peer_port}"\n{trust}' if peers else ""
        return (
            f'[node]\nname = "{self.name}"\n{zone}'
            f'[mirror]\nlisten = "127.0.0.1:{self.mirror_port}"\ndefault_registry = "{registry}"\n'
            f'[peers]\n{listen}static = [{others}]\ncluster = "bench"\n'
            f'compression = {str(self.compression).lower()}\n'
            "[containerd]\ncontent = \"off\"\n"
            f'[cache]\npath = "{self.folder}/cache"\nquota = "8GiB"\nfree_floor = "64MiB"\n'
            f'[admin]\nsocket = "{self.socket}"\n[status]\nlisten = "off"\n'
            f'[[registry]]\nhost = "{registry}"\nurl = "http://{registry}"\n')

    @property
    def pid(self):
        return self.child.pid

    def await_serving(self):
        self.child.wait_until(f"node {self.name}", lambda: listens(self.mirror_port, self.pid))

    def await_peers(self, count):
        self.child.wait_until(
            f"node {self.name}, which should have {count} peers", lambda: self.connected() >= count, seconds=60)

    def connected(self):
        done = subprocess.run([self.binary, "peers", "--socket", self.socket, "--json"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            return 0
        return sum(peer.get("state") == "connected" for peer in json.loads(done.stdout))

    def has(self, digest):
        """Whether its cache holds the blob, whole and right: the bench's own look at the file. A reader has the last
        byte as soon as the whole matched, the file its name a moment later."""
        name = digest.split(":")[1]
        path = os.path.join(self.folder, "cache/blobs/sha256", name[:2], name)
        deadline = time.monotonic() + COMMIT_SECONDS
        while not os.path.exists(path) and time.monotonic() < deadline:
            time.sleep(0.01)
        return os.path.exists(path) and sha256(path) == digest

    def kill(self):
        self.child.kill()

    def clear(self):
        self.child.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
