"""A capture on the switch: tcpdump on the bridge of each link, read while it grows.

The kernel stamps a frame when it enters the switch; a frame is seen once, before any fault of lib/faults.py drops it.
"""
import os
import struct
import subprocess

from lib import frames, proc

FILTER = "ip proto 112 or ip6 proto 112 or arp or (icmp6 and ip6[40] >= 133 and ip6[40] <= 137)"
RECORD = struct.Struct("<IIII")


class Capture:
    def __init__(self, lab, path, links=None, expression=FILTER, snap=2048, live=True):
        """snap: bytes kept of a frame; read live, each takes that much of the kernel's buffer. live: frames can be read while it runs; else only after close(), at less cost for the machine that is measured."""
        self.lab = lab
        self.files = {}
        self.processes = []
        self.offsets = {}
        self.seen = []
        for link in range(lab.links) if links is None else links:
            name = "%s.%d.pcap" % (path, link)
            process = subprocess.Popen(
                ["ip", "netns", "exec", lab.switch, "tcpdump", "-i", "br%d" % link, "--time-stamp-precision=nano", "-n", "-Z", "root",
                 "-s", str(snap), "-B", "8192" if live else "65536", "-w", name] + (["--immediate-mode", "-U"] if live else []) + [expression], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE)
            self.files[link] = name
            self.offsets[link] = 24
            self.processes.append(process)
        for process in self.processes:
            line = heard = b""
            while b"listening on" not in line:
                line = process.stderr.readline()
                heard += line
                if not line:
                    raise RuntimeError("tcpdump did not start: " + heard.decode())

    def frames(self):
        """All frames so far, by time."""
        fresh = []
        for link, name in self.files.items():
            fresh += self._read(link, name)
        if fresh:
            self.seen += fresh
            self.seen.sort(key=lambda frame: frame.at_ns)
        return self.seen

    def _read(self, link, name):
        if not os.path.exists(name):
            return []
        with open(name, "rb") as file:
            file.seek(self.offsets[link])
            raw = file.read()
        found, position = [], 0
        while position + 16 <= len(raw):
            seconds, nanos, kept, _ = RECORD.unpack_from(raw, position)
            if position + 16 + kept > len(raw):
                break
            found.append(frames.parse(seconds * 1_000_000_000 + nanos, raw[position + 16:position + 16 + kept], link))
            position += 16 + kept
        self.offsets[link] += position
        return found

    def select(self, kind=None, since=0.0, until=None, **wanted):
        """Frames by kind, time (seconds of the wall clock) and fields, e.g. select("vrrp", source="10.77.0.1", priority=0)."""
        return [frame for frame in self.frames()
                if (kind is None or frame.kind == kind) and frame.at >= since and (until is None or frame.at <= until)
                and all(getattr(frame, key) == value for key, value in wanted.items())]

    def adverts(self, host=None, since=0.0, until=None, link=0, **wanted):
        """Adverts sent by `host` on `link` (from its own MAC, or from a virtual MAC if it is the one host that uses them)."""
        found = self.select("vrrp", since, until, link=link, **wanted)
        if host is None:
            return found
        virtual = "00:00:5e:00:" if self.lab.virtual_mac_host == host else "none"
        return [frame for frame in found if frame.mac == self.lab.mac(host, link) or frame.mac.startswith(virtual)]

    def announcements(self, address=None, host=None, since=0.0, until=None):
        """Gratuitous ARP and unsolicited NA."""
        found = [frame for frame in self.frames() if frame.kind in ("garp", "na") and frame.at >= since and (until is None or frame.at <= until)
                 and (address is None or frame.address == address) and (frame.kind == "garp" or frame.target == "ff02::1")]
        return found if host is None else [frame for frame in found if frame.mac == self.lab.mac(host, frame.link)]

    def wait(self, what, deadline=5.0, **wanted):
        """Waits for a frame that `select(what, **wanted)` finds; returns the first."""
        return proc.wait_until(lambda: self.select(what, **wanted), deadline, "a %s frame with %s" % (what, wanted))[0]

    def dropped(self):
        """Stops the capture; the number of frames that the kernel dropped before tcpdump could take them."""
        lost = 0
        for process in self.processes:
            proc.stop_process(process)
            for line in process.stderr.read().decode().splitlines():
                if "dropped by kernel" in line:
                    lost += int(line.split()[0])
            process.stderr.close()
        self.processes = []
        return lost

    def close(self):
        self.dropped()
