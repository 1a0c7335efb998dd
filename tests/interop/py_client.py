"""Scenarios on Python's websockets: py_client.py ws://127.0.0.1:PORT"""

import asyncio
import os
import random
import sys

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Opcode

MODE = os.environ.get("INTEROP_MODE", "plain")  # set by `run`: see README.md
SKIP = os.environ.get("INTEROP_SKIP", "").split()  # offers that the server can't accept
LIMIT = 10  # seconds for one scenario
MIB = 1024 * 1024

MIXED = "aß漢😀"  # characters of 1, 2, 3 and 4 bytes: 10 bytes together
TEXT_10K = "ß" + MIXED * 999 + "12345678"  # byte 1000 is inside a character
TEXT_1MIB = MIXED * (MIB // 10) + "a" * (MIB % 10)


def pattern(size):
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def short(value):
    shown = repr(value)
    return shown if len(shown) < 100 else f"{shown[:60]}... ({len(value)} long)"


def same(what, got, want):
    if got != want:
        raise AssertionError(f"{what}: got {short(got)}, want {short(want)}")


class Connection(ClientConnection):
    """Remembers the Pings, which websockets answers silently, and counts the bytes on the wire."""

    sent = received = 0

    def connection_made(self, transport):
        write = transport.write

        def count_and_write(data):
            self.sent += len(data)
            write(data)

        transport.write = count_and_write
        super().connection_made(transport)

    def data_received(self, data):
        self.received += len(data)
        super().data_received(data)

    def process_event(self, event):
        if getattr(event, "opcode", None) is Opcode.PING:
            self.pings = getattr(self, "pings", []) + [bytes(event.data)]
        super().process_event(event)


# A scenario may return the close code that it expects; otherwise 1000.


def echo(message):
    async def scenario(ws):
        await ws.send(message)
        same("echo", await ws.recv(), message)

    return scenario


def send_fragmented(data, text, size):
    async def scenario(ws):
        # As bytes, so that a character may span two fragments.
        await ws.send([data[at : at + size] for at in range(0, len(data), size)], text=text)
        same("echo", await ws.recv(), data.decode() if text else data)

    return scenario


async def receive_fragmented_binary(ws):
    await ws.send(pattern(10_000))
    parts = [part async for part in ws.recv_streaming(decode=False)]
    same("echo", b"".join(parts), pattern(10_000))
    # The last frame may be empty: some senders end a message this way.
    same("fragment sizes", [len(part) for part in parts if part], [1000] * 10)


async def receive_fragmented_text(ws):
    await ws.send(TEXT_10K)
    parts = [part async for part in ws.recv_streaming(decode=False)]
    same("echo", b"".join(parts).decode(), TEXT_10K)
    # A cut may move by up to 3 bytes to a character boundary.
    sizes = [len(part) for part in parts if part]
    same("odd fragment sizes", [size for size in sizes[:9] if not 994 <= size <= 1006], [])
    same("enough fragments", len(sizes) >= 10, True)


async def ping_between_fragments(ws):
    pongs = []

    async def parts():
        yield "one "
        pongs.append(await ws.ping(b"between"))
        yield "two"

    await ws.send(parts())
    await pongs[0]
    same("echo", await ws.recv(), "one two")


async def ping_from_client(ws):
    for payload in (b"", b"are you there", pattern(125)):
        await (await ws.ping(payload))  # resolves only for the same payload


async def ping_from_server(ws):
    for sent in ("still here", "and here"):  # the second goes after the pong for certain
        await ws.send(sent)
        while (message := await ws.recv()) == "ponged hello":
            pass  # the server reports the pong
        same("echo", message, sent)
    same("pings", getattr(ws, "pings", []), [b"hello"])


async def subprotocol_first(ws):
    same("subprotocol", ws.subprotocol, "chat.v2")


async def subprotocol_none(ws):
    same("subprotocol", ws.subprotocol, None)


def agreed(ws):
    """The server's answer, as a set."""
    header = ws.response.headers.get("Sec-WebSocket-Extensions", "")
    return {part.strip() for part in header.split(";") if part}


async def extensions(ws):
    limits = {
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits=9",
        "client_max_window_bits=9",
    }
    same("name", "permessage-deflate" in agreed(ws), MODE != "plain")
    same("limits", agreed(ws) & limits, limits if MODE == "limits" else set())


async def round_trip(ws, text):
    """Echoes a text. Returns its bytes on the wire, there and back."""
    before = ws.sent, ws.received
    await ws.send(text)
    same("echo", await ws.recv(), text)
    return ws.sent - before[0], ws.received - before[1]


async def compressed(ws):
    for way, count in zip(("sent", "received"), await round_trip(ws, TEXT_1MIB)):
        same(f"{way} {count} bytes: compressed", count < MIB // 10, MODE != "plain")


def remembered(server, client, answer=set()):
    """Checks whether the two ends refer to bytes that are 3000 bytes back, as the server's answer says."""

    async def scenario(ws):
        same("answer", answer - agreed(ws), set())
        text = random.randbytes(1500).hex()  # shrinks to little more than the half
        for way, first, again, expected in zip(
            ("sent", "received"), await round_trip(ws, text), await round_trip(ws, text), (client, server)
        ):
            same(f"{way} {first}, then {again} bytes: remembered", again < 300, expected)

    return scenario


async def close_by_client(ws):
    await ws.close(3001, "leaving")
    return 3001


async def close_by_server(ws):
    try:
        same("message", await ws.recv(), None)
    except ConnectionClosed as end:
        same("close", (end.rcvd.code, end.rcvd.reason), (4000, "goodbye"))
    return 4000


async def close_1000(ws):
    await ws.close()
    try:
        same("message", await ws.recv(), None)
    except ConnectionClosedOK as end:
        same("close", (end.sent.code, end.rcvd.code), (1000, 1000))


async def pipeline(ws):
    # Texts and binaries in turn.
    messages = [f"message {i}" if i % 2 else b"message %d" % i for i in range(100)]
    for message in messages:
        await ws.send(message)
    same("echoes", [await ws.recv() for _ in messages], messages)


SCENARIOS = [
    ("text-ascii", "/", echo("hello")),
    ("text-multibyte", "/", echo("Grüße, 漢字")),
    ("text-emoji", "/", echo("😀👩‍👩‍👧🇺🇳")),
    ("text-empty", "/", echo("")),
    ("text-1MiB", "/", echo(TEXT_1MIB)),
    *[(f"binary-{n}", "/", echo(pattern(n))) for n in (0, 1, 125, 126, 65535, 65536)],
    ("binary-1MiB", "/", echo(pattern(MIB))),
    ("send-fragmented-text", "/", send_fragmented(TEXT_10K.encode(), True, 997)),
    ("send-fragmented-binary", "/", send_fragmented(pattern(10_000), False, 997)),
    ("receive-fragmented-text", "/fragment/1000", receive_fragmented_text),
    ("receive-fragmented-binary", "/fragment/1000", receive_fragmented_binary),
    ("ping-from-client", "/", ping_from_client),
    ("ping-from-server", "/ping/hello", ping_from_server),
    ("ping-between-fragments", "/", ping_between_fragments),
    ("subprotocol-first", "/", subprotocol_first),
    ("subprotocol-none", "/", subprotocol_none),
    ("extensions", "/", extensions),
    ("compressed", "/", compressed),
    ("remembered", "/", remembered(MODE == "deflate", MODE == "deflate")),
    ("close-by-client", "/", close_by_client),
    ("close-by-server", "/close/4000/goodbye", close_by_server),
    ("close-1000", "/", close_1000),
    ("pipeline-100", "/", pipeline),
]


def server_window(bits):
    return {"server_max_window_bits": bits}, bits > 11, True  # 2^11 bytes are too few for the message before


def client_window(bits):
    return {"client_max_window_bits": bits}, True, bits > 11


# Parameters that a client can ask for, and whether the server and the client then remember.
OFFERS = {
    "server-no-takeover": [({"server_no_context_takeover": True}, False, True)],
    "client-no-takeover": [({"client_no_context_takeover": True}, True, False)],
    "server-window": [server_window(bits) for bits in range(9, 15)],  # 15 is what there is anyway
    "server-window-8": [server_window(8)],
    "client-window": [client_window(bits) for bits in range(9, 15)],
}


def open_connection(url, name, offer={}):
    deflate = ClientPerMessageDeflateFactory(**offer)
    return connect(
        url,
        subprotocols=["chat.v2", "chat.v1"] if name == "subprotocol-first" else None,
        compression=None,  # the one in `extensions` alone
        extensions=None if MODE == "plain" else [deflate],
        create_connection=Connection,
        max_size=64 * MIB,
        ping_interval=None,
        proxy=None,
    )


async def run(url, name, scenario, offer={}):
    async with open_connection(url, name, offer) as ws:
        code = await scenario(ws) or 1000
        await ws.close()
        end = ws.protocol.close_exc
        same("closing handshake", (end.sent is not None, end.rcvd is not None), (True, True))
        same("close code", end.rcvd.code, code)


async def run_offers(url, name):
    for offer, server, client in OFFERS[name]:
        [(parameter, value)] = offer.items()
        answer = parameter if value is True else f"{parameter}={value}"
        await run(url, name, remembered(server, client, {answer}), offer)


async def refuse(url):
    try:
        async with open_connection(url, "refuse-403"):
            raise AssertionError("was accepted")
    except InvalidStatus as refusal:
        response = refusal.response
        same("status", response.status_code, 403)
        same("header", response.headers.get("X-Refused"), "yes")
        same("body", response.body, b"refused with 403\n")


async def main(base):
    runs = [(name, run(base + path, name, scenario)) for name, path, scenario in SCENARIOS]
    runs.append(("refuse-403", refuse(base + "/status/403")))
    if MODE == "deflate":
        runs += [(name, run_offers(base, name)) for name in OFFERS if name not in SKIP]
    failed = False
    for name, scenario in runs:
        try:
            async with asyncio.timeout(LIMIT):
                await scenario
            print(f"ok {name}", flush=True)
        except Exception as error:
            failed = True
            why = f"nothing for {LIMIT} s" if isinstance(error, TimeoutError) else error
            print(f"FAILED {name}: {type(error).__name__}: {why}", flush=True)
    sys.exit(failed)


asyncio.run(main(sys.argv[1].rstrip("/")))
