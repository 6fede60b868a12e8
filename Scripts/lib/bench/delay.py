#!/usr/bin/env python3
"""A wire with a delay between two network namespaces, for kernels that have no netem: two TAP devices, and what comes
out of one goes into the other so much later. Says `ready` when both devices are there; ends with its standard input.

usage: delay.py NAMESPACE DEVICE NAMESPACE DEVICE MILLISECONDS
"""

import collections
import ctypes
import fcntl
import os
import select
import struct
import sys
import time

# linux/if_tun.h
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
CLONE_NEWNET = 0x40000000
FRAME_MAX = 65536


def tap(namespace, device):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", device.encode(), IFF_TAP | IFF_NO_PI))
    return end


def take(end, frames, due):
    """Moves what came out of a device behind the frames that wait."""
    while True:
        try:
            frames.append((due, os.read(end, FRAME_MAX)))
        except BlockingIOError:
            return


def give(end, frames, now):
    while frames and frames[0][0] <= now:
        try:
            os.write(end, frames.popleft()[1])
        except OSError:
            pass  # A device that is down, or full, loses the frame, as a wire would.


def main():
    ends = [tap(*sys.argv[1:3]), tap(*sys.argv[3:5])]
    delay = float(sys.argv[5]) / 1000
    waiting = [collections.deque(), collections.deque()]
    print("ready", flush=True)
    while True:
        dues = [frames[0][0] for frames in waiting if frames]
        rest = max(0, min(dues) - time.monotonic()) if dues else None
        readable = select.select(ends + [sys.stdin], [], [], rest)[0]
        if sys.stdin in readable:
            return
        now = time.monotonic()
        for number, end in enumerate(ends):
            if end in readable:
                take(end, waiting[1 - number], now + delay)
        for end, frames in zip(ends, waiting):
            give(end, frames, time.monotonic())


main()
