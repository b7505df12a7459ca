# requests. usage: requests_client.py PROXY OUT; BLOB and BUNDLE in the environment
import os
import sys

import requests

proxy, out = sys.argv[1:]
with requests.Session() as session:
    session.trust_env = False
    session.proxies = {"http": proxy, "https": proxy}
    session.verify = os.environ["BUNDLE"]
    for name, base in ("plain", "http://origin.example:8000"), ("secure", "https://origin.example:8443"):
        # On one connection, as long as that is kept.
        for _ in range(3):
            answer = session.get(base + "/blob", timeout=30)
            answer.raise_for_status()
        open(f"{out}/{name}", "wb").write(answer.content)
        blob = open(os.environ["BLOB"], "rb").read()
        bodies = {"length": blob}
        # In chunks. It sends no password along with these, unless through a tunnel.
        if name == "secure" or "@" not in proxy or proxy.startswith("socks"):
            bodies["chunks"] = iter([blob[:1000], blob[1000:]])
        for suffix, body in bodies.items():
            answer = session.post(base + "/echo", data=body, timeout=30)
            answer.raise_for_status()
            open(f"{out}/{name}-{suffix}", "wb").write(answer.content)
