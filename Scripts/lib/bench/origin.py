#!/usr/bin/env python3
"""What a cold pull through the mirror adds to the same pull from the registry: one node alone, and one of two nodes.

Scripts/bench origin runs it. Every sample is of an image that no node has seen: its manifest by tag, then its blob. The
three ways take turns.
"""

import argparse
import json
import os
import random
import shutil

import hawker
from contenders import pull
from folder import work_folder
from network import Network
from registry import PORT, Registry, push_noise
from tools import Children, Failure, await_quiet, main, median, parsed, print_table, say, spread

MANIFEST = "manifest"
WAYS = {"direct": ["direct"], "one node": ["one"], "two nodes": ["two", "idle"]}


def arguments():
    parser = argparse.ArgumentParser(prog="bench origin")
    parser.add_argument("--rates", default="200,0", help="of the links in Mbit/s, 0 for unshaped ones (%(default)s)")
    parser.add_argument("--sizes", default="1KiB,1MiB,1GiB", help="of the blobs (%(default)s)")
    parser.add_argument("--rounds", type=int, default=20, help="blobs of each size up to 1 MiB (%(default)s)")
    parser.add_argument("--large-rounds", type=int, default=1, help="blobs of each larger size (%(default)s)")
    parser.add_argument("--folder", default="/dev/shm", help="where blobs and caches go (%(default)s)")
    return parsed(parser)


def byte_count(text):
    units = {"KiB": 10, "MiB": 20, "GiB": 30}
    if text[-3:] not in units or not text[:-3].isdigit():
        raise Failure(f"{text} is no size such as 64MiB")
    return int(text[:-3]) << units[text[-3:]]


class Bench:
    def __init__(self, options):
        self.options = options
        self.rates = [int(rate) for rate in options.rates.split(",")]
        self.sizes = {text: byte_count(text) for text in options.sizes.split(",")}
        self.samples = []

    def rounds(self, size):
        return self.options.rounds if size <= 1 << 20 else self.options.large_rounds

    def run(self):
        # Sizes differ by a byte, so that every round has a blob and a tag of its own.
        blobs = [size + number for size in self.sizes.values() for number in range(self.rounds(size))]
        with work_folder(self.options.folder, 5 * sum(blobs)) as folder:
            say("push blobs of noise")
            layers = os.path.join(folder, "layers")
            os.makedirs(layers)
            with Children() as before:
                self.digests = push_noise(Registry(before, os.path.join(folder, "registry")), blobs, layers)
            shutil.rmtree(layers)
            for rate in self.rates:
                self.measure(folder, rate)

    def measure(self, folder, rate):
        hosts = [host for way in WAYS.values() for host in way]
        with Network(hosts + ["origin"], rate) as network, Children() as children:
            Registry(children, os.path.join(folder, "registry"), host="0.0.0.0",
                     namespace=network.namespace("origin"))
            self.network, self.children, self.folder = network, children, folder
            registry = f"{network.address('origin')}:{PORT}"
            for way in ("one node", "two nodes"):
                self.start_nodes(WAYS[way], registry)
            for text, size in self.sizes.items():
                for number in range(self.rounds(size)):
                    ways = list(WAYS)
                    random.shuffle(ways)
                    for way in ways:
                        await_quiet(seconds=5)
                        self.sample(way, text, size + number, rate)
                say(f"{rate or 'no'} Mbit/s, {text}: " + ", ".join(
                    f"{way} {median(self.values(rate, text, way, 'last')) * 1000:.2f} ms" for way in WAYS))
            for host in hosts:
                shutil.rmtree(os.path.join(folder, host), ignore_errors=True)

    def start_nodes(self, hosts, registry):
        peers = [f"{self.network.address(host)}:{hawker.PEER_PORT}" for host in hosts] if len(hosts) > 1 else []
        nodes = [hawker.Daemon(
            self.children, self.options.binary, os.path.join(self.folder, host), host, self.network.address(host),
            peers, registry, namespace=self.network.namespace(host)) for host in hosts]
        for node in nodes:
            node.await_serving()
        for node in nodes:
            node.await_peers(len(hosts) - 1)

    def sample(self, way, text, size, rate):
        host = WAYS[way][0]
        place = (self.network.address("origin"), PORT) if way == "direct" else ("127.0.0.1", hawker.MIRROR_PORT)
        for name, what in ((MANIFEST, f"manifests/{size}"), (text, f"blobs/{self.digests[size]}")):
            result = self.read(host, place, what)
            self.samples.append({
                "rate": rate, "size": name, "way": way, "first": result["first"] - result["begin"],
                "last": result["end"] - result["begin"]})

    def read(self, host, place, what):
        return pull(self.network.namespace(host), self.folder, place, what)

    def values(self, rate, size, way, key):
        return [sample[key] for sample in self.samples
                if (sample["rate"], sample["size"], sample["way"]) == (rate, size, way)]

    def report(self):
        if self.options.json:
            return print(json.dumps(self.samples, indent=1))
        rows = []
        for rate in self.rates:
            for size in [MANIFEST, *self.sizes]:
                base = {key: median(self.values(rate, size, "direct", key)) for key in ("first", "last")}
                for way in WAYS:
                    first, last = (self.values(rate, size, way, key) for key in ("first", "last"))
                    rows.append([
                        f"{rate or 'no'} Mbit/s", size, way, spread([value * 1000 for value in last]),
                        f"{(median(last) / base['last'] - 1) * 100:+.1f}",
                        f"{(median(last) - base['last']) * 1000:+.2f}",
                        f"{(median(first) - base['first']) * 1000:+.2f}"])
        print()
        print_table(["LINK", "CONTENT", "WAY", "LAST BYTE ms", "ADDED %", "ADDED ms", "FIRST BYTE ADDED ms"], rows)


def body():
    bench = Bench(arguments())
    bench.run()
    bench.report()


main(body)
