"""Hosts in network namespaces, joined by a switch, each with a link of its own.

Every namespace's name begins with PREFIX. The switch is a bridge in a namespace too, so removing the namespaces
removes everything. A host's uplink is shaped where it leaves the host, its downlink where it leaves the switch, both
by tbf with a queue of 25 ms. Frames of up to 16 KB travel whole, as with a network card that cuts them itself: what a
kernel spends on each packet of a virtual wire would else be most of what is measured. Congestion control is pinned to
cubic: some kernels' default (bbr) does not fill such queues, and would hide what bursts do to them.
"""

import os
import subprocess
import sys

from tools import Failure, run

PREFIX = "hawker-bench-"
QUEUE = "25ms"
FRAME = "16000"
DELAY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "delay.py")
# Several frames: of less than one tbf would cut it up, and what comes due while a timer is late would be lost.
BURST = "64kb"


def ip(*arguments):
    run("ip", *arguments)


class Network:
    """`names` are the hosts; each gets an address and a namespace. Use it in a `with`.

    `zones` maps a host to a zone's name: those hosts hang on a bridge of their own, which a link of `zone_mbit` joins
    to the others. `delays` maps a host to the milliseconds that a frame takes on its link, each way.
    """

    def __init__(self, names, mbit, zones=None, zone_mbit=None, delays=None):
        self.names, self.mbit = list(names), mbit
        self.delays, self.wires = delays or {}, []
        self.zones, self.zone_mbit = zones or {}, zone_mbit

    def namespace(self, name):
        return PREFIX + name

    def address(self, name):
        return f"10.77.0.{self.names.index(name) + 1}"

    def __enter__(self):
        if os.geteuid() != 0:
            raise Failure("network namespaces need root: run it with sudo")
        taken = [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.startswith(PREFIX)]
        if taken:
            raise Failure(
                f"the network namespace {taken[0]} exists: another bench runs, or one was killed. In the latter case: "
                f"for n in $(ip netns list | grep -o '^{PREFIX}[^ ]*'); do ip netns delete $n; done")
        try:
            self.build()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        for wire in self.wires:
            wire.stdin.close()
            wire.wait()
        self.wires = []
        for line in run("ip", "netns", "list").splitlines():
            if line.startswith(PREFIX):
                run("ip", "netns", "delete", line.split()[0])

    def build(self):
        self.switch = self.namespace("switch")
        ip("netns", "add", self.switch)
        self.leave_frames_alone()
        self.add_bridge("core")
        for zone in sorted(set(self.zones.values())):
            self.add_bridge(zone)
            self.join(zone)
        for number, name in enumerate(self.names):
            self.add_host(number, name)

    def leave_frames_alone(self):
        """A switch has no firewall: where br_netfilter is loaded, every frame would be taken through one."""
        setting = "net.bridge.bridge-nf-call-iptables"
        if os.path.exists("/proc/sys/" + setting.replace(".", "/")):
            run("ip", "netns", "exec", self.switch, "sysctl", "-q", "-w", f"{setting}=0")

    def in_switch(self, *arguments):
        ip("-n", self.switch, *arguments)

    def add_bridge(self, name):
        self.in_switch("link", "add", f"br-{name}", "type", "bridge")
        self.in_switch("link", "set", f"br-{name}", "up")

    def join(self, zone):
        """The slow link of a zone: `up-ZONE` carries what leaves it, `down-ZONE` what enters it."""
        self.in_switch("link", "add", f"up-{zone}", "type", "veth", "peer", "name", f"down-{zone}")
        self.in_switch("link", "set", f"up-{zone}", "master", f"br-{zone}", "up")
        self.in_switch("link", "set", f"down-{zone}", "master", "br-core", "up")
        for device in (f"up-{zone}", f"down-{zone}"):
            self.shape(self.switch, device, self.zone_mbit)

    def add_host(self, number, name):
        namespace = self.namespace(name)
        ip("netns", "add", namespace)
        ip("-n", namespace, "link", "set", "lo", "up")
        if self.delays.get(name):
            self.add_wire(namespace, f"p{number}", self.delays[name])
        else:
            ip("-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", f"p{number}",
               "netns", self.switch)
        ip("-n", namespace, "address", "add", f"{self.address(name)}/24", "dev", "eth0")
        ip("-n", namespace, "link", "set", "eth0", "up")
        self.in_switch("link", "set", f"p{number}", "master", f"br-{self.zones.get(name, 'core')}", "up")
        if self.mbit:
            self.shape(namespace, "eth0", self.mbit)
            self.shape(self.switch, f"p{number}", self.mbit)
        # By the route, because a namespace may not choose what the kernel calls restricted.
        ip("-n", namespace, "route", "replace", "10.77.0.0/24", "dev", "eth0", "src", self.address(name),
           "congctl", "cubic")

    def add_wire(self, namespace, port, milliseconds):
        wire = subprocess.Popen(
            [sys.executable, "-B", DELAY, namespace, "eth0", self.switch, port, str(milliseconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.wires.append(wire)
        if wire.stdout.readline() != "ready\n":
            raise Failure(f"no wire with a delay to {namespace}: it needs /dev/net/tun")
        # A frame of a device without offloads is one packet: only so do as large ones as elsewhere travel whole.
        ip("-n", namespace, "link", "set", "eth0", "mtu", FRAME)
        self.in_switch("link", "set", port, "mtu", FRAME)

    def shape(self, namespace, device, mbit):
        run("tc", "-n", namespace, "qdisc", "add", "dev", device, "root", "tbf",
            "rate", f"{mbit}mbit", "burst", BURST, "latency", QUEUE)
        ip("-n", namespace, "link", "set", "dev", device, "gso_max_size", FRAME)

    def bytes_into(self, zone):
        """Bytes of frames that entered the zone since it was built."""
        path = f"/sys/class/net/down-{zone}/statistics/tx_bytes"
        return int(run("ip", "netns", "exec", self.switch, "cat", path))


def counters(pid):
    """Of the network namespace that a process is in: bytes of frames sent and got, and TCP segments sent again."""
    with open(f"/proc/{pid}/net/dev") as file:
        fields = next(line.split(":")[1].split() for line in file if line.strip().startswith("eth0:"))
    with open(f"/proc/{pid}/net/snmp") as file:
        names, values = [line.split() for line in file if line.startswith("Tcp:")]
    return {"sent": int(fields[8]), "got": int(fields[0]), "again": int(values[names.index("RetransSegs")])}
