#!/usr/bin/env bash
# Versions: litserve 0.2.19, uvicorn 0.54.0, fastapi 0.165.0, starlette 1.10.0.
#
# Behaviour: the docstring of LitServer.run lists "SIGTERM: Graceful shutdown in Docker/Kubernetes".
# SIGTERM to the process that was started ends that process alone: the processes that it has started,
# of the HTTP server and of the model, stay, without a parent, and requests are still answered.
#
# Seen: after SIGTERM the process is gone, ended by the signal, and ten seconds later the port answers as
# before, from four processes. SIGINT ends all of them.
#
# Why it matters: a supervisor that signals the main process, as systemd does with KillMode=process, or
# a script with `kill $!`, takes the server for ended. Its port and memory stay in use, and the next
# server on that port cannot start, or two versions of a model share it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile litserve==0.2.19 uvicorn==0.54.0 fastapi==0.165.0 starlette==1.10.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

cat >server.py <<'PY'
import sys

import litserve


class Square(litserve.LitAPI):
    def setup(self, device):
        pass

    def predict(self, request):
        return request["input"] ** 2


if __name__ == "__main__":
    server = litserve.LitServer(Square(), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
PY

venv/bin/python -W ignore - <<'PY'
import json, os, signal, socket, subprocess, sys, time, urllib.request
from importlib.metadata import version

print(*(f"{name} {version(name)}" for name in ("litserve", "uvicorn", "fastapi", "starlette")), sep=", ")

def ask(port):
    body = json.dumps({"input": 3}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)
    except OSError:
        return None

def group(pid):
    rows = [line.split() for line in subprocess.check_output(["ps", "-eo", "pid=,pgid="], text=True).splitlines()]
    return [int(each) for each, leader in rows if int(leader) == pid]

def end(number):
    """Start a server in a process group of its own, signal its first process, look ten seconds later."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with open("log", "w") as log:
        server = subprocess.Popen([sys.executable, "server.py", str(port)], stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(120):
            if ask(port) == 9:
                break
            time.sleep(0.5)
        else:
            sys.exit("changed: the server did not start")
        server.send_signal(number)
        status = server.wait(60)
        time.sleep(10)
        return status, ask(port), len(group(server.pid))
    finally:
        for pid in group(server.pid):
            os.kill(pid, signal.SIGKILL)

terminated, interrupted = end(signal.SIGTERM), end(signal.SIGINT)
print("after SIGTERM: status, answer, processes left:", terminated)
print("after SIGINT:  status, answer, processes left:", interrupted)
if interrupted[1:] != (None, 0):
    sys.exit("changed: SIGINT no longer ends all processes")
if terminated[1] != 9 or not terminated[2]:
    sys.exit("changed: SIGTERM ends the server")
print("as stated")
PY
