#!/usr/bin/env python3
"""What zstd between two peers makes of a layer as Docker packs it (gzip), and of the same layer uncompressed.

Scripts/bench zstd runs it. The layer is a tar of this machine's libraries: what images mostly hold. One peer has
both, the other takes them over a link, with and without zstd in turn.
"""

import argparse
import json
import os
import random

import hawker
from contenders import pull
from folder import work_folder
from network import Network, counters
from registry import PORT, Registry, push_layer
from tools import Children, Failure, Watch, await_quiet, main, median, parsed, print_table, run, say, sha256, spread

LAYERS = ("tar", "tar.gz")
WAYS = {"with zstd": True, "without": False}


def arguments():
    parser = argparse.ArgumentParser(prog="bench zstd")
    parser.add_argument("--rate", type=int, default=100, help="of each link in Mbit/s, 0 for unshaped (%(default)s)")
    parser.add_argument("--mib", type=int, default=128, help="size of the uncompressed layer in MiB (%(default)s)")
    parser.add_argument("--source", default="/usr/lib", help="whose files are in the layer (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="samples of each layer and way (%(default)s)")
    parser.add_argument("--folder", default="/dev/shm", help="where blobs and caches go (%(default)s)")
    return parsed(parser)


class Bench:
    def __init__(self, options):
        self.options, self.samples = options, []
        self.sizes, self.digests = {}, {}

    def run(self):
        size = self.options.mib << 20
        with work_folder(self.options.folder, 6 * size) as self.folder:
            with Network(["a", "b"], self.options.rate) as self.network, Children() as children:
                self.set_up(children, size)
                for number in range(self.options.rounds):
                    turns = [(layer, way) for layer in LAYERS for way in WAYS]
                    random.shuffle(turns)
                    for layer, way in turns:
                        self.sample(layer, way, number)

    def pack(self, size):
        """The two layers, and how much smaller `zstd -1` makes the first."""
        tar = os.path.join(self.folder, "tar")
        run("sh", "-c", f"tar --create --sort=name --directory / '{self.options.source.lstrip('/')}' 2>/dev/null | "
            f"head --bytes {size} >'{tar}'")
        run("sh", "-c", f"gzip -c '{tar}' >'{tar}.gz'")
        packed = int(run("sh", "-c", f"zstd -1 -c --single-thread '{tar}' | wc --bytes"))
        self.ratio = os.path.getsize(tar) / packed

    def set_up(self, children, size):
        say(f"pack {self.options.mib} MiB of {self.options.source}, and bring both layers to peer a")
        self.pack(size)
        place = os.path.join(self.folder, "registry")
        with Children() as before:
            registry = Registry(before, place)
            for layer in LAYERS:
                path = os.path.join(self.folder, layer)
                self.sizes[layer], self.digests[layer] = os.path.getsize(path), sha256(path)
                push_layer(registry, path, self.digests[layer], layer)
        # On a's own host, so that only what b takes goes over a link.
        self.registry = Registry(children, place, host="0.0.0.0", namespace=self.network.namespace("a"))
        self.a = self.daemon(children, "a", True)
        self.a.await_serving()
        for layer in LAYERS:
            self.read("a", f"manifests/{layer}")
            self.read("a", f"blobs/{self.digests[layer]}")

    def daemon(self, children, name, compression):
        peers = [f"{self.network.address(host)}:{hawker.PEER_PORT}" for host in "ab"]
        return hawker.Daemon(
            children, self.options.binary, os.path.join(self.folder, name), name, self.network.address(name), peers,
            f"{self.network.address('a')}:{PORT}", namespace=self.network.namespace(name), compression=compression)

    def read(self, host, what):
        result = pull(self.network.namespace(host), self.folder, ("127.0.0.1", hawker.MIRROR_PORT), what)
        return result["end"] - result["begin"]

    def sample(self, layer, way, number):
        with Children() as own:
            b = self.daemon(own, "b", WAYS[way])
            b.await_serving()
            b.await_peers(1)
            self.read("b", f"manifests/{layer}")
            self.registry.begin()
            await_quiet()
            watch, before = Watch([self.a.pid, b.pid]), counters(b.pid)["got"]
            watch.begin()
            taken = self.read("b", f"blobs/{self.digests[layer]}")
            watch.end()
            got = counters(b.pid)["got"] - before
            if not b.has(self.digests[layer]):
                raise Failure("b has not got the layer in its cache")
            origin = self.registry.blob_bytes(self.digests[layer])
            b.clear()
        giga = self.sizes[layer] / 1e9
        self.samples.append({
            "layer": layer, "way": way, "round": number, "seconds": taken, "wire": got / self.sizes[layer],
            "origin": origin / self.sizes[layer],
            "sender": watch.cpu[self.a.pid] / giga, "receiver": watch.cpu[b.pid] / giga, "others": watch.others})
        say(f"round {number + 1}: {layer} {way}: {taken:.2f} s, {got / self.sizes[layer]:.3f} of it on the wire")

    def values(self, layer, way, key):
        return [sample[key] for sample in self.samples if (sample["layer"], sample["way"]) == (layer, way)]

    def report(self):
        if self.options.json:
            return print(json.dumps({"zstd -1": self.ratio, "samples": self.samples}, indent=1))
        rows = []
        for layer in LAYERS:
            base = median(self.values(layer, "without", "seconds"))
            for way in WAYS:
                seconds = self.values(layer, way, "seconds")
                rows.append([
                    layer, f"{self.sizes[layer] / (1 << 20):.1f}", way, spread(seconds),
                    f"{median(seconds) / base:.3f}", f"{base / median(seconds):.2f}",
                    spread(self.values(layer, way, "wire"), "{:.3f}"),
                    spread(self.values(layer, way, "origin"), "{:.3f}"), spread(self.values(layer, way, "sender")),
                    spread(self.values(layer, way, "receiver")), spread(self.values(layer, way, "others"))])
        print(f"\nlinks of {self.options.rate or 'no'} Mbit/s, {self.options.rounds} rounds; "
              f"zstd -1 makes the tar {self.ratio:.2f} times smaller\n")
        print_table(["LAYER", "MiB", "PEERS", "LAST BYTE s", "x WITHOUT", "FASTER", "WIRE x", "ORIGIN x",
                     "SENDER CPU s/GB", "RECEIVER CPU s/GB", "OTHERS"], rows)


def body():
    bench = Bench(arguments())
    bench.run()
    bench.report()


main(body)
