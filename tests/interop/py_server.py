"""Echo server on Python's websockets; the contract is in README.md."""

import asyncio
import os
from urllib.parse import unquote

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

DEFLATE = {
    "plain": None,
    "deflate": [ServerPerMessageDeflateFactory()],
    "limits": [
        ServerPerMessageDeflateFactory(
            server_no_context_takeover=True,
            client_no_context_takeover=True,
            server_max_window_bits=9,
            client_max_window_bits=9,
        )
    ],
}[os.environ.get("INTEROP_MODE", "plain")]  # set by `run`: see README.md
MAX_MESSAGE = 64 * 1024 * 1024


def pieces(message, size):
    """As bytes, even for a text: so a character may span two fragments."""
    data = message.encode() if isinstance(message, str) else message
    # An empty iterator would send nothing at all.
    return [data[at : at + size] for at in range(0, max(1, len(data)), size)]


async def say_ponged(ws, pong, text):
    try:
        await pong
        await ws.send("ponged " + text)
    except ConnectionClosed:
        pass  # the client sees that the message is missing


async def serve_one(ws):
    size = None
    ponged = None  # keeps the task alive
    match [unquote(part) for part in ws.request.path.split("/")[1:]]:
        case ["close", code, reason]:
            return await ws.close(int(code), reason)
        case ["fragment", n]:
            size = int(n)
        case ["ping", text]:
            pong = await ws.ping(text)
            ponged = asyncio.create_task(say_ponged(ws, pong, text))
    while True:
        message = await ws.recv()
        await ws.send(pieces(message, size) if size else message, text=isinstance(message, str))


async def handler(ws):
    try:
        await serve_one(ws)
    except ConnectionClosed:
        pass
    await ws.close()
    end = ws.protocol.close_exc
    if end.rcvd is None or end.sent is None:
        print(f"complaint: {ws.request.path}: no closing handshake: {end} ({end.__cause__!r})", flush=True)


def refuse(ws, request):
    if request.path.startswith("/status/"):
        status = int(request.path.split("/")[2])
        response = ws.respond(status, f"refused with {status}\n")
        response.headers["X-Refused"] = "yes"
        return response


async def main():
    server = await serve(
        handler,
        "127.0.0.1",
        0,
        process_request=refuse,
        select_subprotocol=lambda ws, offered: offered[0] if offered else None,
        compression=None,  # the one in `extensions` alone
        extensions=DEFLATE,
        max_size=MAX_MESSAGE,
        ping_interval=None,  # no pings beyond the contract's
    )
    port = server.sockets[0].getsockname()[1]
    print(f"listening on ws://127.0.0.1:{port}/", flush=True)
    await server.serve_forever()


asyncio.run(main())
