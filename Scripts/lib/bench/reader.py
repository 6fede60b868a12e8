#!/usr/bin/env python3
"""One client of a registry or a mirror. Says `ready`, waits for a line, fetches, and prints one line of JSON.

usage: reader.py HOST PORT PATH [FILE | --range FIRST-LAST]

With FILE the bytes are kept: hashed, written and synced, as whoever pulls without a daemon has to. Without it they
are dropped inside the kernel: the reader then stands for a containerd whose own work is not the matter here.
Times are of the monotonic clock, so that those of several readers can be compared.
"""

import hashlib
import json
import os
import socket
import sys
import time

CHUNK = 1 << 20
ACCEPT = "application/vnd.oci.image.manifest.v1+json, */*"


def request(host, port, path, part=None):
    connection = socket.create_connection((host, port), timeout=600)
    head = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: {ACCEPT}\r\n"
    head += f"Range: bytes={part}\r\n" if part else ""
    connection.sendall((head + "Connection: close\r\n\r\n").encode())
    return connection


def response_head(connection):
    """The status, the length, and what came of the body with the head."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            raise ConnectionError("closed before an answer")
        data += part
    return parsed_head(data)


def parsed_head(data):
    """Of bytes that hold the whole head."""
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split()[1]), int(fields.get("content-length", -1)), body


def drop(connection, left):
    buffer = bytearray(CHUNK)
    while left > 0:
        count = connection.recv_into(buffer, min(left, CHUNK), socket.MSG_TRUNC)
        if count == 0:
            break
        left -= count
    return left


def keep(connection, left, body, path):
    digest = hashlib.sha256(body)
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    with open(path + ".part", "wb", buffering=0) as file:
        file.write(body)
        while left > 0:
            count = connection.recv_into(buffer, min(left, CHUNK))
            if count == 0:
                break
            digest.update(view[:count])
            file.write(view[:count])
            left -= count
        os.fsync(file.fileno())
    os.rename(path + ".part", path)
    return left, digest.hexdigest()


def main():
    host, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    part = sys.argv[5] if sys.argv[4:5] == ["--range"] else None
    file = sys.argv[4] if len(sys.argv) == 5 else None
    print("ready", flush=True)
    sys.stdin.readline()
    result = {"begin": time.monotonic()}
    try:
        connection = request(host, port, path, part)
        status, length, body = response_head(connection)
        result["first"] = time.monotonic()
        left = length - len(body)
        if file:
            left, result["sha256"] = keep(connection, left, body, file)
        else:
            left = drop(connection, left)
        result.update(end=time.monotonic(), status=status, bytes=length, missing=left)
    except OSError as error:
        result.update(end=time.monotonic(), status=0, bytes=0, missing=-1, error=str(error))
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
