#!/usr/bin/env python3
"""Many clients of a registry or a mirror in one process. Says `ready`, waits for a line, asks for everything at once, and
prints a list of what reader.py prints of one client, in their order.

usage: readers.py HOST PORT PATH[,FIRST-LAST] …

One process, because sixteen interpreters that wake up at the same moment keep two processors busy for longer than what
is to be measured takes. The bytes are dropped inside the kernel.
"""

import json
import selectors
import socket
import sys
import time

from reader import ACCEPT, CHUNK, parsed_head

TIMEOUT = 600


class Client:
    def __init__(self, host, port, what):
        path, _, part = what.partition(",")
        head = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: {ACCEPT}\r\n"
        head += f"Range: bytes={part}\r\n" if part else ""
        self.request = (head + "Connection: close\r\n\r\n").encode()
        self.result = {"status": 0, "bytes": 0, "missing": -1}
        self.data = b""

    def begin(self, host, port):
        self.result["begin"] = time.monotonic()
        self.socket = socket.create_connection((host, port), timeout=TIMEOUT)
        self.socket.sendall(self.request)
        self.socket.setblocking(False)

    def read(self, buffer):
        """Takes what is there; whether that was the last."""
        if "first" not in self.result:
            part = self.socket.recv(65536)
            self.data += part
            if b"\r\n\r\n" not in self.data:
                return not part and self.end()
            self.result["first"] = time.monotonic()
            status, length, body = parsed_head(self.data)
            self.result.update(status=status, bytes=length, missing=length - len(body))
        elif self.result["missing"] > 0:
            count = self.socket.recv_into(buffer, min(self.result["missing"], CHUNK), socket.MSG_TRUNC)
            if count == 0:
                return self.end()
            self.result["missing"] -= count
        return self.end() if self.result["missing"] <= 0 else False

    def end(self):
        self.result["end"] = time.monotonic()
        self.socket.close()
        return True


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    clients = [Client(host, port, what) for what in sys.argv[3:]]
    buffer = bytearray(CHUNK)
    print("ready", flush=True)
    sys.stdin.readline()
    with selectors.DefaultSelector() as selector:
        for client in clients:
            client.begin(host, port)
            selector.register(client.socket, selectors.EVENT_READ, client)
        left = len(clients)
        while left > 0:
            for key, _ in selector.select(TIMEOUT):
                descriptor = key.fd
                if key.data.read(buffer):
                    selector.unregister(descriptor)
                    left -= 1
    print(json.dumps([client.result for client in clients]), flush=True)


main()
