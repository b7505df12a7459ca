"""usage: name_flood.py SERVER KIND RATE

Asks for RATE names a second until it is killed, from many ports, and waits for nothing. KIND says for which: `cached` one name,
`slow` ever new ones under slow.example, `same` one of those, `stream` one name over TCP as fast as its connections take it.
Prints a line each second: how many were asked and answered by then, and how many of these were failures.
"""
import os
import select
import socket
import struct
import sys
import time

import dns

server, kind, rate = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in server else socket.AF_INET
sent = answered = failed = turn = 0


def text():
    if kind == "slow":
        return f"n{sent}-{os.getpid()}.slow.example"
    return "one.slow.example" if kind == "same" else "www.example"


def tell(until=[time.monotonic() + 1]):
    if time.monotonic() >= until[0]:
        until[0] += 1
        print(sent, answered, failed, flush=True)


def count(message):
    global answered, failed
    answered += 1
    failed += dns.code(message) != 0


def datagrams():
    global sent, turn
    ports = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(64)]
    for port in ports:
        port.setblocking(False)
        port.connect((server, 53))
    begin = time.monotonic()
    while True:
        due = int((time.monotonic() - begin) * rate)
        while sent < due:
            try:
                ports[turn % 64].send(dns.query(sent & 0xFFFF, text()))
            except OSError:
                pass
            sent += 1
            turn += 1
        for port in ports:
            try:
                while True:
                    count(port.recv(4096))
            except OSError:
                pass
        tell()
        time.sleep(0.001)


def streams():
    global sent
    connections = []
    for _ in range(16):
        connection = socket.create_connection((server, 53))
        connection.setblocking(False)
        connections.append(connection)
    question = dns.query(1, text())
    piece = (struct.pack("!H", len(question)) + question) * 64
    while True:
        readable, writable, _ = select.select(connections, connections, [], 1)
        for connection in readable:
            try:
                count(connection.recv(1 << 16)[2:6] or b"\0\0\0\2")
            except OSError:
                pass
        for connection in writable:
            try:
                sent += connection.send(piece) // (len(piece) // 64)
            except OSError:
                pass
        tell()


streams() if kind == "stream" else datagrams()
