"""Who holds which address, as the kernel tells it, and what a client sees of it. Both keep a time line that tests read afterwards."""
import ipaddress
import select
import socket
import struct
import threading
import time

from lib import proc

RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR, RTM_GETLINK, RTM_GETADDR = 16, 17, 20, 21, 18, 22
NLM_F_REQUEST, NLM_F_DUMP, NLMSG_DONE, NLMSG_ERROR = 1, 0x300, 3, 2
IFF_RUNNING = 0x40
GROUPS = 1 | 1 << 4 | 1 << 8  # links, IPv4 addresses, IPv6 addresses
IFA_PROTO = 11


def _attributes(raw):
    position = 0
    while position + 4 <= len(raw):
        length, kind = struct.unpack_from("=HH", raw, position)
        if length < 4:
            return
        yield kind & 0x3FFF, raw[position + 4:position + length]
        position += (length + 3) & ~3


def _messages(raw):
    position = 0
    while position + 16 <= len(raw):
        length, kind = struct.unpack_from("=IH", raw, position)
        if length < 16:
            return
        yield kind, raw[position + 16:position + length]
        position += (length + 3) & ~3


class AddressTable:
    """A host's addresses and links, from one netlink socket: a dump at the start, then every change with its time."""

    def __init__(self, namespace, groups=0):
        with proc.in_namespace(namespace):
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        self.socket.bind((0, groups))
        self.links = {}      # ifindex -> (name, running)
        self.table = {}      # (ifindex, address) -> (prefix length, flags, protocol, valid, preferred)
        self.dump()

    def dump(self):
        for request in (RTM_GETLINK, RTM_GETADDR):
            self.socket.send(struct.pack("=IHHIIBxHiII", 32, request, NLM_F_REQUEST | NLM_F_DUMP, 1, 0, 0, 0, 0, 0, 0))
            done = False
            while not done:
                for kind, body in _messages(self.socket.recv(1 << 20)):
                    done = done or kind in (NLMSG_DONE, NLMSG_ERROR)
                    self.apply(kind, body)

    def apply(self, kind, body):
        """Returns the address that the message is about, None if it is about none."""
        if kind in (RTM_NEWLINK, RTM_DELLINK):
            index, flags = struct.unpack_from("=4xiI", body)
            name = next((value.rstrip(b"\0").decode() for kind_, value in _attributes(body[16:]) if kind_ == 3), "?")
            if kind == RTM_DELLINK and body[0] == 0:
                self.links.pop(index, None)
                self.table = {key: value for key, value in self.table.items() if key[0] != index}
            elif body[0] == 0:
                self.links[index] = (name, bool(flags & IFF_RUNNING))
        elif kind in (RTM_NEWADDR, RTM_DELADDR):
            _, length, flags, _, index = struct.unpack_from("=BBBBi", body)
            found = dict(_attributes(body[8:]))
            raw = found.get(2, found.get(1))
            if raw is None:
                return None
            key = (index, str(ipaddress.ip_address(raw)))
            if kind == RTM_DELADDR:
                self.table.pop(key, None)
            else:
                preferred, valid = struct.unpack_from("=II", found.get(6, b"\xff" * 8))
                flags = struct.unpack("=I", found[8])[0] if 8 in found else flags
                self.table[key] = (length, flags, found.get(IFA_PROTO, b"\0")[0], valid, preferred)
            return key[1]
        return None

    def poll(self, changed=lambda address: None):
        """Applies what has arrived; `changed(address)` after each message: an address that goes and comes at once was gone all the same."""
        while select.select([self.socket], [], [], 0)[0]:
            for kind, body in _messages(self.socket.recv(1 << 20)):
                address = self.apply(kind, body)
                if address:
                    changed(address)

    def answers_on(self, index):
        """A macvlan of FRR's (vrrp...) that is protodown does not count."""
        return not self.links.get(index, ("", True))[0].startswith("vrrp") or self.links[index][1]

    def held(self):
        """Addresses that the host answers for."""
        return {address for index, address in self.table if self.answers_on(index)}

    def marks(self, address):
        """(prefix length, flags, protocol, valid, preferred) or None."""
        return next((value for key, value in self.table.items() if key[1] == address), None)

    def holds(self, address):
        return str(ipaddress.ip_address(address)) in self.held()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()


class Ownership:
    """Records which hosts hold which address from now on. Times are seconds of the wall clock, comparable with a capture's."""

    def __init__(self, lab, hosts=None):
        self.tables = {host: AddressTable(lab.namespace(host), GROUPS) for host in (hosts or lab.hosts)}
        self.history = []  # (time, host, address, held)
        self.lock = threading.Lock()
        self.held = {}
        for host in self.tables:
            self._note(host, time.time())
        self.running = True
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _note(self, host, now):
        fresh, before = self.tables[host].held(), self.held.get(host, set())
        with self.lock:
            self.history += [(now, host, address, True) for address in fresh - before]
            self.history += [(now, host, address, False) for address in before - fresh]
            self.held[host] = fresh

    def _note_one(self, host, now, address):
        table = self.tables[host]
        present = any((index, address) in table.table and table.answers_on(index) for index in table.links)
        with self.lock:
            if present != (address in self.held[host]):
                self.history.append((now, host, address, present))
                (self.held[host].add if present else self.held[host].discard)(address)

    def _follow(self):
        by_socket = {table.socket.fileno(): host for host, table in self.tables.items()}
        while self.running:
            for descriptor in select.select(list(by_socket), [], [], 0.1)[0]:
                host = by_socket[descriptor]
                now = time.time()
                try:
                    self.tables[host].poll(lambda address: self._note_one(host, now, address))
                except OSError:  # overrun: start from a fresh dump
                    self.tables[host].table.clear()
                    self.tables[host].dump()
                self._note(host, now)

    def holders(self, address):
        address = str(ipaddress.ip_address(address))
        with self.lock:
            return sorted(host for host, held in self.held.items() if address in held)

    def timeline(self, address, since=0.0):
        """[(time, frozenset of holders)] with an entry at `since` and at every change after it."""
        address = str(ipaddress.ip_address(address))
        holders, line = set(), []
        with self.lock:
            for at, host, which, held in self.history:
                if which != address:
                    continue
                if at > since and not line:
                    line.append((since, frozenset(holders)))
                (holders.add if held else holders.discard)(host)
                if at > since:
                    line.append((at, frozenset(holders)))
        return line or [(since, frozenset(holders))]

    def spans(self, address, test, since=0.0, until=None):
        """Stretches [(start, end, holders)] in which `test(holders)` is true."""
        until = until or time.time()
        line = self.timeline(address, since) + [(until, frozenset())]
        return [(at, after, holders) for (at, holders), (after, _) in zip(line, line[1:]) if test(holders) and after > at and at < until]

    def longest_double(self, address, since=0.0, until=None):
        """The longest time in seconds that two hosts held the address at once."""
        return max([end - start for start, end, _ in self.spans(address, lambda holders: len(holders) > 1, since, until)], default=0.0)

    def longest_none(self, address, since=0.0, until=None):
        return max([end - start for start, end, _ in self.spans(address, lambda holders: not holders, since, until)], default=0.0)

    def changes(self, address, host=None, since=0.0):
        address = str(ipaddress.ip_address(address))
        with self.lock:
            return [entry for entry in self.history if entry[2] == address and entry[0] > since and (host is None or entry[1] == host)]

    def close(self):
        self.running = False
        self.thread.join()
        for table in self.tables.values():
            table.socket.close()


class Pinger:
    """A client that asks an address every `interval` seconds and keeps the times of the answers."""

    def __init__(self, lab, client, address, interval=0.01):
        self.six = ":" in address
        self.address, self.interval = address, interval
        with proc.in_namespace(lab.namespace(client)):
            self.socket = socket.socket(socket.AF_INET6 if self.six else socket.AF_INET, socket.SOCK_DGRAM,
                                        socket.IPPROTO_ICMPV6 if self.six else socket.IPPROTO_ICMP)
        self.socket.setblocking(False)
        self.answers = []
        self.asked = 0
        self.running = True
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _ask(self):
        due = time.monotonic()
        while self.running:
            self.asked += 1
            body = struct.pack(">BBHHHQ", 128 if self.six else 8, 0, 0, 0, self.asked & 0xFFFF, time.time_ns())
            try:
                self.socket.sendto(body, (self.address, 0))
            except OSError:
                pass  # no route or no neighbour just now: that is what is measured
            due += self.interval
            while True:
                left = due - time.monotonic()
                if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                    break
                try:
                    self.socket.recv(256)
                    self.answers.append(time.time())
                except OSError:
                    pass

    def longest_gap(self, since=0.0, until=None):
        """The longest time between two answers; a silence that still lasts counts up to `until` (now)."""
        until = until or time.time()
        times = [at for at in list(self.answers) if since <= at <= until]
        times = [since or (times[0] if times else until)] + times + [until]
        return max(after - before for before, after in zip(times, times[1:]))

    def close(self):
        self.running = False
        self.thread.join()
        self.socket.close()
