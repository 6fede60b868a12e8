"""Stands in for helm and kubectl where there is no cluster.

usage: cluster.py helm|kubectl ARGUMENT...

`helm` renders the chart by Helm's own SDK, with the values of the command line, and remembers the objects in $CLUSTER;
`kubectl` fails for an object, container or program that these do not have.
"""

import argparse
import json
import os
import subprocess
import sys

import helm_python
import yaml

STATE = os.environ["CLUSTER"]


def fail(message):
    sys.exit(f"{sys.argv[1]}: {message}")


def merge(target, source):
    for key, value in source.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = value


def helm(arguments):
    if arguments[:2] == ["show", "values"]:
        with helm_python.Chart.load(arguments[2]) as chart:
            print(yaml.safe_dump(chart.values))
        return
    parser = argparse.ArgumentParser(prog="helm")
    parser.add_argument("action", choices=["install", "upgrade", "uninstall"])
    parser.add_argument("release")
    parser.add_argument("chart", nargs="?")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--values", action="append", default=[])
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--reuse-values", action="store_true")
    options = parser.parse_args(arguments)
    state = json.load(open(STATE)) if os.path.exists(STATE) else None
    if options.action == "install" and state and state["installed"] or options.action != "install" and not (
            options.install or state and state["installed"]):
        fail(f"{options.action}: the release {options.release} is {'' if state else 'not '}there")
    if options.action == "uninstall":
        state["installed"] = False
    else:
        values = dict(state["values"]) if state and options.reuse_values else {}
        for file in options.values:
            merge(values, yaml.safe_load(open(file)))
        for text in options.set:
            merge(values, helm_python.parse_set_string(text))
        with helm_python.Chart.load(options.chart) as chart:
            chart.validate_schema(chart.merge_values(values))
            files = chart.render(values, name=options.release, namespace=options.namespace)
        objects = [thing for path, text in files.items() if path.endswith(".yaml")
                   for thing in yaml.safe_load_all(text) if thing]
        state = {"installed": True, "values": values, "namespace": options.namespace, "objects": objects}
    json.dump(state, open(STATE, "w"))


def kubectl(arguments):
    state = json.load(open(STATE))
    parser = argparse.ArgumentParser(prog="kubectl")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--container")
    parser.add_argument("words", nargs="+")
    program = arguments[arguments.index("--") + 1:] if "--" in arguments else []
    options = parser.parse_args(arguments[:arguments.index("--")] if program else arguments)
    if options.namespace != state["namespace"]:
        fail(f"no namespace {options.namespace}")
    action, *words = options.words
    if action == "rollout":
        words = words[1:]
    kinds, name = words[0].split("/") if "/" in words[0] else words
    for kind in kinds.split(","):
        thing = find(state, kind, name)
        if action in ("exec", "logs"):
            pod = thing["spec"]["template"]["spec"]
            containers = pod["containers"] + (pod["initContainers"] if action == "logs" else [])
            if options.container not in [container["name"] for container in containers]:
                fail(f"{name} has no container {options.container}")
    if program:
        if program[0] != "hawker":
            fail(f"{program[0]} is not run in a test")
        subprocess.run([os.environ["HAWKER"], *program[1:], "--help"], check=True)


def find(state, kind, name):
    """An object that is there: of the release, or after it is uninstalled of the hooks that then run."""
    for thing in state["objects"]:
        hook = thing["metadata"].get("annotations", {}).get("helm.sh/hook")
        is_there = hook is None if state["installed"] else hook == "post-delete"
        if is_there and thing["kind"].lower() == kind and thing["metadata"]["name"] == name:
            return thing
    return fail(f"no {kind} {name}")


{"helm": helm, "kubectl": kubectl}[sys.argv[1]](sys.argv[2:])
