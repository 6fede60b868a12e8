#!/usr/bin/env python3
"""The least that brings a file from one process to another's disk: sendfile into a socket, read and write out of it.

usage: bare.py send FILE PORT
       bare.py fetch PORT FILE

Both say `ready` first; a line from outside starts the fetch, which prints one line of JSON when the file is synced.
"""

import json
import os
import socket
import sys
import time

CHUNK = 1 << 20


def send(path, port):
    listener = socket.create_server(("127.0.0.1", port))
    print("ready", flush=True)
    connection, _ = listener.accept()
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        offset = 0
        while offset < size:
            offset += os.sendfile(connection.fileno(), file.fileno(), offset, size - offset)
    connection.close()
    sys.stdin.readline()


def fetch(port, path):
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.monotonic()
    connection = socket.create_connection(("127.0.0.1", port))
    view = memoryview(bytearray(CHUNK))
    with open(path, "wb", buffering=0) as file:
        while count := connection.recv_into(view):
            file.write(view[:count])
        os.fsync(file.fileno())
    print(json.dumps({"begin": begin, "end": time.monotonic(), "status": 200, "missing": 0}), flush=True)
    sys.stdin.readline()


if sys.argv[1] == "send":
    send(sys.argv[2], int(sys.argv[3]))
else:
    fetch(int(sys.argv[2]), sys.argv[3])
