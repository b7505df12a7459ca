"""usage: dhcp_crowd.py INTERFACE COUNT SECONDS [FIRST [release]]

COUNT devices on one link ask for addresses at the same moment (RFC 2131), each again every second until it has one or SECONDS
are over. Their hardware addresses begin at FIRST. Prints a line for each that got one, and how long all of it took. With
`release` they give back what they got.
"""
import random
import select
import socket
import struct
import sys
import time

interface, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
first = int(sys.argv[4]) if len(sys.argv) > 4 else 1
is_released = sys.argv[5:] == ["release"]
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
link.bind((interface, 0))


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Device:
    def __init__(self, number):
        self.hardware = b"\x02\x00\x00" + number.to_bytes(3, "big")
        self.transaction = random.getrandbits(32)
        self.offer = self.server = self.address = self.gateway = None

    def send(self, kind, options, own=bytes(4), server=b"\xff" * 4, gateway=b"\xff" * 6):
        bootp = struct.pack("!BBBBIHH", 1, 1, 6, 0, self.transaction, 0, 0x8000) + own + bytes(12)
        bootp += self.hardware + bytes(10) + bytes(192) + b"\x63\x82\x53\x63" + b"\x35\x01" + bytes([kind]) + options
        bootp += b"\xff"
        udp = struct.pack("!HHHH", 68, 67, 8 + len(bootp), 0) + bootp
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, own, server)
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        link.send(gateway + self.hardware + b"\x08\x00" + head + udp)

    def ask(self):
        if self.offer is None:
            self.send(1, b"")
        elif self.address is None:
            self.send(3, b"\x32\x04" + self.offer + b"\x36\x04" + self.server)

    def release(self):
        self.send(7, b"\x36\x04" + self.server, self.address, self.server, self.gateway)


devices = [Device(first + number) for number in range(count)]
by_transaction = {device.transaction: device for device in devices}


def options(data):
    found, place = {}, 0
    while place + 1 < len(data) and data[place] != 255:
        if data[place] == 0:
            place += 1
            continue
        found[data[place]] = data[place + 2 : place + 2 + data[place + 1]]
        place += 2 + data[place + 1]
    return found


def take(frame):
    ip = frame[14:]
    if len(ip) < 20 or ip[9] != 17:
        return
    udp = ip[(ip[0] & 15) * 4 :]
    if udp[2:4] != b"\x00\x44" or udp[8] != 2:
        return
    bootp = udp[8:]
    device = by_transaction.get(int.from_bytes(bootp[4:8], "big"))
    if device is None:
        return
    known = options(bootp[240:])
    kind = known.get(53, b"\0")[0]
    if kind == 2 and device.offer is None:
        device.offer, device.server = bootp[16:20], known[54]
        device.ask()
    elif kind == 5 and device.address is None:
        device.address, device.gateway = bootp[16:20], frame[6:12]
    elif kind == 6:
        device.offer = device.server = None


start = time.monotonic()
next_round = 0
while time.monotonic() - start < seconds and any(device.address is None for device in devices):
    if time.monotonic() >= next_round:
        next_round = time.monotonic() + 1
        for number, device in enumerate(devices):
            device.ask()
            if number % 32 == 31:
                while select.select([link], [], [], 0)[0]:
                    take(link.recv(2048))
    if select.select([link], [], [], 0.02)[0]:
        take(link.recv(2048))
took = time.monotonic() - start
for device in devices:
    if device.address is not None:
        if is_released:
            device.release()
            time.sleep(0.002)
        print(":".join(f"{byte:02x}" for byte in device.hardware), socket.inet_ntoa(device.address))
print(f"{took:.2f} s", file=sys.stderr)
