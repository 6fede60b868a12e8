"""Renders the Helm chart with many values by Helm's own SDK, and looks at what comes out.

usage: chart.py CHART HAWKER [--pairs]

Each choice of AXES is rendered alone, and with --pairs also with each choice of another axis. Every object is checked
against the schemas of Kubernetes 1.24 and of the newest release known here, every settings file by `hawker config
check`, and every container against what the chart promises of it. Prints a line for each complaint and a summary; exit
status 1 with any complaint.
"""

import copy
import itertools
import json
import os
import subprocess
import sys
import tempfile

import helm_python
import kubernetes_validate
import yaml

CHART, HAWKER = sys.argv[1:3]
RELEASES = ["1.24", kubernetes_validate.latest_version()]
BASE = {"image": {"repository": "registry.example/hawker"}}
# What may differ, one by one and in pairs.
AXES = {
    "tls": [
        {"peers": {"tls": {"from": "certManager", "issuer": {"name": "nodes"}}}},
        {"peers": {"tls": {"from": "secret", "secretName": "mine", "moreAuthorities": "PEM\n"}, "allow": ["10.0.0.0/8"]}},
        {"peers": {"tls": {"from": "off"}}},
    ],
    "runtime": [
        {"wiring": {"runtime": "none"}},
        {"wiring": {"runtime": "k3s", "activateCommand": "systemctl restart k3s-agent"}},
        {"wiring": {"mode": "config-path", "migrate": True, "restartCommand": "rc-service containerd restart"}},
        {"wiring": {"restart": False, "extraArguments": ["--hosts-dir=/etc/containerd/certs.d"]}},
    ],
    "zone": [{"zone": {"name": "eu-1"}}, {"zone": {"nodeLabel": ""}}],
    "cache": [{"cache": {"hostPath": ""}}, {"cache": {"quota": "2TiB", "removeOnUninstall": False}}],
    "status": [{"status": {"onNodeAddress": True}, "serviceMonitor": {"enabled": True, "labels": {"a": "b"}},
                "prometheusRule": {"enabled": True, "labels": {"a": "b"}}, "dashboard": {"enabled": True}},
               {"status": {"port": 9102}, "log": {"format": "json", "level": "warning"}}],
    "network": [{"networkPolicy": {"enabled": True, "nodeCIDRs": ["10.0.0.0/16"]}},
                {"networkPolicy": {"enabled": True, "nodeCIDRs": ["10.0.0.0/16"],
                                   "monitoring": {"matchLabels": {"a": "b"}}}, "status": {"onNodeAddress": True}}],
    "uninstall": [{"uninstall": {"revert": False}}],
    "image": [{"image": {"digest": "sha256:" + "0" * 64, "pullSecrets": [{"name": "pull"}]}}],
    "registries": [{"registries": [{"host": "docker.io", "rate": "50MB/s"},
                                   {"host": "registry:5000", "url": "http://registry:5000"},
                                   {"host": "r.example", "ca_file": "/etc/hawker-authorities/r.pem"}],
                    "registryAuthorities": "authorities"}],
    "settings": [{"settings": {"limits": {"upload": "50MB/s", "peer_connections": 300}, "log": {"level": "debug"},
                               "peers": {"compression": False, "static": ["10.0.0.9:4000"]}}}],
    "pods": [{"podLabels": {"team": "a"}, "podAnnotations": {"b": "c"}, "priorityClassName": "high", "user": 1000}],
}
# Values that have to be refused, with a word of the reason.
WRONG = [
    ({"image": {"repository": ""}}, "image.repository"),
    ({"serviceMonitor": {"enabled": True}}, "onNodeAddress"),
    ({"log": {"format": "xml"}}, "format"),
    ({"networkPolicy": {"enabled": True}}, "nodeCIDRs"),
    ({"peers": {"tls": {"from": "certManager"}}}, "issuer.name"),
    ({"peers": {"tls": {"from": "secret"}}}, "secretName"),
    ({"peers": {"tls": {"from": "nowhere"}}}, "from"),
    ({"registries": []}, "registries"),
    ({"registries": [{"host": "a b"}]}, "host"),
    ({"wiring": {"mod": "auto"}}, "mod"),
    ({"cache": {"quota": "much"}}, "quota"),
    ({"mirror": {"port": 80}}, "port"),
]
complaints = []


def complain(what, *details):
    complaints.append(f"{what}: " + " ".join(str(detail) for detail in details))


def merged(*parts):
    result = copy.deepcopy(BASE)

    def merge(target, source):
        for key, value in source.items():
            if isinstance(value, dict) and isinstance(target.get(key), dict):
                merge(target[key], value)
            else:
                target[key] = copy.deepcopy(value)

    for part in parts:
        merge(result, part)
    return result


def matrix():
    yield "the defaults", merged()
    for name, choices in AXES.items():
        for choice in choices:
            yield json.dumps(choice), merged(choice)
    for (_, first), (_, second) in itertools.combinations(AXES.items() if "--pairs" in sys.argv else (), 2):
        for pair in itertools.product(first, second):
            yield json.dumps(pair), merged(*pair)


def objects(chart, values):
    chart.validate_schema(chart.merge_values(values))
    for path, text in chart.render(values, name="hawker", namespace="kube-system").items():
        if path.endswith(".yaml"):
            yield from (thing for thing in yaml.safe_load_all(text) if thing)


def pods(things):
    for thing in things:
        template = thing.get("spec", {}).get("template")
        if template:
            yield thing, template["spec"]


class Checker:
    def __init__(self):
        self.seen, self.count = set(), 0

    def once(self, kind, content):
        """Whether this was not looked at before."""
        key = kind, json.dumps(content, sort_keys=True)
        new = key not in self.seen
        self.seen.add(key)
        return new

    def look(self, name, values, things):
        for thing in things:
            if self.once("object", thing):
                self.count += 1
                validate(name, thing)
        for owner, pod in pods(things):
            if self.once("pod", pod):
                look_at_pod(name, owner, pod)
        settings = next(thing["data"]["hawker.toml"] for thing in things
                        if thing["kind"] == "ConfigMap" and "hawker.toml" in thing["data"])
        if self.once("settings", settings):
            look_at_settings(name, settings)
        look_at_links(name, values, things)


def validate(name, thing):
    if "." in thing["apiVersion"].split("/")[0] and not thing["apiVersion"].split("/")[0].endswith(".k8s.io"):
        return  # Of an operator, whose schemas are not Kubernetes' own.
    for release in RELEASES:
        try:
            kubernetes_validate.validate(thing, release, strict=True)
        except Exception as error:  # A schema that is missing is a complaint as well.
            complain(name, thing["kind"], release, getattr(error, "message", error))


def look_at_pod(name, owner, pod):
    """Root on the node are the two steps that write its files, and nothing else is root at all but the cache's step."""
    for container in pod.get("initContainers", []) + pod["containers"]:
        context, place = container["securityContext"], (owner["kind"], owner["metadata"]["name"], container["name"])
        if not context.get("readOnlyRootFilesystem"):
            complain(name, place, "may write to its root file system")
        if container["name"] in ("wire", "revert"):
            if not pod.get("hostPID"):
                complain(name, place, "does not see the node's processes")
            continue
        if context.get("privileged") or context.get("allowPrivilegeEscalation") is not False:
            complain(name, place, "is privileged")
        added = ["CHOWN"] if container["name"] == "cache" else []
        capabilities = context["capabilities"]
        if capabilities["drop"] != ["ALL"] or capabilities.get("add", []) != added:
            complain(name, place, "has capabilities", capabilities)
        if context.get("runAsUser") == 0 and container["name"] != "cache":
            complain(name, place, "is root")
        if context["seccompProfile"]["type"] != "RuntimeDefault":
            complain(name, place, "has no seccomp profile")
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    mounts = {mount["name"] for container in pod.get("initContainers", []) + pod["containers"]
              for mount in container.get("volumeMounts", [])}
    if volumes != mounts:
        complain(name, owner["metadata"]["name"], "volumes and mounts differ:", volumes ^ mounts)
    if pod["automountServiceAccountToken"] is not False:
        complain(name, owner["metadata"]["name"], "gives its token to every container")


def look_at_settings(name, template):
    """As the pod's step makes it."""
    text = template.replace("@NODE@", "node-1").replace("@ADDRESS@", "10.0.0.1").replace("@ZONE@", "zone-1")
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        run = subprocess.run([HAWKER, "config", "check", file.name], capture_output=True, text=True)
    if run.returncode:
        complain(name, run.stderr, text)


def look_at_links(name, values, things):
    """What one object says of another is so."""
    names = {(thing["kind"], thing["metadata"]["name"]) for thing in things}
    for owner, pod in pods(things):
        if ("ServiceAccount", pod["serviceAccountName"]) not in names:
            complain(name, owner["metadata"]["name"], "has no account")
        hook = owner["metadata"].get("annotations", {}).get("helm.sh/hook", "")
        for thing in things:
            if thing["kind"] == "ServiceAccount" and thing["metadata"]["name"] == pod["serviceAccountName"]:
                if thing["metadata"].get("annotations", {}).get("helm.sh/hook", "") != hook:
                    complain(name, owner["metadata"]["name"], "and its account are not there at the same time")
    daemons = next(thing for thing in things if thing["kind"] == "DaemonSet" and thing["metadata"]["name"] == "hawker")
    labels = daemons["spec"]["template"]["metadata"]["labels"]
    selectors = [thing["spec"]["selector"] for thing in things if thing["kind"] == "Service"]
    for thing in things:
        if thing["metadata"]["name"] == "hawker-revert" and thing["kind"] == "DaemonSet":
            variables = {entry["name"]: entry.get("value") for entry in
                         thing["spec"]["template"]["spec"]["initContainers"][0]["env"]}
            selectors.append(dict(pair.split("=") for pair in variables["SELECTOR"].split(",")))
            others = thing["spec"]["template"]["metadata"]["labels"]
            own = daemons["spec"]["selector"]["matchLabels"]
            if selectors[-1].items() <= others.items() or own.items() <= others.items():
                complain(name, "the pods that revert count as daemons")
    for selector in selectors:
        if not selector.items() <= labels.items():
            complain(name, "nothing has the labels", selector)


def documented(schema, values, path=""):
    """Every value is in the schema with a description, and every key of the schema that is fixed has a value."""
    known = schema.get("properties", {})
    for key, value in values.items():
        place = f"{path}.{key}".strip(".")
        if key not in known:
            complain("values.schema.json", place, "is missing")
        elif not known[key].get("description"):
            complain("values.schema.json", place, "is not described")
        elif known[key].get("properties") and isinstance(value, dict):
            documented(known[key], value, place)
    for key in known.keys() - values.keys() - {"global"}:
        complain("values.yaml", f"{path}.{key}".strip("."), "is missing")


def main():
    for message in helm_python.lint(CHART)["messages"]:
        if message["severity"] > 1:
            complain("lint", message)
    with open(os.path.join(CHART, "values.schema.json")) as file:
        schema = json.load(file)
    checker, count = Checker(), 0
    with helm_python.Chart.load(CHART) as chart:
        documented(schema, chart.values)
        for name, values in matrix():
            count += 1
            try:
                checker.look(name, values, list(objects(chart, values)))
            except Exception as error:
                complain(name, type(error).__name__, error)
        for values, word in WRONG:
            try:
                list(objects(chart, merged(values)))
                complain(json.dumps(values), "is not refused")
            except helm_python.HelmError as error:
                if word not in str(error):
                    complain(json.dumps(values), "is refused without a word on", word, error)
    print("\n".join(complaints))
    print(f"{count} sets of values, {checker.count} objects, Kubernetes {' and '.join(RELEASES)}, "
          f"{len(complaints)} complaints")
    sys.exit(1 if complaints else 0)


main()
