# aiohttp, several requests at once. usage: aiohttp_client.py PROXY OUT; BLOB and BUNDLE in the environment
import asyncio
import os
import ssl
import sys

import aiohttp
import aiohttp_socks

proxy, out = sys.argv[1:]


async def main():
    trust = ssl.create_default_context(cafile=os.environ["BUNDLE"])
    if proxy.startswith("socks5h:"):
        connector = aiohttp_socks.ProxyConnector.from_url(proxy.replace("socks5h:", "socks5:"), rdns=True)
        options = {"ssl": trust}
    else:
        connector, options = None, {"proxy": proxy, "ssl": trust}
    blob = open(os.environ["BLOB"], "rb").read()
    async with aiohttp.ClientSession(connector=connector) as session:
        async def fetch(name, url):
            async with session.get(url, **options) as answer:
                answer.raise_for_status()
                open(f"{out}/{name}", "wb").write(await answer.read())

        async def send(name, url):
            async with session.post(url, data=blob, **options) as answer:
                answer.raise_for_status()
                open(f"{out}/{name}", "wb").write(await answer.read())

        bases = ("plain", "http://origin.example:8000"), ("secure", "https://origin.example:8443")
        await asyncio.gather(*(fetch(f"{name}-{n}", base + "/blob") for name, base in bases for n in range(4)))
        await asyncio.gather(*(send(f"{name}-sent", base + "/echo") for name, base in bases))


asyncio.run(main())
