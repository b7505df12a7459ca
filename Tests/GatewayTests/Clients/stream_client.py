# `docker exec` as its client speaks it: POST with Upgrade: tcp, then a stream without HTTP, which ends when the client has sent its FIN
# and has got that of the server. usage: stream_client.py PROXY OUT; BLOB and BUNDLE in the environment
import asyncio
import base64
import os
import ssl
import sys
from urllib.parse import urlsplit

import socks

proxy, out = urlsplit(sys.argv[1]), sys.argv[2]
blob = open(os.environ["BLOB"], "rb").read()


async def connect():
    if proxy.scheme == "socks5h":
        connection = socks.create_connection(
            ("origin.example", 8000), 30, proxy_type=socks.SOCKS5, proxy_addr=proxy.hostname, proxy_port=proxy.port,
            proxy_rdns=True, proxy_username=proxy.username, proxy_password=proxy.password)
        connection.setblocking(False)
        return await asyncio.open_connection(sock=connection)
    trust = ssl.create_default_context(cafile=os.environ["BUNDLE"]) if proxy.scheme == "https" else None
    return await asyncio.open_connection(proxy.hostname, proxy.port, ssl=trust)


async def main():
    reader, writer = await connect()
    is_absolute = proxy.scheme != "socks5h"
    target = ("http://origin.example:8000" if is_absolute else "") + "/exec/1/start"
    fields = ""
    if is_absolute and proxy.username:
        login = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
        fields = f"Proxy-Authorization: Basic {login}\r\n"
    body = '{"Detach":false,"Tty":true}'
    writer.write((
        f"POST {target} HTTP/1.1\r\nHost: origin.example:8000\r\n{fields}User-Agent: Docker-Client/27.0 (linux)\r\n"
        f"Content-Length: {len(body)}\r\nConnection: Upgrade\r\nContent-Type: application/json\r\nUpgrade: tcp\r\n\r\n{body}"
    ).encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 "), head
    assert await reader.readexactly(2) == b"$ "
    sent = asyncio.ensure_future(send(writer))
    open(f"{out}/stream", "wb").write(await reader.readexactly(len(blob)))
    await sent
    # In TLS Python has no way to send an end and to go on reading.
    if writer.can_write_eof():
        writer.write_eof()
        assert await reader.read() == b"exit\n"
    writer.close()


async def send(writer):
    for start in range(0, len(blob), 50_000):
        writer.write(blob[start:start + 50_000])
        await writer.drain()


asyncio.run(asyncio.wait_for(main(), 60))
