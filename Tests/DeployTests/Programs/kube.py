"""What the chart's steps ask of a cluster's API: objects are files of a folder.

usage: kube.py FOLDER

Prints its port, then a line for each request. GET answers with FOLDER/PATH.json, POST makes it from the object's name,
DELETE removes it; everybody needs the token of FOLDER/token.
"""

import json
import pathlib
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

FOLDER = pathlib.Path(sys.argv[1])


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        print(self.command, unquote(self.path), flush=True)
        token = (FOLDER / "token").read_text()
        if self.headers["Authorization"] != f"Bearer {token}":
            return self.answer(401, b"{}")
        path = FOLDER / urlsplit(self.path).path.strip("/")
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "POST":
            path = path / json.loads(content)["metadata"]["name"]
            if path.with_name(path.name + ".json").exists():
                return self.answer(409, b"{}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(path.name + ".json").write_bytes(content)
            return self.answer(201, content)
        file = path.with_name(path.name + ".json")
        if not file.exists():
            return self.answer(404, b"{}")
        content = file.read_bytes()
        if self.command == "DELETE":
            file.unlink()
        return self.answer(200, content)

    do_GET = do_POST = do_DELETE = handle_any

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
