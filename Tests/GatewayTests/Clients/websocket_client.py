# websocket-client (RFC 6455). usage: websocket_client.py PROXY OUT; BLOB and BUNDLE in the environment
import os
import sys
from urllib.parse import urlsplit

import websocket

proxy, out = urlsplit(sys.argv[1]), sys.argv[2]
blob = open(os.environ["BLOB"], "rb").read()
for name, url in ("plain", "ws://origin.example:8001/"), ("secure", "wss://origin.example:8444/"):
    socket = websocket.create_connection(
        url, timeout=30, http_proxy_host=proxy.hostname, http_proxy_port=proxy.port, proxy_type=proxy.scheme,
        http_proxy_auth=(proxy.username, proxy.password) if proxy.username else None,
        sslopt={"ca_certs": os.environ["BUNDLE"]})
    socket.send("grüße")
    assert socket.recv() == "grüße"
    socket.ping("x")
    socket.send_binary(blob)
    open(f"{out}/{name}", "wb").write(socket.recv())
    socket.close()
