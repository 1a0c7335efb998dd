"""A server of WebSockets over HTTP/1.1, behind an HTTP/2 gateway of others.

    gateway.py haproxy|apache|nghttpx COMMAND...

COMMAND starts the server, and says where it listens as README.md demands. The
gateway takes HTTP/2 in clear text, runs in the foreground, and writes only into
the current directory. `run` makes an empty one, and ends all processes.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

LIMIT = 15  # seconds to start

CONFIGS = {
    "haproxy": """
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
listen gateway
    bind 127.0.0.1:{port} proto h2
    server echo {server}
""",
    "apache": """
ServerRoot {folder}
ServerName localhost
DefaultRuntimeDir {folder}
PidFile httpd.pid
Mutex file:{folder}
ErrorLog /dev/stderr
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule http2_module {modules}/mod_http2.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
Protocols h2c http/1.1
H2WebSockets on
ProxyPass / http://{server}/ upgrade=websocket
""",
    "nghttpx": """
frontend=127.0.0.1,{port};no-tls
backend={host},{server_port};;proto=http/1.1
single-process=yes
errorlog-file=/dev/stderr
accesslog-file=/dev/null
""",
}
COMMANDS = {
    "haproxy": ["haproxy", "-db", "-f", "gateway.conf"],
    "apache": ["apache2", "-X", "-d", ".", "-f", "gateway.conf"],
    "nghttpx": ["nghttpx", "--conf=gateway.conf"],
}
# apache wants somebody else to be, if root starts it.
NOBODY = "User #65534\nGroup #65534\n"


def main():
    name, *command = sys.argv[1:]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    server_address = server.stdout.readline().strip().rpartition("//")[2].rstrip("/")
    host, _, server_port = server_address.partition(":")

    # Bound without listening, the port is nobody else's until the gateway listens.
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    port = reserved.getsockname()[1]

    config = CONFIGS[name].format(
        port=port,
        server=server_address,
        host=host,
        server_port=server_port,
        folder=Path.cwd(),
        modules="/usr/lib/apache2/modules",
    )
    if name == "apache" and os.getuid() == 0:
        config += NOBODY
    Path("gateway.conf").write_text(config)
    program, *options = COMMANDS[name]
    # Not in everybody's PATH.
    program = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin") or sys.exit(f"{program} is missing")
    gateway = subprocess.Popen([program, *options])

    end = time.monotonic() + LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            if gateway.poll() is not None or time.monotonic() > end:
                sys.exit(f"{name} does not listen")
            time.sleep(0.05)
    print(f"listening on ws://127.0.0.1:{port}/", flush=True)
    sys.exit(f"{name} ended with {gateway.wait()}")


main()
