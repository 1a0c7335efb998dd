"""Runs the firmware in QEMU, its UARTs connected to Python's `websockets`, and checks the events of each end."""

import base64
import contextlib
import hashlib
import logging
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import serve

WORK = Path(sys.argv[1])
LIMIT = 20  # seconds, for everything that is awaited

HELLO = "hello from a Cortex-M"
FRAGMENTS = ["in three ", "fragments, ", "cut anywhere: κόσμε 🦀"]
TOGETHER = "".join(FRAGMENTS)


class Failure(Exception):
    pass


def check(what, found, expected):
    if found != expected:
        raise Failure(f"{what}: {found!r} instead of {expected!r}")


class Frames(logging.Handler):
    """The log of `websockets` about the frames that it receives ("<") and sends (">")."""

    def __init__(self):
        super().__init__()
        self.logger = logging.Logger("frames", logging.DEBUG)
        self.logger.addHandler(self)
        self.lines = []

    def emit(self, record):
        line = record.getMessage()
        if re.match(r"[<>] (TEXT|BINARY|CONT|PING|PONG|CLOSE) ", line):
            self.lines.append(line.replace(" [text, ", " ["))  # a guess of its own

    def received(self):
        return [line[2:] for line in self.lines if line.startswith("<")]


class Peer:
    """A listener that QEMU connects a UART to, and the peer behind it in a thread of its own."""

    def __init__(self, talk):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(LIMIT)
        self.port = self.listener.getsockname()[1]
        self.error = None
        self.thread = threading.Thread(target=self.run, args=(talk,), daemon=True)
        self.thread.start()

    def run(self, talk):
        try:
            talk(self.listener)
        except Exception as error:
            self.error = error if isinstance(error, Failure) else Failure(traceback.format_exc())

    def done(self):
        self.thread.join(LIMIT)
        self.listener.close()
        if self.error:
            raise self.error
        if self.thread.is_alive():
            raise Failure("the peer is not done")


def firmware(image, first=None, second=None):
    """Runs an image until it ends: its exit status and what it said."""
    command = ["qemu-system-arm", "-M", "lm3s6965evb", "-display", "none", "-monitor", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(WORK / image)]
    for name, peer in (("first", first), ("second", second)):
        if peer:
            command += ["-chardev", f"socket,id={name},host=127.0.0.1,port={peer.port},nodelay=on"]
        command += ["-serial", f"chardev:{name}" if peer else "null"]
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                timeout=LIMIT)
        status, output = result.returncode, result.stdout
    except subprocess.TimeoutExpired as expired:
        status, output = "none in time", expired.stdout or b""
    said = re.sub(r" +", " ", output.decode(errors="replace")).splitlines()
    return status, [line for line in said if line != "Timer with period zero, disabling"]  # QEMU, of a machine that starts


def expect(image, status, line, first=None, second=None):
    found, said = firmware(image, first, second)
    for peer in (first, second):
        if peer:
            try:
                peer.done()
            except Failure as failure:
                raise Failure(f"{failure}\nfirmware: status {found}, {said}") from None
    check(f"exit status (it said {said})", found, status)
    for wanted in [line] if isinstance(line, str) else line:
        if wanted not in said:
            raise Failure(f"the firmware did not say {wanted!r} but {said}")
    return said


# The firmware as a client, with a real server.


def good_server(listener):
    """Echoes; the second echo comes in fragments, with a Ping between."""
    frames, outcome, finished = Frames(), {}, threading.Event()

    def talk(ws):
        outcome["request"] = (ws.request.path, ws.request.headers["Host"], ws.subprotocol)
        ws.send(ws.recv(LIMIT))
        text = ws.recv(LIMIT)

        def parts():
            yield text[:5]
            outcome["pong"] = ws.ping(b"alive?")
            yield text[5:-1]
            yield text[-1]

        ws.send(parts())
        with contextlib.suppress(ConnectionClosed):
            outcome["more"] = ws.recv(LIMIT)
        outcome["close"] = ws.protocol.close_rcvd, ws.protocol.close_sent
        finished.set()

    with serve(talk, sock=listener, subprotocols=["echo"], logger=frames.logger, open_timeout=LIMIT) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        finished.wait(LIMIT)
    if "close" not in outcome:
        raise Failure(f"the conversation did not come to its end: {outcome}, {frames.lines}")
    check("request", outcome["request"], ("/echo", "server.test", "echo"))
    check("more messages", outcome.get("more"), None)
    check("Pong", outcome["pong"].is_set(), True)
    received, sent = outcome["close"]
    check("Close received", (received.code, received.reason), (1000, "that was all"))
    check("Close sent", sent.code, 1000)
    expected = [
        f"TEXT '{HELLO}' [21 bytes]",
        f"TEXT '{FRAGMENTS[0]}' [9 bytes, continued]",
        f"CONT '{FRAGMENTS[1]}' [11 bytes, continued]",
        f"CONT '{FRAGMENTS[2]}' [{len(FRAGMENTS[2].encode())} bytes]",
        "PONG 'alive?' [6 bytes]",
        "PING 'still there?' [12 bytes]",
        "CLOSE 1000 (OK) that was all [14 bytes]",
    ]
    check("frames from the firmware", frames.received(), expected)


# The firmware as a server, with a real client.


def accepted(listener):
    conn, _ = listener.accept()
    conn.settimeout(LIMIT)
    return conn


def good_client(listener):
    frames = Frames()
    with connect("ws://firmware.test/echo?a=b", sock=accepted(listener), subprotocols=["other", "echo"],
                 logger=frames.logger, open_timeout=LIMIT, close_timeout=LIMIT) as ws:
        talk_to_echo(ws)
    received = ws.protocol.close_rcvd
    check("Close received", (received.code, received.reason), (1000, "bye"))
    check("kinds of frames from the firmware", {line.split()[0] for line in frames.received()},
          {"TEXT", "BINARY", "PONG", "CLOSE"})


def talk_to_echo(ws):
    check("subprotocol", ws.subprotocol, "echo")
    check("extensions", ws.protocol.extensions, [])
    messages = [HELLO, "", "x" * 125, "x" * 126, "κόσμε 🦀 " * 20, b"", bytes(range(256)), "y" * 381]
    for message in messages:
        ws.send(message)
        check("echo", ws.recv(LIMIT), message)
    ws.send(FRAGMENTS)
    check("echo of fragments", ws.recv(LIMIT), TOGETHER)

    def parts():
        yield b"a ping "
        pongs.append(ws.ping(b"between"))
        yield b"comes between"

    pongs = []
    ws.send(parts())
    check("echo of fragments", ws.recv(LIMIT), b"a ping comes between")
    check("Pong", pongs[0].wait(LIMIT), True)
    # Several at once: they must arrive in order.
    for number in range(20):
        ws.send(str(number))
    check("echoes", [ws.recv(LIMIT) for _ in range(20)], [str(number) for number in range(20)])
    ws.close(1000, "bye")


# Peers that break the protocol. The firmware's answers are decoded here, by hand.


def read_head(conn):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = conn.recv(1)
        if not byte:
            raise Failure(f"the end inside a head: {head}")
        head += byte
    return head


def read_close(conn, masked):
    """The code of the Close that must come next."""

    def read(count):
        data = b""
        while len(data) < count:
            more = conn.recv(count - len(data))
            if not more:
                raise Failure("the end where a Close should be")
            data += more
        return data

    first, second = read(2)
    check("opcode", first, 0x88)
    check("mask bit", second >> 7, int(masked))
    key = read(4) if masked else bytes(4)
    payload = bytes(byte ^ key[place % 4] for place, byte in enumerate(read(second & 0x7F)))
    return struct.unpack(">H", payload[:2])[0]


def accept_key(head):
    key = re.search(rb"Sec-WebSocket-Key: (\S+)\r\n", head)[1]
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


def bad_response(response):
    """A server that answers so."""

    def talk(listener):
        conn = accepted(listener)
        head = read_head(conn)
        conn.sendall(response.replace(b"ACCEPT", accept_key(head)).replace(b"\n", b"\r\n"))
        with contextlib.suppress(ConnectionResetError):  # QEMU ended, and did not read all
            check("what comes behind a bad response", conn.recv(1), b"")

    return talk


GOOD_RESPONSE = b"""HTTP/1.1 101 Switching Protocols
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Accept: ACCEPT
Sec-WebSocket-Protocol: echo

"""


def bad_server(frames, code):
    """A server that sends these bytes after it received the first frame. It should get a Close with this code."""

    def talk(listener):
        conn = accepted(listener)
        head = read_head(conn)
        conn.sendall(GOOD_RESPONSE.replace(b"ACCEPT", accept_key(head)).replace(b"\n", b"\r\n"))
        while len(hello := conn.recv(27, socket.MSG_PEEK)) < 27:
            time.sleep(0.01)
        conn.recv(len(hello))
        conn.sendall(frames)
        check("close code", read_close(conn, masked=True), code)

    return talk


def silent_server(listener):
    """A server that opens the connection and is never heard again. It should get a Ping."""
    conn = accepted(listener)
    head = read_head(conn)
    conn.sendall(GOOD_RESPONSE.replace(b"ACCEPT", accept_key(head)).replace(b"\n", b"\r\n"))
    received = b""
    while len(received) < 27 + 10:
        more = conn.recv(100)
        if not more:
            raise Failure(f"the end where a Ping should be: {received}")
        received += more
    check("first bytes of the Ping", received[27:29], b"\x89\x84")


GOOD_REQUEST = b"""GET /echo HTTP/1.1
Host: firmware.test
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==

"""


def bad_client(frames, code):
    def talk(listener):
        conn = accepted(listener)
        # All at once: bytes behind the head must not be lost.
        conn.sendall(GOOD_REQUEST.replace(b"\n", b"\r\n") + frames)
        check("response", read_head(conn)[:13], b"HTTP/1.1 101 ")
        check("close code", read_close(conn, masked=False), code)

    return talk


def bad_request(request, status):
    def talk(listener):
        conn = accepted(listener)
        conn.sendall(request.replace(b"\n", b"\r\n"))
        check("status", read_head(conn)[9:12], status)

    return talk


def masked(opcode, payload):
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xFE" + struct.pack(">H", len(payload))
    return bytes([0x80 | opcode]) + length + bytes(4) + payload


NO_WEBSOCKET = "client: the response opens no WebSocket"
BROKE = {"client": "client: the server broke the protocol", "server": "server: the client broke the protocol"}
REFUSED = "server: the request was refused"

CASES = {
    "client, a real server": ("client", 0, ["client: ok", "client pings: 1"], good_server, None),
    "server, a real client": ("server", 0, "server: ok", None, good_client),
    "both, one after the other": ("both", 0, ["client: ok", "server: ok"], good_server, good_client),
    "client, status 403": (
        "client", 1, NO_WEBSOCKET,
        bad_response(b"HTTP/1.1 403 Forbidden\nContent-Length: 0\n\n"), None),
    "client, status 200 in place of 101": (
        "client", 1, NO_WEBSOCKET, bad_response(GOOD_RESPONSE.replace(b"101", b"200")), None),
    "client, a wrong Sec-WebSocket-Accept": (
        "client", 1, NO_WEBSOCKET,
        bad_response(GOOD_RESPONSE.replace(b"ACCEPT", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")), None),
    "client, no subprotocol": (
        "client", 1, "client: the server does not speak our subprotocol",
        bad_response(GOOD_RESPONSE.replace(b"Sec-WebSocket-Protocol: echo\n", b"")), None),
    "client, an extension nobody asked for": (
        "client", 1, NO_WEBSOCKET,
        bad_response(GOOD_RESPONSE[:-1] + b"Sec-WebSocket-Extensions: permessage-deflate\n\n"), None),
    "client, a head larger than its store": (
        "client", 1, "client: the response is not HTTP, or too long",
        bad_response(GOOD_RESPONSE[:-1] + b"Set-Cookie: " + b"c" * 500 + b"\n\n"), None),
    "client, a masked frame": ("client", 1, BROKE["client"], bad_server(masked(1, b"hi"), 1002), None),
    "client, a reserved bit": ("client", 1, BROKE["client"], bad_server(b"\xC1\x02hi", 1002), None),
    "client, text that is not UTF-8": ("client", 1, BROKE["client"], bad_server(b"\x81\x02\xC3\x28", 1007), None),
    "client, a message larger than its store": (
        "client", 1, BROKE["client"], bad_server(b"\x81\x7E\x04\x00" + b"x" * 1024, 1009), None),
    "client, a length beyond 32 bits": (
        "client", 1, BROKE["client"], bad_server(b"\x82\x7F" + struct.pack(">Q", 1 << 32), 1009), None),
    "client with a watch, a real server": ("watch", 0, ["client: ok", "client pings: 1"], good_server, None),
    "client with a watch, a dead server": ("watch", 1, "client: the server is dead", silent_server, None),
    "server, an unmasked frame": ("server", 1, BROKE["server"], None, bad_client(b"\x81\x02hi", 1002)),
    "server, text that is not UTF-8": ("server", 1, BROKE["server"], None, bad_client(masked(1, b"\xED\xA0\x80"), 1007)),
    "server, a message larger than allowed": (
        "server", 1, BROKE["server"], None, bad_client(masked(2, b"x" * 382), 1009)),
    "server, a page is asked for": (
        "server", 1, REFUSED, None, bad_request(b"GET / HTTP/1.1\nHost: firmware.test\n\n", b"426")),
    "server, another version of the protocol": (
        "server", 1, REFUSED, None, bad_request(GOOD_REQUEST.replace(b"13", b"8"), b"426")),
    "server, a key that is none": (
        "server", 1, REFUSED, None, bad_request(GOOD_REQUEST.replace(b"ZQ==", b""), b"400")),
    "server, a head larger than its store": (
        "server", 1, REFUSED, None,
        bad_request(GOOD_REQUEST[:-1] + b"Cookie: " + b"c" * 1000 + b"\n\n", b"431")),
}


def main():
    failed, deepest = 0, {}
    for name, (image, status, line, first, second) in CASES.items():
        started = time.monotonic()
        try:
            said = expect(image, status, line, first and Peer(first), second and Peer(second))
            stack = int(said[-1].removeprefix("stack: "))
            deepest[image] = max(stack, deepest.get(image, 0))
            print(f"ok      {name} ({time.monotonic() - started:.1f} s): {'; '.join(said)}", flush=True)
        except Failure as failure:
            failed += 1
            print(f"FAILED  {name}: {failure}", flush=True)
    print("\ndeepest stack: " + ", ".join(f"{image} {stack}" for image, stack in deepest.items()))
    print(f"FAILED: {failed} of {len(CASES)}" if failed else f"all {len(CASES)} passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
