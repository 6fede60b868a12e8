"""What the measuring programs beside this file share: child processes, their cost, progress, and medians."""

import argparse
import ctypes
import hashlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
TICKS = os.sysconf("SC_CLK_TCK")
STARTED = time.monotonic()
LIBC = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """Ends the run with one sentence on standard error."""


def parsed(parser):
    """The arguments of a driver, with those that all of them take."""
    parser.add_argument("--json", action="store_true", help="print every sample as JSON instead of the table")
    parser.add_argument("--binary", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--torrent-python", help=argparse.SUPPRESS)
    return parser.parse_args()


def say(text):
    """A line of progress, on standard error so that --json stays readable."""
    print(f"[{time.monotonic() - STARTED:4.0f} s] {text}", file=sys.stderr, flush=True)


def run(*command, **options):
    """Runs a command to its end; what it printed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)} ended with {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def main(body):
    """Runs a program's body: one sentence for each failure, and clean-up also on Ctrl-C and SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        body()
    except Failure as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)


def before_program():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # Where the kernel groups processes by session (sched_autogroup_enabled), each group begins with a nice of its own.
    try:
        with open("/proc/self/autogroup", "w") as file:
            file.write(str(os.nice(0)))
    except OSError:
        pass



class Child:
    """A process that ends at the latest with this program, its output in a file unless it is read here."""

    def __init__(self, command, log, namespace=None, talks=False):
        self.command, self.log = command, log
        if namespace:
            command = ["ip", "netns", "exec", namespace] + command
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else errors, stderr=errors, text=True,
                preexec_fn=before_program, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self):
        """The next line it prints; fails when it ended instead."""
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"{self.command[0]} ended early: {self.tail()}")
        return line.strip()

    def tail(self):
        with open(self.log, errors="replace") as file:
            return file.read()[-2000:].strip()

    def wait_until(self, what, ready, seconds=30):
        end = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None:
                raise Failure(f"{what}: the process ended: {self.tail()}")
            if time.monotonic() > end:
                raise Failure(f"{what}: not ready in {seconds} s: {self.tail()}")
            time.sleep(0.05)

    def kill(self):
        self.process.kill()

    def stop(self, seconds=10):
        """SIGTERM, some seconds, SIGKILL."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                try:
                    pipe.close()
                except OSError:
                    pass


class Children:
    """Stops all of its members at the end, newest first."""

    def __init__(self):
        self.all = []

    def start(self, *arguments, **options):
        child = Child(*arguments, **options)
        self.all.append(child)
        return child

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.all:
            if child.process.poll() is None:
                child.process.terminate()
        for child in reversed(self.all):
            child.stop()


def cpu_seconds(pid):
    """User and system time of a process so far; 0 of one that is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(place, key):
    """A line of /proc/PID/status, such as VmHWM, or of /proc/meminfo, in MiB; 0 of a process that is gone."""
    try:
        with open(f"/proc/{place}") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def machine_seconds():
    """CPU seconds that the machine has been busy so far, all processors together."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal = (int(field) for field in file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def await_quiet(busy_max=0.2, seconds=5):
    """Waits until the machine does nothing else, but not for ever: the sample says how quiet it was."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = machine_seconds()
        time.sleep(0.5)
        if machine_seconds() - before < busy_max * 0.5:
            return


class Watch:
    """What processes cost from `begin` to `end`: CPU seconds of each, and the memory they peaked at.

    `others` is how many processors all else on the machine kept busy: a sample beside another's work is not worth much.
    """

    def __init__(self, pids):
        self.pids = list(pids)

    def begin(self):
        self.began, self.machine = time.monotonic(), machine_seconds()
        self.before = {pid: cpu_seconds(pid) for pid in self.pids}
        self.latest = dict(self.before)
        self.peak = {pid: 0.0 for pid in self.pids}
        self.anonymous = {pid: 0.0 for pid in self.pids}
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()

    def sample(self):
        while True:
            for pid in self.pids:
                self.peak[pid] = max(self.peak[pid], memory_mib(f"{pid}/status", "VmHWM"))
                self.anonymous[pid] = max(self.anonymous[pid], memory_mib(f"{pid}/status", "RssAnon"))
                self.latest[pid] = max(self.latest[pid], cpu_seconds(pid))
            if self.is_over.wait(0.25):
                return

    def end(self):
        self.is_over.set()
        self.thread.join()
        self.sample()
        busy, taken = machine_seconds() - self.machine, time.monotonic() - self.began
        self.cpu = {pid: self.latest[pid] - self.before[pid] for pid in self.pids}
        self.others = max(0.0, busy - sum(self.cpu.values())) / taken


def sha256(path):
    """The digest of a file, by OpenSSL: Debian's sha256sum does without the processor's own instructions."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(1 << 20))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return "sha256:" + digest.hexdigest()


def free_port():
    """A port of loopback that nobody has; the kernel gives none of them twice in a row."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def listens(port, pid):
    """Whether a TCP port is listened on in the network namespace of a process."""
    for table in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{pid}/net/{table}") as file:
                lines = [line.split() for line in file.readlines()[1:]]
        except OSError:
            return False
        if any(line[1].endswith(f":{port:04X}") and line[3] == "0A" for line in lines):
            return True
    return False


def median(values):
    return statistics.median(values) if values else float("nan")


def spread(values, form="{:.2f}"):
    """`median [least..most]`, or the one value."""
    values = [value for value in values if value is not None]
    if not values:
        return "-"
    text = form.format(median(values))
    if len(values) == 1:
        return text
    return f"{text} [{form.format(min(values))}..{form.format(max(values))}]"


def print_table(head, rows):
    widths = [max(len(str(row[column])) for row in [head] + rows) for column in range(len(head))]
    for row in [head] + rows:
        cells = [str(cell).ljust(width) if column == 0 else str(cell).rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())
