"""Python's `websockets` in both roles, for python_websockets.test.ts: says what it sees, one line of JSON at a time.

websockets_peer.py serve            a server: the path says what it does
websockets_peer.py ROLE URL ...     a client
"""

import asyncio
import json
import logging
import sys
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import websockets

SIZES = [0, 125, 126, 65535, 65536, 1 << 20]
MAX_SIZE = 1 << 21


def say(**what):
    print(json.dumps(what), flush=True)


# ---- the server ----


async def handle(ws):
    url = urlsplit(ws.path)
    query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    if url.path == "/close":
        await ws.close(int(query["code"]), query["reason"])
    elif url.path == "/ping":
        await (await ws.ping(b"from python"))
        await ws.send("the pong came")
    elif url.path == "/fragments":
        await ws.send(["one ", "two ", "", "thr\u00e9e"])
        await ws.send([b"\x01", b"", b"\x02\x03"])
    elif url.path == "/drop":
        ws.transport.abort()
    try:
        async for message in ws:
            await ws.send(message)
    except websockets.ConnectionClosedError:
        pass
    await ws.wait_closed()
    say(path=url.path, code=ws.close_code, reason=ws.close_reason, subprotocol=ws.subprotocol)


async def refuse(path, headers):
    if path == "/refuse":
        return HTTPStatus.FORBIDDEN, [("X-Why", "because")], b"not you\n"


async def serve():
    options = dict(subprotocols=["b", "a"], process_request=refuse, max_size=MAX_SIZE)
    async with websockets.serve(handle, "127.0.0.1", 0, **options) as server:
        say(port=server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


# ---- the client ----


async def echo(url, compression):
    compression = None if compression == "none" else compression
    async with websockets.connect(url, compression=compression, max_size=MAX_SIZE) as ws:
        for size in SIZES:
            pattern = bytes((i * 7 + (i >> 8)) & 255 for i in range(size))
            for message in ("x" * size, "\u20ac" * (size // 3), pattern):
                await ws.send(message)
                assert await ws.recv() == message, f"{type(message)} of {size}"
        for i in range(500):
            await ws.send(f"message {i}")
        for i in range(500):
            assert await ws.recv() == f"message {i}"
    say(code=ws.close_code, reason=ws.close_reason)


async def fragments(url):
    async with websockets.connect(url) as ws:
        await ws.send(["one ", "two ", "", "three \u00e9"])
        say(text=await ws.recv())
        await ws.send([b"\x01", b"", b"\x02\x03"])
        say(binary=(await ws.recv()).hex())


async def pings(url):
    async with websockets.connect(url) as ws:
        for data in (b"", b"from python", b"x" * 125):
            await (await ws.ping(data))
        await ws.pong(b"nobody asked")
        await ws.send("still there")
        say(text=await ws.recv())


async def close(url, code, reason):
    async with websockets.connect(url) as ws:
        await ws.close(int(code), reason)
    say(code=ws.close_code, reason=ws.close_reason)


async def closed(url):
    async with websockets.connect(url) as ws:
        await ws.wait_closed()
    say(code=ws.close_code, reason=ws.close_reason)


async def subprotocols(url, *names):
    async with websockets.connect(url, subprotocols=names) as ws:
        say(subprotocol=ws.subprotocol)


async def refused(url, origin):
    try:
        await websockets.connect(url, origin=origin)
    except websockets.InvalidStatusCode as error:
        say(status=error.status_code)


async def large(url):
    async with websockets.connect(url) as ws:
        await ws.send("x" * 1001)
        await ws.wait_closed()
    say(code=ws.close_code)


logging.getLogger("websockets").setLevel(logging.CRITICAL)
asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))
