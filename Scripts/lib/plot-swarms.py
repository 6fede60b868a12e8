#!/usr/bin/env python3
"""Draws what simulated swarms measured.

usage: plot-swarms.py RUNS FOLDER
  RUNS    lines of `swarm-simulator --json`, runs of one series one after the other, each run's "nodes" larger
  FOLDER  where growth.svg (makespan and registry bytes against the number of nodes) and progress.svg go
"""

import json
import sys

import matplotlib

matplotlib.use("svg")
# The same run makes the same file.
matplotlib.rcParams["svg.hashsalt"] = "hawker"
import matplotlib.pyplot as plot


def read(path):
    with open(path) as file:
        return [json.loads(line) for line in file if line.startswith("{")]


def draw_growth(runs, path):
    figure, (upper, lower) = plot.subplots(2, 1, sharex=True, figsize=(7, 6.5), layout="constrained")
    for mebibytes in sorted({run["mebibytes"] for run in runs}):
        series = sorted((run for run in runs if run["mebibytes"] == mebibytes), key=lambda run: run["nodes"])
        nodes = [run["nodes"] for run in series]
        name = f"{mebibytes:g} MiB"
        upper.plot(nodes, [run["makespan_seconds"] / run["bound_seconds"] for run in series], "o-", label=name)
        lower.plot(nodes, [run["origin_share"] for run in series], "o-", label=name)
    lower.set_xscale("log")
    upper.set_ylim(bottom=0)
    lower.set_ylim(0, max(2, 1.1 * max(run["origin_share"] for run in runs)))
    upper.set_ylabel("last node done, times the fluid bound")
    lower.set_ylabel("read from the registry, times the blob")
    lower.set_xlabel("nodes that start together")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, metadata={"Date": None})


def draw_progress(run, path):
    seconds, last, tenth, median, ninetieth, first = zip(*run["progress"])
    figure, axes = plot.subplots(figsize=(7, 4), layout="constrained")
    axes.fill_between(seconds, last, first, alpha=0.2, label="all nodes")
    axes.fill_between(seconds, tenth, ninetieth, alpha=0.4, label="four fifths of them")
    axes.plot(seconds, median, label="median")
    axes.axvline(run["bound_seconds"], color="black", linestyle=":", label="fluid bound")
    axes.set_xlabel("seconds")
    axes.set_ylabel("share of the blob that a node has")
    axes.set_title(f"{run['nodes']} nodes, {run['mebibytes']:g} MiB")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    runs = [run for run in read(sys.argv[1]) if run["waiting"] == 0 and run["failed"] == 0]
    if not runs:
        sys.exit(f"{sys.argv[1]} holds no run that came to its end")
    draw_growth(runs, f"{sys.argv[2]}/growth.svg")
    draw_progress(max(runs, key=lambda run: run["mebibytes"] * run["nodes"]), f"{sys.argv[2]}/progress.svg")


main()
