"""A stand-in for the Hugging Face Hub on this machine, which the real client uploads to and downloads from."""

import base64
import contextlib
import hashlib
import http.server
import json
import threading


class Hub:
    """Files of repositories, by repository and path, and the address of a server that has them."""

    def __init__(self):
        self.repositories = {}
        self.address = None
        self.commits = 0

    @property
    def commit(self):
        return f"{self.commits:040x}"


class _Handler(http.server.BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *arguments):
        pass

    def reply(self, content, status=200, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def missing(self):
        self.reply({"error": "not found"}, 404, **{"X-Error-Code": "EntryNotFound"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/validate-yaml":
            self.reply({"errors": [], "warnings": []})
        elif self.path == "/api/repos/create":
            request = json.loads(body)
            name = "/".join(filter(None, [request.get("organization"), request["name"]]))
            self.hub.repositories.setdefault(name, {})
            self.reply({"url": f"{self.hub.address}/{name}"})
        elif self.path.endswith("/preupload/main"):
            files = [{"path": file["path"], "uploadMode": "regular"} for file in json.loads(body)["files"]]
            self.reply({"files": [{**file, "shouldIgnore": False} for file in files]})
        elif self.path.endswith("/commit/main"):
            name = self.path.removeprefix("/api/models/").removesuffix("/commit/main")
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    self.hub.repositories[name][value["path"]] = base64.b64decode(value["content"])
            self.hub.commits += 1
            address = f"{self.hub.address}/{name}/commit/{self.hub.commit}"
            self.reply({"commitUrl": address, "commitOid": self.hub.commit, "success": True})
        else:
            self.missing()

    def do_GET(self):
        path, commit = self.path.partition("?")[0], self.hub.commit
        for name, files in self.hub.repositories.items():
            oids = {file: hashlib.sha1(content).hexdigest() for file, content in files.items()}
            if path in (f"/api/models/{name}", f"/api/models/{name}/revision/main"):
                return self.reply(
                    {"id": name, "sha": commit, "siblings": [{"rfilename": file} for file in files]}
                )
            if path == f"/api/models/{name}/tree/{commit}":
                entries = [
                    {"type": "file", "path": file, "oid": oids[file], "size": len(files[file])}
                    for file in files
                ]
                return self.reply(entries)
            file = path.removeprefix(f"/{name}/resolve/").partition("/")[2]
            if file in files and path.startswith(f"/{name}/resolve/"):
                return self.reply(files[file], ETag=f'"{oids[file]}"', **{"X-Repo-Commit": commit})
        return self.missing()

    do_HEAD = do_GET


@contextlib.contextmanager
def serve():
    """Yield a `Hub`."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield hub
        server.shutdown()
        thread.join()
