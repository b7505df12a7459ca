"""usage: name_streams.py SERVER KIND COUNT

Opens COUNT connections for names, of a KIND that would hold them for ever: `silent` says nothing, `trickle` sends a byte a second of
a question, `deaf` asks for large.example as long as anybody takes it and reads no answer, `mute` does the same with so many
questions as fill the way back, and then says nothing any more. Prints "open" when all are there, and then of each how many seconds
it lasted.
"""
import select
import socket
import struct
import sys
import time

import dns

server, kind, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in server else socket.AF_INET
message = dns.query(1, "large.example")
question = struct.pack("!H", len(message)) + message


class Connection:
    def __init__(self):
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if kind in ("deaf", "mute"):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect((server, 53))
        self.socket.setblocking(False)
        self.begin = time.monotonic()
        self.sent = 0

    def speak(self):
        if kind == "trickle":
            # The length of a long one, and then as much as there is time for.
            self.socket.send((b"\xff\xff" + bytes(65535))[self.sent : self.sent + 1])
            self.sent += 1
        elif kind == "deaf" or (kind == "mute" and self.sent < 100 * len(question)):
            rest = self.sent % len(question)
            self.sent += self.socket.send(question[rest:])


connections = [Connection() for _ in range(count)]
print("open", flush=True)
poll = select.poll()
# What comes is not read: it is asked only whether the connection has ended.
for connection in connections:
    poll.register(connection.socket, select.POLLRDHUP)
open_ones = {connection.socket.fileno(): connection for connection in connections}
due = time.monotonic()
while open_ones:
    if time.monotonic() >= due:
        due += 1 if kind == "trickle" else 0.01
        for connection in open_ones.values():
            try:
                connection.speak()
            except OSError:
                pass
    for number, _ in poll.poll(5):
        connection = open_ones.pop(number)
        poll.unregister(number)
        print(f"{time.monotonic() - connection.begin:.2f}", flush=True)
