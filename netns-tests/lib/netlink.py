"""Raw rtnetlink: addresses with or without Baton's mark, forged messages, a busy rtnl lock, and the kernel's own time for many addresses."""
import ipaddress
import multiprocessing
import socket
import struct
import time

from lib import proc

RTM_NEWADDR, RTM_DELADDR = 20, 21
REQUEST, ACK, EXCL, CREATE = 1, 4, 0x200, 0x400
NODAD, NOPREFIXROUTE = 0x02, 0x200
BATON_PROTOCOL = 0x62
BATCH = 32


def address_message(kind, index, prefix, sequence=1, flags=0, protocol=0, header_flags=REQUEST | ACK | EXCL | CREATE):
    address = ipaddress.ip_interface(prefix)
    raw = address.ip.packed
    body = struct.pack("=BBBBI", 10 if len(raw) == 16 else 2, address.network.prefixlen, flags & 0xFF, 0, index)
    for attribute, value in ((2, raw), (1, raw), (8, struct.pack("=I", flags))):
        body += struct.pack("=HH", 4 + len(value), attribute) + value
    if protocol:
        body += struct.pack("=HHB3x", 5, 11, protocol)
    return struct.pack("=IHHII", 16 + len(body), kind, header_flags, sequence, 0) + body


class RouteSocket:
    """A NETLINK_ROUTE socket in a namespace."""

    def __init__(self, namespace, interface="eth0"):
        with proc.in_namespace(namespace):
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            self.index = socket.if_nametoindex(interface)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
        self.socket.bind((0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def answers(self, count):
        """How many of `count` acknowledgements are refusals."""
        return sum(struct.unpack_from("=i", self.socket.recv(65536), 16)[0] != 0 for _ in range(count))

    def add(self, prefix, protocol=0, flags=0):
        self.socket.send(address_message(RTM_NEWADDR, self.index, prefix, flags=flags, protocol=protocol))
        assert self.answers(1) == 0, "the kernel refused " + prefix

    def remove(self, prefix):
        self.socket.send(address_message(RTM_DELADDR, self.index, prefix, header_flags=REQUEST | ACK))
        return self.answers(1) == 0

    def many(self, kind, prefixes, batch=BATCH, flags=0):
        """Requests for all `prefixes`, `batch` in one sendmsg; (seconds until the last acknowledgement, refusals)."""
        header = REQUEST | ACK | (EXCL | CREATE if kind == RTM_NEWADDR else 0)
        requests = [address_message(kind, self.index, prefix, number, flags, 0, header) for number, prefix in enumerate(prefixes)]
        batches = [b"".join(requests[start:start + batch]) for start in range(0, len(requests), batch)]
        began = time.perf_counter()
        for one in batches:
            self.socket.send(one)
        refused = self.answers(len(requests))
        return time.perf_counter() - began, refused


def time_to_add(namespace, interface, addresses):
    """The kernel's own time in seconds to add permanent addresses by batched requests with nothing else to do. They stay."""
    six = ":" in addresses[0]
    with RouteSocket(namespace, interface) as route:
        taken, refused = route.many(RTM_NEWADDR, [one + ("/128" if six else "/32") for one in addresses], flags=NODAD | NOPREFIXROUTE if six else 0)
    assert not refused, "%d addresses refused" % refused
    return taken


def _churn(namespace):
    prefixes = ["10.200.%d.%d/32" % (number >> 8, number & 255) for number in range(2000)]
    with RouteSocket(namespace, "lo") as route:
        while True:
            route.many(RTM_NEWADDR, prefixes, batch=500)
            route.many(RTM_DELADDR, prefixes, batch=500)


class BusyRtnl:
    """While it lives, another process keeps the kernel's rtnl lock busy by adding and removing 2000 addresses in `namespace`."""

    def __init__(self, namespace):
        self.worker = multiprocessing.get_context("fork").Process(target=_churn, args=(namespace,), daemon=True)

    def __enter__(self):
        self.worker.start()
        return self

    def __exit__(self, *unused):
        self.worker.kill()
        self.worker.join()


def user_ports(namespace):
    """Port ids of all rtnetlink sockets in the namespace except the kernel's own."""
    text = proc.run("ip", "netns", "exec", namespace, "cat", "/proc/net/netlink")
    rows = [line.split() for line in text.splitlines()[1:]]
    return [int(row[2]) for row in rows if row[1] == "0" and row[2] != "0"]
