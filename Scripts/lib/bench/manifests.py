#!/usr/bin/env python3
"""Small requests: a warm manifest by digest, from a node, from nginx as a file, and from docker-registry, in turn.

Scripts/bench manifests runs it; wrk is the client, over loopback.
"""

import argparse
import http.client
import json
import os
import re
import tempfile

import hawker
from folder import work_folder
from registry import MANIFEST_TYPE, REPOSITORY, Registry, push_noise
from tools import (
    Children, Failure, await_quiet, free_port, listens, main, median, parsed, print_table, run, say, spread)

SERVERS = ["nginx", "hawker", "docker-registry"]


def arguments():
    parser = argparse.ArgumentParser(prog="bench manifests")
    parser.add_argument("--connections", default="1,16,64", help="how many at once (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server (%(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="of one turn (%(default)s)")
    return parsed(parser)


def nginx_settings(folder, port):
    places = "\n".join(f"    {name}_temp_path {folder}/{name};" for name in
                       ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return (
        f"user root;\nworker_processes auto;\npid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\n"
        f"events {{ }}\nhttp {{\n    access_log off;\n    sendfile on;\n    tcp_nopush on;\n"
        f"    keepalive_requests 1000000;\n{places}\n    server {{\n        listen 127.0.0.1:{port};\n"
        f"        root {folder}/files;\n        default_type {MANIFEST_TYPE};\n    }}\n}}\n")


class Bench:
    def __init__(self, options):
        self.options = options
        self.counts = [int(count) for count in options.connections.split(",")]
        self.samples = []

    def run(self):
        with work_folder(tempfile.gettempdir(), 0) as folder:
            with Children() as children:
                self.urls = self.start(children, folder)
                for count in self.counts:
                    for _ in range(self.options.rounds):
                        for server in SERVERS:
                            await_quiet(seconds=3)
                            self.sample(server, count)
                    say(f"{count} connections: " + ", ".join(
                        f"{server} {median(self.values(server, count)):.0f}/s" for server in SERVERS))

    def start(self, children, folder):
        registry = Registry(children, os.path.join(folder, "registry"), port=free_port())
        layers = os.path.join(folder, "layers")
        os.makedirs(layers)
        push_noise(registry, [1000], layers)
        host = f"127.0.0.1:{registry.port}"
        node = hawker.Daemon(children, self.options.binary, os.path.join(folder, "node"), "node", "127.0.0.1", [],
                             host, mirror_port=free_port())
        node.await_serving()
        digest, content = self.manifest(registry.port, "1000")
        path = f"/v2/{REPOSITORY}/manifests/{digest}"
        place = os.path.join(folder, "nginx", "files", path[1:])
        os.makedirs(os.path.dirname(place))
        with open(place, "wb") as file:
            file.write(content)
        port = free_port()
        with open(os.path.join(folder, "nginx.conf"), "w") as file:
            file.write(nginx_settings(os.path.join(folder, "nginx"), port))
        nginx = children.start(["nginx", "-c", os.path.join(folder, "nginx.conf")], os.path.join(folder, "nginx.log"))
        nginx.wait_until("nginx", lambda: listens(port, nginx.pid))
        urls = {"nginx": port, "hawker": node.mirror_port, "docker-registry": registry.port}
        for server, port in urls.items():
            if self.manifest(port, digest)[1] != content:
                raise Failure(f"{server} sends another manifest")
        return {server: f"http://127.0.0.1:{port}{path}" for server, port in urls.items()}

    def manifest(self, port, reference):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", f"/v2/{REPOSITORY}/manifests/{reference}", headers={"Accept": MANIFEST_TYPE})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise Failure(f"no manifest from port {port}: {answer.status}")
        return answer.headers.get("Docker-Content-Digest"), content

    def sample(self, server, count):
        text = run("wrk", "-t", "1", "-c", str(count), "-d", f"{self.options.seconds}s", "--latency", "-H",
                   f"Accept: {MANIFEST_TYPE}", self.urls[server])
        if "Non-2xx" in text or "Socket errors" in text:
            raise Failure(f"{server} answered wrongly: {text}")
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
        self.samples.append({"server": server, "connections": count, "rate": rate})

    def values(self, server, count):
        return [sample["rate"] for sample in self.samples
                if (sample["server"], sample["connections"]) == (server, count)]

    def report(self):
        if self.options.json:
            return print(json.dumps(self.samples, indent=1))
        rows = []
        for count in self.counts:
            base = {server: median(self.values(server, count)) for server in SERVERS}
            for server in SERVERS:
                rows.append([
                    str(count), server, spread(self.values(server, count), "{:.0f}"),
                    f"{base[server] / base['nginx']:.2f}", f"{base[server] / base['docker-registry']:.1f}"])
        print()
        print_table(["CONNECTIONS", "SERVER", "REQUESTS/s", "x NGINX", "x DOCKER-REGISTRY"], rows)


def body():
    bench = Bench(arguments())
    bench.run()
    bench.report()


main(body)
