"""Hosts, clients and a switch as network namespaces: made, found again by name, and removed without a trace.

Every link is a bridge brL in the switch's namespace. Host number i has interface ethL with 10.77.L.i/24 and fd77:L::i/64 on link L,
and the switch's port to it is called HOST-L. Nothing is connected to the machine's own network.
"""
import contextlib
import json
import os
import shutil
import signal
import tempfile

from lib import proc
from lib.faults import Faults


class Lab:
    def __init__(self, prefix, hosts=("db1", "db2"), clients=("client",), links=1, directory=None):
        self.prefix = prefix
        self.hosts = list(hosts)
        self.clients = list(clients)
        self.links = links
        self.directory = directory
        self.memory = directory             # for what a daemon keeps under /run: a disk that is written to holds up a rename by seconds
        self.faults = Faults(self)
        self.virtual_mac_host = None        # the host, if any, whose daemon sends from virtual MACs
        self.undo = contextlib.ExitStack()  # what to stop before the namespaces go

    # ---- names and numbers
    @property
    def everybody(self):
        return self.hosts + self.clients

    def namespace(self, name):
        return "%s-%s" % (self.prefix, name)

    @property
    def switch(self):
        return self.namespace("switch")

    def port(self, name, link=0):
        return "%s-%d" % (name, link)

    def number(self, name):
        return self.everybody.index(name) + 1

    def ip4(self, name, link=0):
        return "10.77.%d.%d" % (link, self.number(name))

    def ip6(self, name, link=0):
        return "fd77:%d::%x" % (link, self.number(name))

    def mac(self, name, link=0):
        return "02:77:00:00:%02x:%02x" % (link, self.number(name))

    def link_local(self, name, link=0):
        return "fe80::77:ff:fe00:%x" % (link << 8 | self.number(name))

    # ---- making and removing
    def up(self):
        if self.directory is None:
            self.directory = tempfile.mkdtemp(prefix=self.prefix + "-", dir="/tmp")
            self.memory = tempfile.mkdtemp(prefix=self.prefix + "-", dir="/dev/shm")
        os.makedirs(self.directory, exist_ok=True)
        for path in (self.directory, self.memory):
            os.chmod(path, 0o755)
        for name in ["switch"] + self.everybody:
            proc.run("ip", "netns", "add", self.namespace(name))
        for name in ["switch"] + self.everybody:
            self._sysctl(name)
        batch = ["link set lo up"]
        for link in range(self.links):
            batch.append("link add br%d type bridge stp_state 0 forward_delay 0 mcast_snooping 0" % link)
            batch.append("link set br%d up" % link)
            for name in self.everybody:
                batch += self.wire(name, link)
        self._batch("switch", batch)
        for name in self.everybody:
            self._batch(name, ["link set lo up"] + [line for link in range(self.links) for line in self.address(name, link)])
        return self

    def wire(self, name, link):
        """ip commands, for the switch's namespace, that lay one cable."""
        port = self.port(name, link)
        return ["link add %s type veth peer name eth%d address %s netns %s" % (port, link, self.mac(name, link), self.namespace(name)),
                "link set %s master br%d up" % (port, link)]

    def address(self, name, link):
        """ip commands, for the host's namespace, that bring its end up."""
        return ["addr add %s/24 brd + dev eth%d" % (self.ip4(name, link), link),
                "addr add %s/64 dev eth%d nodad" % (self.ip6(name, link), link), "link set eth%d up" % link]

    def lay_cable(self, name, link=0):
        self._batch("switch", self.wire(name, link))
        self._batch(name, self.address(name, link))

    def down(self):
        with contextlib.suppress(Exception):
            self.undo.close()
        names = [self.namespace(name) for name in ["switch"] + self.everybody]
        for name in names:
            pids = proc.run("ip", "netns", "pids", name, check=False)
            proc.signal_all([int(pid) for pid in pids.stdout.split()], signal.SIGKILL)
            proc.run("ip", "netns", "delete", name, check=False)
        for path in {self.directory, self.memory} - {None}:
            shutil.rmtree(path, ignore_errors=True)

    def __enter__(self):
        try:
            return self.up()
        except BaseException:
            self.down()
            raise

    def __exit__(self, *unused):
        self.down()

    # ---- using
    def run(self, where, *argv, check=True, text_input=None, timeout=30):
        return proc.run("ip", "netns", "exec", self.namespace(where), *argv, check=check, text_input=text_input, timeout=timeout)

    def ip(self, where, *argv, check=True):
        return proc.run("ip", "-n", self.namespace(where), *argv, check=check)

    def addresses(self, host, interface=None):
        """The host's addresses as a list of dicts (ip -json), with `interface` added."""
        found = []
        for link in json.loads(self.ip(host, "-json", "-details", "addr", "show") or "[]"):
            if interface is None or link.get("ifname") == interface:
                found += [dict(info, interface=link["ifname"]) for info in link.get("addr_info", [])]
        return found

    def holds(self, host, vip):
        """True when `vip` (without prefix length) is on an interface of `host` that can use it."""
        with self.socket_view(host) as view:
            return view.holds(vip)

    @contextlib.contextmanager
    def socket_view(self, host):
        from lib.watch import AddressTable
        yield AddressTable(self.namespace(host))

    def neighbour_mac(self, who, address):
        """The MAC that `who` has for `address`, or ''."""
        for entry in json.loads(self.ip(who, "-json", "neigh", "show", address) or "[]"):
            if entry.get("lladdr"):
                return entry["lladdr"]
        return ""

    def _batch(self, where, lines):
        proc.run("ip", "-n", self.namespace(where), "-batch", "-", text_input="\n".join(lines) + "\n")

    def _sysctl(self, name):
        with proc.in_namespace(self.namespace(name)):
            for key, value in (("ipv6/conf/default/accept_dad", "0"), ("ipv6/conf/all/accept_dad", "0"),
                               ("ipv6/conf/default/router_solicitations", "0"), ("ipv4/ping_group_range", "0 2147483647"),
                               ("ipv4/conf/default/rp_filter", "0"), ("ipv4/conf/all/rp_filter", "0"),
                               ("ipv6/conf/default/autoconf", "0"), ("ipv4/icmp_ratelimit", "0")):
                with contextlib.suppress(OSError), open("/proc/sys/net/" + key, "w", encoding="ascii") as file:
                    file.write(value)
