# A headless Chromium, driven by its own protocol (chromedevtools.github.io): opens pages and tells what stands there. It gives a
# proxy that asks for one the login in LOGIN, `user:password`. The result is JSON: the text of each page, its background, and what the
# browser complained of.
#
# usage: chromium_client.py OPTION URL...
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request

import websockets

option, urls = sys.argv[1], sys.argv[2:]
user, _, password = os.environ.get("LOGIN", "").partition(":")


async def main(port):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    targets = json.load(direct.open(f"http://127.0.0.1:{port}/json"))
    page = next(target for target in targets if target["type"] == "page")
    async with websockets.connect(page["webSocketDebuggerUrl"], max_size=None) as socket:
        waiting, loaded, complaints = {}, asyncio.Event(), []

        def call(method, **parameters):
            number = len(waiting) + 1
            waiting[number] = asyncio.get_running_loop().create_future()
            asyncio.ensure_future(socket.send(json.dumps({"id": number, "method": method, "params": parameters})))
            return waiting[number]

        async def listen():
            async for text in socket:
                message = json.loads(text)
                parameters = message.get("params", {})
                match message.get("method"):
                    case None: waiting[message["id"]].set_result(message.get("result"))
                    case "Page.loadEventFired": loaded.set()
                    case "Log.entryAdded": complaints.append(parameters["entry"]["text"])
                    case "Fetch.requestPaused": call("Fetch.continueRequest", requestId=parameters["requestId"])
                    case "Fetch.authRequired":
                        call("Fetch.continueWithAuth", requestId=parameters["requestId"], authChallengeResponse={
                            "response": "ProvideCredentials", "username": user, "password": password})

        listener = asyncio.ensure_future(listen())
        await call("Page.enable")
        await call("Log.enable")
        if user:
            await call("Fetch.enable", handleAuthRequests=True)
        script = "JSON.stringify([document.body.innerText, getComputedStyle(document.body).backgroundColor])"
        pages = {}
        for url in urls:
            loaded.clear()
            await call("Page.navigate", url=url)
            await asyncio.wait_for(loaded.wait(), 30)
            result = await call("Runtime.evaluate", expression=script)
            pages[url] = json.loads(result["result"]["value"])
        print(json.dumps({"pages": pages, "complaints": complaints}))
        listener.cancel()


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    browser = subprocess.Popen(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}",
         "--remote-debugging-port=0", option, "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        place, end = profile + "/DevToolsActivePort", time.monotonic() + 30
        while not (os.path.exists(place) and open(place).read().strip()):
            if time.monotonic() > end or browser.poll() is not None:
                sys.exit("the browser does not start")
            time.sleep(0.05)
        asyncio.run(main(open(place).read().split()[0]))
    finally:
        browser.kill()
        browser.wait()
