"""usage: name_pace.py SERVER SECONDS RATE

A device as others are: RATE questions a second, each from a port of its own and put once, every other one for a name that was
asked for before. Prints how many were asked and lost, and the milliseconds that the answers took: half of them, 99 %, all.
"""
import os
import select
import socket
import sys
import time

import dns

server, seconds, rate = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
family = socket.AF_INET6 if ":" in server else socket.AF_INET
poll = select.poll()
waiting, took, wrong = {}, [], 0
begin = time.monotonic()
sent, count = 0, int(seconds * rate)
while True:
    now = time.monotonic()
    while sent < count and now >= begin + sent / rate:
        port = socket.socket(family, socket.SOCK_DGRAM)
        port.connect((server, 53))
        waiting[port.fileno()] = (port, time.monotonic())
        poll.register(port, select.POLLIN)
        port.send(dns.query(sent & 0xFFFF, f"p{sent}-{os.getpid()}.example" if sent % 2 else "www.example"))
        sent += 1
    end = begin + count / rate + 5
    if now >= end or (sent == count and not waiting):
        break
    pause = (begin + sent / rate if sent < count else end) - now
    for number, _ in poll.poll(max(0, min(pause, 1)) * 1000):
        port, start = waiting.pop(number)
        poll.unregister(number)
        message = port.recv(4096)
        took.append(time.monotonic() - start)
        wrong += dns.code(message) != 0 or dns.answers(message) != 1
        port.close()
took.sort()
at = lambda share: 1000 * took[min(len(took) - 1, int(share * len(took)))] if took else 9999
print(sent, len(waiting) + wrong, *(f"{at(share):.2f}" for share in (0.5, 0.99, 1)))
