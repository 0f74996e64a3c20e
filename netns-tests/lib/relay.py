"""A slow cable: frames between a host's port and the switch pass through this process, which delays them and may change their order."""
import heapq
import itertools
import random
import select
import socket
import threading
import time

from lib import proc

PACKET_OUTGOING = 4


class Relay:
    """Takes the port of `host` off the bridge and stands between. delay and jitter in seconds; jitter larger than the spacing of frames
    changes their order. The seed makes the jitter the same in every run."""

    def __init__(self, lab, host, delay, jitter=0.0, link=0, seed=1):
        self.lab, self.port, self.link = lab, lab.port(host, link), link
        self.delay, self.jitter, self.random = delay, jitter, random.Random(seed)
        inner, outer = "in-" + self.port, "out-" + self.port
        lab._batch("switch", ["link set %s nomaster" % self.port, "link set %s promisc on" % self.port, "link add %s type veth peer name %s" % (inner, outer),
                              "link set %s up" % inner, "link set %s promisc on" % inner, "link set %s master br%d up" % (outer, link)])
        with proc.in_namespace(lab.switch):
            self.ends = [self._open(name) for name in (self.port, inner)]
        self.running = True
        self.thread = threading.Thread(target=self._carry, daemon=True)
        self.thread.start()
        lab.undo.callback(self.close)

    @staticmethod
    def _open(name):
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        end.bind((name, 3))
        return end

    def _carry(self):
        waiting, order = [], itertools.count()
        while self.running:
            left = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.05
            for end in select.select(self.ends, [], [], min(left, 0.05))[0]:
                raw, (_, _, kind, _, _) = end.recvfrom(65536)
                if kind != PACKET_OUTGOING:
                    due = time.monotonic() + self.delay + self.random.uniform(0, self.jitter)
                    heapq.heappush(waiting, (due, next(order), self.ends[1] if end is self.ends[0] else self.ends[0], raw))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, target, raw = heapq.heappop(waiting)
                try:
                    target.send(raw)
                except OSError:
                    pass  # the cable is out: frames are lost, as they would be

    def close(self):
        self.running = False
        self.thread.join()
        for end in self.ends:
            end.close()
