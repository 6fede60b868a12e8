#!/usr/bin/env python3
"""Brings a blob from one peer to one other over loopback, on disk and verified: hawker, in plaintext and over TLS,
libtorrent, and a bare sendfile into a file that is hashed afterwards.

None of them hands the blob on: hawker is asked for its last byte, which it gives when it has verified the whole.
hawker-read hands all of it to a client while it comes, as to a containerd.

Scripts/bench peer runs it.
"""

import argparse
import json
import os
import random
import shutil
import sys
import time

import hawker
from contenders import HERE, READER, TORRENT
from folder import work_folder
from registry import REPOSITORY, Registry, push_noise
from tools import (
    Children, Failure, Watch, await_quiet, free_port, main, median, parsed, print_table, run, say, sha256, spread)

CONTENDERS = ("hawker", "hawker-read", "hawker-tls", "libtorrent", "bare")
PIECE_BYTES = 4 << 20  # of libtorrent: with one peer to ask, large pieces cost it least


def arguments():
    parser = argparse.ArgumentParser(prog="bench peer")
    parser.add_argument("--mib", type=int, default=1024, help="size of the blob in MiB (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="samples of each contender (%(default)s)")
    parser.add_argument("--contenders", default="hawker,hawker-read,libtorrent,bare",
                        help="of " + ", ".join(CONTENDERS) + " (%(default)s)")
    parser.add_argument("--tls", action="store_true", help="hawker over TLS and in plaintext, and nothing else")
    parser.add_argument("--folder", default="/dev/shm", help="where blobs and caches go (%(default)s)")
    return parsed(parser)


class Bench:
    def __init__(self, options):
        self.options, self.size = options, options.mib << 20
        self.samples = []
        self.names = ["hawker", "hawker-tls"] if options.tls else options.contenders.split(",")
        for name in self.names:
            if name not in CONTENDERS:
                raise Failure(f"no contender {name}; there are {', '.join(CONTENDERS)}")
        self.origin_port = free_port()
        self.seeds = {}

    def run(self):
        with work_folder(self.options.folder, 6 * self.size) as self.folder:
            with Children() as children:
                self.set_up(children)
                for number in range(self.options.rounds):
                    names = self.names[:]
                    random.shuffle(names)
                    for name in names:
                        with Children() as own:
                            sample = getattr(self, name.replace("-", "_"))(own)
                        sample.update(contender=name, round=number)
                        self.samples.append(sample)
                        say(f"round {number + 1}: {name} " + ", ".join(
                            f"{key} {value:.2f}" for key, value in sample.items() if isinstance(value, float)))

    def set_up(self, children):
        say(f"push a blob of {self.options.mib} MiB of noise, and bring it to peer a")
        layers = os.path.join(self.folder, "layers")
        os.makedirs(layers)
        self.registry = Registry(children, os.path.join(self.folder, "registry"), port=self.origin_port)
        self.digest = push_noise(self.registry, [self.size], layers)[self.size]
        self.file = os.path.join(layers, self.digest.split(":")[1])
        if "libtorrent" in self.names:
            self.torrent = os.path.join(self.folder, "blob.torrent")
            run(self.options.torrent_python, TORRENT, "make", self.file, self.torrent, str(PIECE_BYTES))
        if "hawker-tls" in self.names:
            authority = os.path.join(self.folder, "authority")
            run(self.options.binary, "cert", "authority", "--out", authority)
            for name in "ab":
                run(self.options.binary, "cert", "node", name, "--authority", authority, "--out", self.tls(name))
        for name in self.names:
            # The one that is read from is served by the same seed.
            name = name.removesuffix("-read")
            if name.startswith("hawker") and name not in self.seeds:
                self.seeds[name] = seed = self.daemon(children, "a", name)
                seed.await_serving()
                self.read(children, seed, f"manifests/{self.size}")
                self.read(children, seed, f"blobs/{self.digest}")

    def tls(self, name):
        return os.path.join(self.folder, "tls", name)

    def daemon(self, children, name, contender, peers=()):
        peer_port = free_port()
        daemon = hawker.Daemon(
            children, self.options.binary, os.path.join(self.folder, contender + name), name, "127.0.0.1",
            peers or [f"127.0.0.1:{peer_port}"], f"127.0.0.1:{self.origin_port}", mirror_port=free_port(),
            peer_port=peer_port, tls=self.tls(name) if contender == "hawker-tls" else None)
        daemon.peer_port = peer_port
        return daemon

    def client(self, children, *command):
        client = children.start(list(command), os.path.join(self.folder, "client.log"), talks=True)
        client.hear()
        return client

    def read(self, children, daemon, what, part=None):
        reader = self.client(
            children, sys.executable, READER, "127.0.0.1", str(daemon.mirror_port), f"/v2/{REPOSITORY}/{what}",
            *(["--range", part] if part else []))
        return self.go(reader, 206 if part else 200)

    def go(self, client, status=200):
        client.tell("go")
        result = json.loads(client.hear())
        if result["status"] != status or result["missing"]:
            raise Failure(f"a transfer failed: {result}")
        return result["end"] - result["begin"]

    def hawker_tls(self, children):
        return self.hawker(children, "hawker-tls")

    def hawker_read(self, children):
        return self.hawker(children, part=None)

    def hawker(self, children, contender="hawker", part="-1"):
        a = self.seeds[contender]
        b = self.daemon(children, "b", contender, peers=[f"127.0.0.1:{a.peer_port}"])
        b.await_serving()
        b.await_peers(1)
        self.read(children, b, f"manifests/{self.size}")
        self.registry.begin()
        await_quiet()
        watch = Watch([a.pid, b.pid])
        watch.begin()
        taken = self.read(children, b, f"blobs/{self.digest}", part)
        watch.end()
        if not b.has(self.digest):
            raise Failure("hawker: b has not got the blob in its cache")
        sent = self.registry.blob_bytes(self.digest)
        b.clear()
        return {**self.result(taken, watch, a.pid, b.pid), "origin": sent / self.size}

    def libtorrent(self, children):
        python, folder = self.options.torrent_python, os.path.join(self.folder, "fetched")
        os.makedirs(folder)
        seed = self.client(
            children, python, TORRENT, "127.0.0.1", self.torrent, os.path.dirname(self.file), "seed")
        seed.tell("go")
        fetch = self.client(children, python, TORRENT, "127.0.0.2", self.torrent, folder, "fetch", "127.0.0.1")
        await_quiet()
        watch = Watch([seed.pid, fetch.pid])
        watch.begin()
        taken = self.go(fetch)
        watch.end()
        shutil.rmtree(folder)
        return self.result(taken, watch, seed.pid, fetch.pid)

    def bare(self, children):
        program, file = os.path.join(HERE, "bare.py"), os.path.join(self.folder, "fetched")
        port = str(free_port())
        send = self.client(children, sys.executable, program, "send", self.file, port)
        fetch = self.client(children, sys.executable, program, "fetch", port, file)
        await_quiet()
        watch = Watch([send.pid, fetch.pid])
        watch.begin()
        taken = self.go(fetch)
        watch.end()
        begin, used = time.monotonic(), time.process_time()
        if sha256(file) != self.digest:
            raise Failure("bare: wrong bytes")
        taken += time.monotonic() - begin
        watch.cpu[fetch.pid] += time.process_time() - used
        os.unlink(file)
        return self.result(taken, watch, send.pid, fetch.pid)

    def result(self, taken, watch, sender, receiver):
        giga = self.size / 1e9
        return {"rate": giga / taken, "sender": watch.cpu[sender] / giga, "receiver": watch.cpu[receiver] / giga,
                "rss_sender": watch.peak[sender], "rss_receiver": watch.peak[receiver],
                "anon_receiver": watch.anonymous[receiver], "others": watch.others}

    def report(self):
        if self.options.json:
            return print(json.dumps(self.samples, indent=1))
        print(f"\n{self.options.mib} MiB over loopback into {self.options.folder}, verified, "
              f"{self.options.rounds} rounds\n")
        rows = []
        against = "hawker" if self.options.tls else "bare"
        base = self.rate(against) if against in self.names else float("nan")
        for name in self.names:
            group = [sample for sample in self.samples if sample["contender"] == name]
            rows.append([name, spread([sample["rate"] for sample in group]), f"{self.rate(name) / base:.2f}"] + [
                spread([sample[key] for sample in group], form) for key, form in (
                    ("sender", "{:.2f}"), ("receiver", "{:.2f}"), ("rss_sender", "{:.0f}"),
                    ("rss_receiver", "{:.0f}"), ("anon_receiver", "{:.0f}"), ("others", "{:.2f}"))])
        print_table(["WHAT", "GB/s", "x PLAINTEXT" if self.options.tls else "x BARE", "SENDER CPU s/GB",
                     "RECEIVER CPU s/GB", "SENDER MiB", "RECEIVER MiB", "ANON", "OTHERS"], rows)

    def rate(self, name):
        return median([sample["rate"] for sample in self.samples if sample["contender"] == name])


def body():
    bench = Bench(arguments())
    bench.run()
    bench.report()


main(body)
