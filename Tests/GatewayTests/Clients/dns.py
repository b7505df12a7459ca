"""Questions for names as stubs put them (RFC 1035), for the programs beside it."""
import struct

CODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.strip(".").split(".") if label) + b"\0"


def query(number, text, kind=1, edns=1232, flags=0x0100):
    opt = b"\0" + struct.pack("!HHIH", 41, edns, 0, 0) if edns else b""
    return struct.pack("!6H", number, flags, 1, 0, 0, 1 if edns else 0) + name(text) + struct.pack("!2H", kind, 1) + opt


def number(message):
    return struct.unpack_from("!H", message)[0]


def code(message):
    return message[3] & 15


def answers(message):
    return struct.unpack_from("!H", message, 6)[0]
