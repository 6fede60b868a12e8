#!/usr/bin/env python3
"""Kills `hawker containerd apply` and `revert` at random moments and looks at what is left.

Scripts/torture-apply runs it.

After each kill every file must be what it was before or what the killed run was to make of it, as a whole; then
one run that is let alone must succeed and leave exactly what it leaves on an untouched machine, without leftovers;
at the end `revert` must give back every original byte. Prints counts, and ends with 1 at the first difference.

A kill counts when it ended the run. Where it lands is drawn: three in four within the measured time from a run's first
write to its end, the others anywhere between its start and its end.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

CONFIG = """version = 2

[plugins]
  [plugins.'io.containerd.grpc.v1.cri']
    sandbox_image = 'pause:3.7'
    [plugins.'io.containerd.grpc.v1.cri'.registry]
      config_path = ""
      [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors]
        [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'hub.example']
          endpoint = ['https://mirror.example']
"""
HOSTS = 'server = "https://own.example"\n\n[host."https://near.example"]\n  capabilities = ["pull"]\n'
HISTORY = []
TARGETS = {
    "mirror": ["apply", "--mode", "mirror", "--registry", "hub.example", "--registry", "own.example"],
    "config path": ["apply", "--mode", "config-path", "--migrate", "--registry", "hub.example", "--registry", "own.example"],
    "one registry": ["apply", "--mode", "config-path", "--migrate", "--registry", "own.example"],
    "revert": ["revert"],
}


class Node:
    """One machine's files, and a state folder."""

    def __init__(self, folder, hawker):
        self.folder, self.hawker = folder, hawker
        self.asksContainerd = False
        self.etc, self.state = os.path.join(folder, "etc"), os.path.join(folder, "state")
        os.makedirs(os.path.join(self.etc, "certs.d/own.example"))
        self.write("config.toml", CONFIG)
        self.write("certs.d/own.example/hosts.toml", HOSTS)

    def write(self, name, text):
        with open(os.path.join(self.etc, name), "w") as file:
            file.write(text)

    def command(self, target):
        options = ["--config", os.path.join(self.etc, "config.toml"), "--state-dir", self.state]
        if target != "revert":
            options += ["--hosts-dir", os.path.join(self.etc, "certs.d"), "--containerd-version", "1.6.20"]
            if not self.asksContainerd:
                options += ["--containerd", "none"]
        return [self.hawker, "containerd"] + TARGETS[target] + options

    def state_mark(self):
        """Differs once a run has begun to write: its record goes first."""
        try:
            return {entry.path: entry.stat().st_mtime_ns
                    for folder in os.scandir(self.state) for entry in os.scandir(folder)}
        except FileNotFoundError:
            return None

    def measure(self, target):
        """The share of a run that is over at its first write, and its seconds."""
        before, start = self.state_mark(), time.monotonic()
        process = subprocess.Popen(self.command(target), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        begun = None
        while process.poll() is None:
            if begun is None and self.state_mark() != before:
                begun = time.monotonic() - start
            time.sleep(0.0005)
        end = time.monotonic() - start
        if process.returncode != 0:
            fail(f"{target} ended with {process.returncode}")
        return (begun or end) / end, end

    def run(self, target):
        """Returns the seconds it took."""
        HISTORY.append(target)
        start = time.monotonic()
        done = subprocess.run(self.command(target), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            fail(f"{target} ended with {done.returncode}: {done.stdout}")
        return time.monotonic() - start

    def kill(self, target, delay):
        """Whether the run was still at work when it was killed."""
        process = subprocess.Popen(self.command(target), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        isKilled = process.wait() == -signal.SIGKILL
        HISTORY.append(f"{target}, {f'killed after {delay * 1000:.1f} ms' if isKilled else 'in time'}")
        return isKilled

    def snapshot(self):
        """Files with content, folders with None; paths below the node's folder do not show in the content."""
        result = {}
        for folder, folders, files in os.walk(self.etc):
            for name in folders:
                result[os.path.relpath(os.path.join(folder, name), self.etc)] = None
            for name in files:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    result[os.path.relpath(path, self.etc)] = file.read().replace(self.folder.encode(), b"NODE")
        return result


def fail(message):
    print("FAILED:", message)
    print("what was run last:", *HISTORY[-8:], sep="\n    ")
    os._exit(1)  # The files stay, to be looked at.


def check_whole(before, after, now, target):
    for path in set(before) | set(after) | set(now):
        if path.endswith(".hawker-new"):
            continue
        if now.get(path, "absent") not in (before.get(path, "absent"), after.get(path, "absent")):
            fail(f"{path} is neither old nor new after a killed {target}: {now.get(path)!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hawker")
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    hawker = os.path.abspath(options.hawker)
    chance = random.Random(options.seed)
    folder = tempfile.mkdtemp(prefix="torture-apply.", dir=options.folder)
    print(f"seed {options.seed}, {folder}", flush=True)
    references, windows = {}, {}
    for number, target in enumerate(TARGETS):
        node = Node(os.path.join(folder, f"reference-{number}"), hawker)
        if target == "revert":
            node.run("mirror")
        windows[target] = node.measure(target)
        references[target] = node.snapshot()
    node = Node(os.path.join(folder, "node"), hawker)
    original = node.snapshot()
    kills = begun = changed = leftovers = 0
    names, last, start = list(TARGETS), "revert", time.monotonic()
    shown = start
    while kills < options.kills and time.monotonic() - start < options.seconds:
        if time.monotonic() - shown > 60:
            shown = time.monotonic()
            print(f"{kills} kills after {shown - start:.0f} s", flush=True)
        target = chance.choice([name for name in names if name != last])
        before, mark = node.snapshot(), node.state_mark()
        # What containerd's config dump says does not touch a file, and takes longer than the rest.
        node.asksContainerd = chance.random() < 0.05
        first, end = windows[target]
        delay = end * (chance.uniform(0.9 * first, 1) if chance.random() < 0.75 else chance.random())
        if not node.kill(target, delay):
            if not node.asksContainerd:
                windows[target] = first, end * 0.97
            last = target
            continue
        kills += 1
        now = node.snapshot()
        check_whole(before, references[target], now, target)
        hasBegun = node.state_mark() != mark
        begun += hasBegun
        if not node.asksContainerd:  # Where the writing begins is learnt as the machine speeds up and slows down.
            windows[target] = min(0.97, max(0.3, first + (-0.004 if hasBegun else 0.008))), end
        changed += now != before
        leftovers += any(path.endswith(".hawker-new") for path in now)
        if chance.random() < 0.2:
            last = None
            continue  # One killed run upon another.
        last = chance.choice([name for name in names if name != target])
        node.asksContainerd = False
        first, end = windows[last]
        windows[last] = first, 0.8 * end + 0.2 * node.run(last)  # The machine is faster and slower by turns.
        if node.snapshot() != references[last]:
            fail(f"{last} after a killed run left something else: {node.snapshot()}")
    node.run("revert")
    if node.snapshot() != original:
        fail(f"revert gave back something else: {node.snapshot()}")
    print(f"{kills} kills in {time.monotonic() - start:.0f} s, {begun} of them after the run had begun to write and"
          f" {changed} after a file had changed, {leftovers} left a temporary file for the next run;"
          " every file was whole, every next run succeeded")
    shutil.rmtree(folder)


main()
