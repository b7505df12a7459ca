# Where the clients of the matrix go: files, an echo, git's own server, a stream as Docker's, over HTTP and over TLS; and WebSockets.
# It keeps connections and answers requests in a row (pipelining). Each request is a line of the log: the client's address first.
#
# usage: origin.py DIRECTORY CERTIFICATE-WITH-KEY LOG
import asyncio
import http.server
import os
import ssl
import subprocess
import sys
import threading

import websockets

root, pem, log = sys.argv[1:]
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain(pem)
lines = open(log, "a", buffering=1)


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments):
        super().__init__(*arguments, directory=root)

    def log_message(self, *arguments):
        pass

    def parse_request(self):
        is_whole = super().parse_request()
        if is_whole:
            lines.write(f"{self.client_address[0]} {self.command} {self.path}\n")
        return is_whole

    def do_GET(self):
        if self.path.startswith("/git/"):
            return self.git(b"")
        super().do_GET()

    def do_POST(self):
        body = self.content()
        if self.path.startswith("/git/"):
            return self.git(body)
        if self.path.startswith("/exec/"):
            return self.stream()
        self.answer(body)

    def content(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, body, status=200, fields=()):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # git-http-backend(1) as a CGI program (RFC 3875).
    def git(self, body):
        path, _, query = self.path.partition("?")
        environment = dict(
            os.environ, GIT_PROJECT_ROOT=root, GIT_HTTP_EXPORT_ALL="1", PATH_INFO=path, QUERY_STRING=query,
            REQUEST_METHOD=self.command, CONTENT_TYPE=self.headers.get("Content-Type", ""), CONTENT_LENGTH=str(len(body)),
            HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""), REMOTE_ADDR=self.client_address[0],
            GIT_PROTOCOL=self.headers.get("Git-Protocol", ""))
        said = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True).stdout
        head, _, rest = said.partition(b"\r\n\r\n")
        fields = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n")]
        status = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
        self.answer(rest, status, [field for field in fields if field[0] != "Status"])

    # POST /exec/ID/start of Docker's API: from the 101 on both ends speak without HTTP, until each has sent its FIN.
    def stream(self):
        self.wfile.write(
            b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
            b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n$ ")
        self.wfile.flush()
        while data := self.rfile.read1(65536):
            self.wfile.write(data)
            self.wfile.flush()
        self.wfile.write(b"exit\n")
        self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def get_request(self):
        connection, address = super().get_request()
        # The handshake takes place in the connection's own thread, with its first read.
        if self.server_port == 8443:
            connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client):
        pass


async def echo(socket):
    lines.write(f"{socket.remote_address[0]} WEBSOCKET {socket.path}\n")
    async for message in socket:
        await socket.send(message)


async def main():
    for port in 8000, 8443:
        server = Server(("", port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    async with websockets.serve(echo, "0.0.0.0", 8001), websockets.serve(echo, "0.0.0.0", 8444, ssl=tls):
        print("ready", flush=True)
        await asyncio.Future()


asyncio.run(main())
