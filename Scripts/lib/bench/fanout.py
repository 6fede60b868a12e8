#!/usr/bin/env python3
"""Brings one blob to many hosts at once, in several ways, and compares them with one lone download.

Scripts/bench fanout runs it.
"""

import argparse
import json
import os
import random
import shutil
import tempfile

from contenders import ALL, TORRENT, Direct, Hawker, Stage
from folder import work_folder
from network import Network, counters
from registry import Registry, push_noise
from tools import Children, Failure, Watch, await_quiet, main, median, parsed, print_table, run, say, spread


def arguments():
    parser = argparse.ArgumentParser(prog="bench fanout")
    parser.add_argument("--nodes", default="4,8,16", help="hosts, one run for each number (%(default)s)")
    parser.add_argument("--rate", type=int, default=100, help="of each up- and downlink in Mbit/s (%(default)s)")
    parser.add_argument("--mib", type=int, default=256, help="size of the blob in MiB (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="samples of each contender (%(default)s)")
    parser.add_argument("--contenders", default="hawker,libtorrent",
                        help=f"of {', '.join(ALL)} (%(default)s); the last two take N times a lone download")
    parser.add_argument("--kill", action="store_true", help="also a run in which one hawker node gets SIGKILL")
    parser.add_argument("--late-joiner", action="store_true", help="also a host that comes when all have the blob")
    parser.add_argument("--zones", metavar="ZxH", help="Z zones of H hosts instead of --nodes, as in 4x4")
    parser.add_argument("--zone-rate", type=int, default=100, help="of each zone's link in Mbit/s (%(default)s)")
    parser.add_argument("--folder", help="where blobs and caches go (default: /dev/shm if it has room, else TMPDIR)")
    return parsed(parser)


def place(need):
    """One disk is not the disks of many hosts, so memory stands for those if there is enough."""
    return "/dev/shm" if shutil.disk_usage("/dev/shm").free >= need else tempfile.gettempdir()


class Bench:
    def __init__(self, options):
        self.options = options
        self.size = options.mib << 20
        self.zones = {}
        if options.zones:
            zones, hosts = (int(part) for part in options.zones.lower().split("x"))
            self.counts = [zones * hosts]
            self.zones = {f"h{number + 1}": f"z{number // hosts + 1}" for number in range(zones * hosts)}
        else:
            self.counts = [int(count) for count in options.nodes.split(",")]
        self.hosts = [f"h{number + 1}" for number in range(max(self.counts))]
        self.names = options.contenders.split(",")
        unknown = [name for name in self.names if name not in ALL]
        if unknown:
            raise Failure(f"no contender {unknown[0]}; there are {', '.join(ALL)}")
        if "libtorrent" in self.names and not options.torrent_python:
            raise Failure("libtorrent needs --torrent-python")
        self.samples = []

    def run(self):
        options = self.options
        need = self.size * (len(self.hosts) + 4)
        with work_folder(options.folder or place(need), need) as folder:
            network = Network(
                self.hosts + ["origin", "cache", "late"], options.rate, self.zones, options.zone_rate)
            with network, Children() as children:
                self.stage = self.set_up(network, children, folder)
                for number in range(options.rounds):
                    self.round(number)

    def set_up(self, network, children, folder):
        say(f"push a blob of {self.options.mib} MiB of noise")
        layers = os.path.join(folder, "layers")
        os.makedirs(layers)
        with Children() as before:
            digests = push_noise(Registry(before, os.path.join(folder, "registry")), [self.size], layers)
        origin = Registry(
            children, os.path.join(folder, "registry"), host="0.0.0.0", namespace=network.namespace("origin"))
        stage = Stage(
            network, origin, folder, self.size, digests[self.size], self.options.binary, self.options.torrent_python,
            self.zones)
        if "libtorrent" in self.names:
            torrent = os.path.join(folder, "blob.torrent")
            run(self.options.torrent_python, TORRENT, "make", stage.blob_file(), torrent, str(32 << 10))
        return stage

    def round(self, number):
        self.lone = self.sample(Direct, ["h1"], number, kind="lone")["makespan"]
        for count in self.counts:
            names = self.names[:]
            random.shuffle(names)
            for name in names:
                self.sample(ALL[name], self.hosts[:count], number)
            if self.options.kill:
                self.sample(Hawker, self.hosts[:count], number, kind="killed")

    def sample(self, kind_of, hosts, number, kind="all"):
        late = ["late"] if self.options.late_joiner and kind_of is Hawker and kind == "all" else []
        with kind_of(self.stage, hosts + late) as contender:
            everybody = [node.pid for node in contender.nodes.values()]
            await_quiet()
            watch = Watch(everybody + contender.servers)
            before = {pid: counters(pid) for pid in watch.pids}
            into = {zone: self.stage.network.bytes_into(zone) for zone in set(self.zones.values())}
            self.stage.origin.begin()
            watch.begin()
            kill = (hosts[len(hosts) // 2], 0.4 * self.lone) if kind == "killed" else None
            results = contender.go(hosts, kill)
            watch.end()
            alive = [pid for pid in watch.pids if os.path.exists(f"/proc/{pid}/net/snmp")]
            after = {pid: counters(pid) for pid in alive}
            entered = {zone: (self.stage.network.bytes_into(zone) - count) / self.size
                       for zone, count in into.items()}
            sample = self.result(contender, results, watch, before, after)
            sample.update(kind=kind, round=number, zones=entered)
            self.samples.append(sample)
            say(f"round {number + 1}: {self.describe(sample)}")
            if late:
                self.late(contender, number)
        return sample

    def late(self, contender, number):
        self.stage.origin.begin()
        results = contender.go(["late"])
        taken = results["late"]["end"]
        payload = contender.origin_payload() / self.size
        self.samples.append({"kind": "late", "round": number, "contender": "hawker", "nodes": len(contender.hosts) - 1,
                             "makespan": taken, "ratio": taken / self.lone, "egress": payload})
        say(f"round {number + 1}: late joiner {taken:.2f} s, {taken / self.lone:.3f} of a lone download, "
            f"origin sent {payload:.3f} of the blob")

    def result(self, contender, results, watch, before, after):
        ends = [result["end"] for result in results.values()]
        origin = contender.servers[0]
        nodes = [node.pid for node in contender.nodes.values()]
        delivered = self.size * len(ends) / 1e9
        lone = getattr(self, "lone", max(ends))
        return {
            "contender": contender.name, "nodes": len(contender.hosts) - ("late" in contender.hosts),
            "makespan": max(ends), "first": min(ends), "ratio": max(ends) / lone,
            "spread": (max(ends) - min(ends)) / max(ends), "egress": contender.origin_payload() / self.size,
            "wire": (after[origin]["sent"] - before[origin]["sent"]) / self.size,
            "cpu": sum(watch.cpu.values()) / delivered,
            "cpu_nodes": sum(watch.cpu[pid] for pid in nodes) / delivered,
            "rss": max(watch.peak[pid] for pid in nodes), "anon": max(watch.anonymous[pid] for pid in nodes),
            "others": watch.others, "again": sum(after[pid]["again"] - before[pid]["again"] for pid in after),
        }

    def describe(self, sample):
        zones = "".join(f", {zone} {share:.2f}" for zone, share in sorted(sample["zones"].items()))
        return (f"{sample['contender']} {sample['kind']} N={sample['nodes']}: {sample['makespan']:.2f} s "
                f"({sample['ratio']:.3f}), first {sample['first']:.2f} s, egress {sample['egress']:.3f} "
                f"(wire {sample['wire']:.3f}), {sample['cpu']:.2f} CPU s/GB, "
                f"{sample['rss']:.0f} MiB ({sample['anon']:.0f}), {sample['again']} segments again, others {sample['others']:.2f} CPUs{zones}")

    def report(self):
        if self.options.json:
            return print(json.dumps(self.samples, indent=1))
        lone = [sample["makespan"] for sample in self.samples if sample["kind"] == "lone"]
        print(f"\n{self.options.mib} MiB, links of {self.options.rate} Mbit/s, {self.options.rounds} rounds; "
              f"one lone download, hashed and on disk: {spread(lone)} s\n")
        head = ["WHAT", "N", "MAKESPAN s", "x LONE", "SPREAD %", "ORIGIN x", "WIRE x", "CPU s/GB", "RSS MiB",
                "ANON", "RESENT", "OTHERS"]
        rows = []
        keys = dict.fromkeys((sample["nodes"], sample["contender"], sample["kind"]) for sample in self.samples)
        for nodes, contender, kind in sorted(keys, key=lambda key: key[0]):
            group = [sample for sample in self.samples
                     if (sample["nodes"], sample["contender"], sample["kind"]) == (nodes, contender, kind)]
            rows.append([contender if kind in ("all", "lone") else f"{contender}, {kind}", nodes]
                        + self.cells(group))
        print_table(head, rows)
        if self.zones:
            worst = [max(sample["zones"].values()) for sample in self.samples if sample["kind"] == "all"]
            print(f"\nframes into the zone that got most: {spread(worst)} x the blob")

    def cells(self, group):
        def of(key, form="{:.2f}", factor=1):
            return spread([sample[key] * factor for sample in group if key in sample], form)
        return [of("makespan"), f"{median([sample['ratio'] for sample in group]):.3f}", of("spread", "{:.1f}", 100),
                of("egress", "{:.3f}"), of("wire", "{:.3f}"), of("cpu"), of("rss", "{:.0f}"), of("anon", "{:.0f}"),
                of("again", "{:.0f}"), of("others")]


def body():
    bench = Bench(arguments())
    bench.run()
    bench.report()


main(body)
