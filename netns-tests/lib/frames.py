"""VRRP, ARP and ND frames: read from a capture, and written byte by byte for injection. Nothing is learned from Baton's own code.

Checksum forms: "2" v2 over the message; "M" v3/IPv4 over the message (RFC 9568); "P" v3/IPv4 with pseudo-header (RFC 5798 as deployed);
"6" v3/IPv6 with pseudo-header.
"""
import dataclasses
import ipaddress
import socket
import struct

from lib import proc

PROTOCOL = 112
GROUP4, GROUP6 = "224.0.0.18", "ff02::12"
ETH_ALL = 3


def packed(address):
    return ipaddress.ip_address(address).packed


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def mac_text(raw):
    return ":".join("%02x" % byte for byte in raw)


def ones_sum(raw):
    if len(raw) % 2:
        raw += b"\0"
    total = sum(struct.unpack(">%dH" % (len(raw) // 2), raw))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def checksum(raw):
    return ~ones_sum(raw) & 0xFFFF


def pseudo(source, target, length, protocol=PROTOCOL):
    if len(packed(source)) == 4:
        return packed(source) + packed(target) + struct.pack(">BBH", 0, protocol, length)
    return packed(source) + packed(target) + struct.pack(">IBBBB", length, 0, 0, 0, protocol)


# ---------------------------------------------------------------- writing
def vrrp_message(version, vrid, priority, interval, vips, form, source, target, *, kind=1, count=None, reserved=0, auth_type=0, auth=b""):
    """interval: whole seconds with form "2", else centiseconds."""
    count = len(vips) if count is None else count
    head = struct.pack(">BBBB", version << 4 | kind, vrid, priority, count)
    head += struct.pack(">BB", auth_type, interval) if form == "2" else struct.pack(">H", reserved << 12 | interval & 0xFFF)
    body = b"".join(packed(vip) for vip in vips) + (auth.ljust(8, b"\0") if form == "2" else b"")
    raw = head + b"\0\0" + body
    cover = pseudo(source, target, len(raw)) if form in "P6" else b""
    return head + struct.pack(">H", checksum(cover + raw)) + body


def ip4(payload, source, target, *, ttl=255, protocol=PROTOCOL, options=b"", fragment=0, ident=0):
    length = 20 + len(options) + len(payload)
    head = struct.pack(">BBHHHBBH4s4s", 0x45 + len(options) // 4, 0xC0, length, ident, fragment, ttl, protocol, 0, packed(source),
                       packed(target)) + options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ip6(payload, source, target, *, hop_limit=255, protocol=PROTOCOL):
    return struct.pack(">IHBB16s16s", 6 << 28 | 0xC0 << 20, len(payload), protocol, hop_limit, packed(source), packed(target)) + payload


def ethernet(packet, source_mac, target_mac, ether_type=None, pad=True):
    if ether_type is None:
        ether_type = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    frame = mac_bytes(target_mac) + mac_bytes(source_mac) + struct.pack(">H", ether_type) + packet
    return frame.ljust(60, b"\0") if pad else frame


def group_mac(target):
    raw = packed(target)
    if len(raw) == 16:
        return "33:33:" + mac_text(raw[12:])
    return mac_text(bytes([1, 0, 0x5E, raw[1] & 0x7F]) + raw[2:])


def advert(source, source_mac, *, vrid=10, priority=200, interval=100, vips=("10.77.0.50",), form=None, version=None, target=None, ttl=255,
           target_mac=None, packet=None, message=None, **more):
    """A whole advert frame; `packet` and `message` are functions that damage the bytes on their layer before they are wrapped."""
    six = len(packed(source)) == 16
    form = form or ("6" if six else "P")
    version = version if version is not None else (2 if form == "2" else 3)
    target = target or (GROUP6 if six else GROUP4)
    raw = vrrp_message(version, vrid, priority, interval, list(vips), form, source, target, **more)
    raw = message(raw) if message else raw
    whole = ip6(raw, source, target, hop_limit=ttl) if six else ip4(raw, source, target, ttl=ttl)
    whole = packet(whole) if packet else whole
    return ethernet(whole, source_mac, target_mac or group_mac(target))


def gratuitous_arp(address, mac, operation=1):
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + mac_bytes(mac) + packed(address)
    body += (b"\xff" * 6 if operation == 1 else mac_bytes(mac)) + packed(address)
    return ethernet(body, mac, "ff:ff:ff:ff:ff:ff", 0x0806)


def unsolicited_na(address, mac):
    body = struct.pack(">BBHI", 136, 0, 0, 0xA0000000) + packed(address) + b"\x02\x01" + mac_bytes(mac)
    value = checksum(pseudo(address, "ff02::1", len(body), 58) + body)
    body = body[:2] + struct.pack(">H", value) + body[4:]
    return ethernet(ip6(body, address, "ff02::1", protocol=58), mac, "33:33:00:00:00:01")


class Injector:
    """Sends raw frames out of an interface in a namespace."""

    def __init__(self, namespace, interface):
        with proc.in_namespace(namespace):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.socket.bind((interface, 0))

    def send(self, *frames):
        for frame in frames:
            self.socket.send(frame)

    def close(self):
        self.socket.close()


# ---------------------------------------------------------------- reading
@dataclasses.dataclass
class Frame:
    """One frame of a capture. kind: vrrp, garp, arp, na, ns, icmp or other. `at` in seconds, `at_ns` in nanoseconds of the wall clock."""
    at_ns: int
    raw: bytes
    link: int = 0
    kind: str = "other"
    mac: str = ""
    source: str = ""
    target: str = ""
    ttl: int = 0
    version: int = 0
    vrid: int = 0
    priority: int = -1
    interval: int = 0          # v3: centiseconds; v2: seconds
    vips: tuple = ()
    form: str = ""             # checksum form, "bad" if none fits
    address: str = ""          # garp, na: the address announced
    announced_mac: str = ""
    operation: int = 0
    flags: int = 0

    @property
    def at(self):
        return self.at_ns / 1e9


def parse(at_ns, raw, link=0):
    frame = Frame(at_ns, raw, link, mac=mac_text(raw[6:12]))
    ether_type = raw[12:14]
    try:
        if ether_type == b"\x08\x06":
            _parse_arp(frame, raw[14:])
        elif ether_type == b"\x08\x00":
            _parse_ip4(frame, raw[14:])
        elif ether_type == b"\x86\xdd":
            _parse_ip6(frame, raw[14:])
    except (IndexError, struct.error, ValueError):
        frame.kind = "damaged"
    return frame


def _parse_arp(frame, body):
    frame.operation = body[7]
    frame.announced_mac = mac_text(body[8:14])
    frame.source, frame.target = str(ipaddress.ip_address(body[14:18])), str(ipaddress.ip_address(body[24:28]))
    frame.kind = "garp" if frame.source == frame.target else "arp"
    frame.address = frame.source


def _parse_ip4(frame, body):
    length = struct.unpack(">H", body[2:4])[0]
    frame.ttl = body[8]
    frame.source, frame.target = str(ipaddress.ip_address(body[12:16])), str(ipaddress.ip_address(body[16:20]))
    payload = body[(body[0] & 15) * 4:length]
    if body[9] == PROTOCOL:
        _parse_vrrp(frame, payload)
    elif body[9] == 1:
        frame.kind = "icmp"


def _parse_ip6(frame, body):
    length = struct.unpack(">H", body[4:6])[0]
    frame.ttl = body[7]
    frame.source, frame.target = str(ipaddress.ip_address(body[8:24])), str(ipaddress.ip_address(body[24:40]))
    payload = body[40:40 + length]
    if body[6] == PROTOCOL:
        _parse_vrrp(frame, payload)
    elif body[6] == 58 and payload[0] in (135, 136):
        frame.kind = "na" if payload[0] == 136 else "ns"
        frame.flags = payload[4]
        frame.address = str(ipaddress.ip_address(payload[8:24]))
        if len(payload) >= 32 and payload[24] == 2:
            frame.announced_mac = mac_text(payload[26:32])


def _parse_vrrp(frame, message):
    frame.kind = "vrrp"
    frame.version, frame.vrid, frame.priority, count = message[0] >> 4, message[1], message[2], message[3]
    size = 16 if ":" in frame.source else 4
    frame.vips = tuple(str(ipaddress.ip_address(message[8 + i * size:8 + (i + 1) * size])) for i in range(count))
    frame.interval = message[5] if frame.version == 2 else struct.unpack(">H", message[4:6])[0] & 0xFFF
    plain = ones_sum(message) == 0xFFFF
    covered = ones_sum(pseudo(frame.source, frame.target, len(message)) + message) == 0xFFFF
    if frame.version == 2:
        frame.form = "2" if plain else "bad"
    elif size == 16:
        frame.form = "6" if covered else "bad"
    else:
        frame.form = "P" if covered else "M" if plain else "bad"
