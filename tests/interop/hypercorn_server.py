"""Echo server on hypercorn, over HTTP/2 in clear text; the contract is in README.md.

An ASGI application cannot send fragments or Pings, and cannot choose how
hypercorn compresses.
"""

import asyncio
import socket

from hypercorn.asyncio import serve
from hypercorn.config import Config

MAX_MESSAGE = 64 * 1024 * 1024


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    assert scope["http_version"] == "2", scope
    assert (await receive())["type"] == "websocket.connect"
    verb, *arguments = scope["path"].split("/")[1:]
    if verb == "status":
        body = f"refused with {arguments[0]}\n".encode()
        headers = [(b"x-refused", b"yes")]
        await send({"type": "websocket.http.response.start", "status": int(arguments[0]), "headers": headers})
        return await send({"type": "websocket.http.response.body", "body": body})
    await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
    if verb == "close":
        await send({"type": "websocket.close", "code": int(arguments[0]), "reason": arguments[1]})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": event.get("bytes"), "text": event.get("text")})


async def main():
    config = Config()
    config.websocket_max_message_size = MAX_MESSAGE
    listener = socket.create_server(("127.0.0.1", 0))
    config.bind = [f"fd://{listener.fileno()}"]
    print(f"listening on ws://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
    await serve(app, config)


asyncio.run(main())
