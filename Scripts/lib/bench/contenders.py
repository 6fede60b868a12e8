"""The ways to bring one blob to many hosts that `Scripts/bench fanout` compares.

Each is made anew for every sample, with nothing cached. `nodes` and `servers` are processes whose cost counts; a
reader of a mirror stands for containerd, and its cost does not.
"""

import json
import os
import shutil
import sys
import threading
import time

import hawker
from registry import PORT, REPOSITORY, Registry
from tools import Children, Failure, run

HERE = os.path.dirname(os.path.abspath(__file__))
READER = os.path.join(HERE, "reader.py")
READERS = os.path.join(HERE, "readers.py")
TORRENT = os.path.join(HERE, "torrent.py")


def pull(namespace, folder, place, what):
    """One reader in a namespace gets `blobs/DIGEST` or `manifests/TAG` from a host and port; what it said. Its log goes
    to `folder`."""
    command = [sys.executable, READER, place[0], str(place[1]), f"/v2/{REPOSITORY}/{what}"]
    with Children() as own:
        client = own.start(command, os.path.join(folder, "reader.log"), namespace=namespace, talks=True)
        client.hear()
        client.tell("go")
        result = json.loads(client.hear())
    if result["status"] != 200 or result["missing"]:
        raise Failure(f"{namespace} did not get {what}: {result}")
    return result


class Stage:
    """What all samples of a run share: the network, the registry in it, the blob, and folders."""

    def __init__(self, network, origin, folder, size, digest, binary=None, python=None, zones=None):
        self.network, self.origin, self.folder = network, origin, folder
        self.size, self.digest, self.binary, self.python = size, digest, binary, python
        self.zones = zones or {}
        self.registry = f"{network.address('origin')}:{PORT}"
        self.blob_path = f"/v2/{REPOSITORY}/blobs/{digest}"
        self.manifest_path = f"/v2/{REPOSITORY}/manifests/{size}"

    def blob_file(self):
        return os.path.join(self.folder, "layers", self.digest.split(":")[1])


class Contender:
    """One way, for one sample on `hosts`. Use it in a `with`."""

    def __init__(self, stage, hosts):
        self.stage, self.hosts = stage, hosts
        self.children = Children()
        self.folder = os.path.join(stage.folder, "sample")
        self.clients, self.nodes, self.servers = {}, {}, [stage.origin.pid]

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        try:
            self.prepare()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.children.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    def namespace(self, host):
        return self.stage.network.namespace(host)

    def start(self, command, host, talks=False):
        log = os.path.join(self.folder, f"{host}.log")
        return self.children.start(command, log, namespace=self.namespace(host), talks=talks)

    def reader(self, host, address, port, path, *file):
        client = self.start([sys.executable, READER, address, str(port), path, *file], host, talks=True)
        client.hear()
        return client

    def go(self, hosts=None, kill=None):
        """Starts all clients at once; what each said, by host, with times since the start.

        `kill` is a host and a number of seconds: its node gets SIGKILL then, and its client does not count.
        """
        hosts = hosts or self.hosts
        begin = time.monotonic()
        for host in hosts:
            self.clients[host].tell("go")
        if kill:
            threading.Timer(kill[1], self.nodes[kill[0]].kill).start()
        results = {}
        for host in hosts:
            if kill and host == kill[0]:
                continue
            result = json.loads(self.clients[host].hear())
            if result["status"] not in (200, 206) or result["missing"] != 0:
                raise Failure(f"{self.name}: host {host} did not get the blob: {result}")
            result["end"] -= begin
            results[host] = result
        self.verify(results)
        return results

    def verify(self, results):
        """Fails unless every host has the right bytes on disk."""
        for host, result in results.items():
            if result["sha256"] != self.stage.digest.split(":")[1]:
                raise Failure(f"{self.name}: host {host} got wrong bytes")

    def origin_payload(self):
        """Bytes of the blob that left the origin."""
        return self.stage.origin.blob_bytes(self.stage.digest)


class Direct(Contender):
    """Everybody pulls from the registry."""

    name = "direct"

    def prepare(self):
        source = self.stage.network.address("origin")
        for host in self.hosts:
            file = os.path.join(self.folder, host)
            self.clients[host] = self.reader(host, source, PORT, self.stage.blob_path, file)
            self.nodes[host] = self.clients[host]


class Cache(Contender):
    """Everybody pulls from one pull-through cache, which is a host as they are."""

    name = "registry-cache"

    def prepare(self):
        folder = os.path.join(self.folder, "cache")
        cache = Registry(
            self.children, folder, host="0.0.0.0", namespace=self.namespace("cache"),
            proxy=f"http://{self.stage.registry}")
        self.servers.append(cache.pid)
        source = self.stage.network.address("cache")
        for host in self.hosts:
            file = os.path.join(self.folder, host)
            self.clients[host] = self.reader(host, source, PORT, self.stage.blob_path, file)
            self.nodes[host] = self.clients[host]


class Hawker(Contender):
    """A daemon on every host; a reader asks its own daemon's mirror. The blob's last byte leaves a mirror only after
    the whole was hashed, synced and renamed into the cache. That it lies there right is looked at afterwards.
    """

    name = "hawker"

    def prepare(self):
        peers = [f"{self.stage.network.address(host)}:{hawker.PEER_PORT}" for host in self.hosts]
        for host in self.hosts:
            self.nodes[host] = hawker.Daemon(
                self.children, self.stage.binary, os.path.join(self.folder, host), host,
                self.stage.network.address(host), peers, self.stage.registry, namespace=self.namespace(host),
                zone=self.stage.zones.get(host), tls=self.tls(host))
        for host in self.hosts:
            self.nodes[host].await_serving()
        for host in self.hosts:
            self.nodes[host].await_peers(len(self.hosts) - 1)
        for host in self.hosts:
            self.fetch_manifest(host)
            self.clients[host] = self.reader(host, "127.0.0.1", hawker.MIRROR_PORT, self.stage.blob_path)

    def tls(self, host):
        return None

    def fetch_manifest(self, host):
        """As containerd does before it asks for a blob."""
        client = self.reader(host, "127.0.0.1", hawker.MIRROR_PORT, self.stage.manifest_path)
        client.tell("go")
        result = json.loads(client.hear())
        if result["status"] != 200:
            raise Failure(f"hawker: host {host} declines the manifest: {result}")
        client.stop()

    def verify(self, results):
        for host in results:
            if not self.nodes[host].has(self.stage.digest):
                raise Failure(f"hawker: host {host} has not got the blob in its cache")


class SecureHawker(Hawker):
    """The same over TLS, each node with a certificate for its name and its address."""

    name = "hawker-tls"

    def prepare(self):
        run(self.stage.binary, "cert", "authority", "--out", os.path.join(self.folder, "authority"))
        for host in self.hosts:
            run(self.stage.binary, "cert", "node", host, "--authority", os.path.join(self.folder, "authority"),
                "--out", self.tls(host), "--address", self.stage.network.address(host))
        super().prepare()

    def tls(self, host):
        return os.path.join(self.folder, "tls", host)


class Torrent(Contender):
    """A swarm of libtorrent, with its seeder where the registry is. libtorrent checks every piece, with SHA-1."""

    name = "libtorrent"

    def prepare(self):
        self.servers = []
        torrent = os.path.join(self.stage.folder, "blob.torrent")
        network = self.stage.network
        self.seeder = self.peer("origin", torrent, os.path.dirname(self.stage.blob_file()), "seed")
        self.seeder.tell("go")
        self.servers.append(self.seeder.pid)
        for host in self.hosts:
            folder = os.path.join(self.folder, host)
            os.makedirs(folder)
            others = [network.address(other) for other in self.hosts + ["origin"] if other != host]
            self.clients[host] = self.peer(host, torrent, folder, "fetch", *others)
            self.nodes[host] = self.clients[host]

    def peer(self, host, torrent, folder, role, *peers):
        command = [self.stage.python, TORRENT, self.stage.network.address(host), torrent, folder, role, *peers]
        peer = self.start(command, host, talks=True)
        peer.hear()
        return peer

    def verify(self, results):
        pass

    def origin_payload(self):
        self.seeder.tell("sent")
        return json.loads(self.seeder.hear())["payload"]


ALL = {contender.name: contender for contender in (Hawker, SecureHawker, Torrent, Direct, Cache)}
