#!/usr/bin/env python3
"""Several clients of one node that want one blob at once, which no node has: what the registry sends, when each client
has its first and its last byte, and how soon a range from the middle comes. Beside it one client of the registry.

Scripts/bench clients runs it.
"""

import argparse
import json
import os
import shutil
import sys

import hawker
from contenders import READERS
from folder import work_folder
from network import Network
from registry import PORT, REPOSITORY, Registry, push_noise
from tools import Children, Failure, await_quiet, main, median, parsed, print_table, say, spread

HOST = "node"
RANGE_BYTES = 1 << 20


def arguments():
    parser = argparse.ArgumentParser(prog="bench clients")
    parser.add_argument("--rate", type=int, default=200, help="of the links in Mbit/s (%(default)s)")
    parser.add_argument("--delay", type=float, default=5,
                        help="that a packet takes to the registry and back, in ms (%(default)s)")
    parser.add_argument("--mib", type=int, default=128, help="size of the blobs (%(default)s)")
    parser.add_argument("--clients", default="4,16", help="how many at once (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="blobs for each number (%(default)s)")
    parser.add_argument("--folder", default="/dev/shm", help="where blobs and caches go (%(default)s)")
    return parsed(parser)


class Bench:
    def __init__(self, options):
        self.options = options
        self.counts = [int(count) for count in options.clients.split(",")]
        self.samples = []

    def run(self):
        # 0 clients of the node stands for one of the registry. Sizes differ by a byte, so that every sample has a blob
        # of its own.
        plan = [count for _ in range(self.options.rounds) for count in [0, 1] + self.counts]
        sizes = [(self.options.mib << 20) + number for number in range(len(plan))]
        with work_folder(self.options.folder, 3 * sum(sizes)) as folder:
            self.measure(folder, plan, sizes)

    def measure(self, folder, plan, sizes):
        self.folder = folder
        layers = os.path.join(folder, "layers")
        os.makedirs(layers)
        say("push blobs of noise")
        with Children() as before:
            digests = push_noise(Registry(before, os.path.join(folder, "registry")), sizes, layers)
        shutil.rmtree(layers)
        delays = {"origin": self.options.delay / 2}
        with Network([HOST, "origin"], self.options.rate, delays=delays) as network, Children() as children:
            self.network = network
            registry = Registry(children, os.path.join(folder, "registry"), host="0.0.0.0",
                                namespace=network.namespace("origin"))
            self.origin = (network.address("origin"), PORT)
            node = hawker.Daemon(
                children, self.options.binary, os.path.join(folder, HOST), HOST, network.address(HOST), [],
                f"{self.origin[0]}:{PORT}", namespace=network.namespace(HOST))
            node.await_serving()
            for count, size in zip(plan, sizes):
                await_quiet()
                self.sample(registry, count, size, digests[size])

    def sample(self, registry, count, size, digest):
        place = ("127.0.0.1", hawker.MIRROR_PORT) if count else self.origin
        path = f"/v2/{REPOSITORY}/blobs/{digest}"
        with Children() as own:
            self.results(own, place, [f"/v2/{REPOSITORY}/manifests/{size}"])
            registry.begin()
            whole = self.results(own, place, [path] * max(count, 1), middle=size // 2 if count else None)
        results, ranged = (whole[:-1], whole[-1]) if count else (whole, None)
        sample = {
            "clients": count, "last": max(one["end"] - one["begin"] for one in results),
            "first": max(one["first"] - one["begin"] for one in results),
            "origin": registry.blob_bytes(digest) / size,
            "range": ranged["end"] - ranged["begin"] if ranged else None}
        self.samples.append(sample)
        say(f"{count or 'registry alone'}: {json.dumps(sample)}")

    def results(self, own, place, paths, middle=None):
        """All begin at once; `middle` adds a client that wants a range from there."""
        plan = list(paths)
        if middle is not None:
            plan.append(f"{paths[0]},{middle}-{middle + RANGE_BYTES - 1}")
        clients = own.start(
            [sys.executable, "-B", READERS, place[0], str(place[1]), *plan], os.path.join(self.folder, "reader.log"),
            namespace=self.network.namespace(HOST), talks=True)
        clients.hear()
        clients.tell("go")
        results = json.loads(clients.hear())
        for result in results:
            if result["status"] not in (200, 206) or result["missing"]:
                raise Failure(f"a client did not get all: {result}")
        return results

    def values(self, count, key):
        return [sample[key] for sample in self.samples if sample["clients"] == count]

    def report(self):
        if self.options.json:
            return print(json.dumps(self.samples, indent=1))
        base = {key: median(self.values(0, key)) for key in ("first", "last")}
        rows = []
        for count in [0, 1] + self.counts:
            first, last = self.values(count, "first"), self.values(count, "last")
            rows.append([
                f"{count} of the node" if count else "1 of the registry", spread(last),
                f"{median(last) / base['last']:.3f}", f"{(max(first) - base['first']) * 1000:+.1f}",
                spread([value and value * 1000 for value in self.values(count, "range")], "{:.0f}"),
                spread(self.values(count, "origin"), "{:.3f}")])
        print()
        print_table(["CLIENTS", "ALL DONE s", "x DIRECT", "WORST FIRST BYTE ADDED ms", "RANGE ms", "REGISTRY x"], rows)


def body():
    bench = Bench(arguments())
    bench.run()
    bench.report()


main(body)
