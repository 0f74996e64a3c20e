"""A Redis pair whose transaction stands still at any line of it, so that Baton or a part of it can die exactly there."""
import os
import signal

from lib import roles
from lib.gate import Gates
from lib.proc import wait_until
from lib.redis_pair import VIP, RedisPair


def record(baton):
    """What is on disk, as {word: value}; {} if there is nothing."""
    try:
        with open(os.path.join(baton.state, "instances", "svc.state"), encoding="ascii") as file:
            return dict(line.rstrip("\n").split(" ", 1) for line in file)
    except OSError:
        return {}


def stands_at(baton, wanted, deadline=30):
    wait_until(lambda: roles.data_of(baton.wait_ready()).get("step") == wanted, deadline, "%s is at %s" % (baton.host, wanted))


class CrashedPair(RedisPair):
    """db1 serves and db2 replicates; gates before and after Redis in the row, and a writer through the address."""

    def __init__(self, scene, section=(), lines=(), peers=False):
        self.gates = Gates(scene.lab, ("first", "last"))
        # These tests promote more often than anybody should.
        super().__init__(scene, promote=("first", "redis", "last"), sections=self.gates.sections(), section=section,
                         lines=("fence = first", "promotion_budget = 100 per 1h", *lines), interval_ms=300, peers=peers)
        self.start()
        self.clients, self.samples = self.writer(), self.sampler()
        self.clients.wait_more(200)

    def lose_db1(self):
        """With its server: from here on db2 is alone."""
        self.scene.faults.unplug("db1")
        self.daemons["db1"].kill()
        self.servers["db1"].kill()

    def freeze_scribe(self, host):
        """No record reaches the disk; it is still so when all of Baton dies."""
        os.kill(wait_until(lambda: self.daemons[host].process_of("scribe"), 5, "a scribe"), signal.SIGSTOP)

    def stop_at(self, host, line):
        """`line`: step or (gate, verb). Before the host gets there."""
        if line in ("claiming", "deciding"):
            if line == "deciding":
                self.gates.stop(host, "last", "can_promote")
            else:
                self.freeze_scribe(host)
        elif line == "granting":
            self.witness.members[0].freeze()
        elif line != "waiting":
            self.gates.stop(host, *line)

    def wait_at(self, host, line):
        if line == "deciding":
            self.gates.wait(host, "last", "can_promote")
            self.freeze_scribe(host)
            self.gates.open()
        if isinstance(line, str):
            return stands_at(self.daemons[host], line)
        return self.gates.wait(host, *line)

    def let_go(self):
        self.witness.members[0].thaw()
        for baton in self.daemons.values():
            if scribe := baton.process_of("scribe"):
                os.kill(scribe, signal.SIGCONT)
        self.gates.open()

    def without_address(self, host):
        assert host not in self.scene.owners.holders(VIP)

    def ended(self, host):
        """The clients write to `host` again; what was acknowledged since the beginning and is not there."""
        self.serving(host, 40)
        self.clients.wait_more(50)
        acknowledged = self.clients.stop()
        self.samples.stop()
        self.samples.never_two()
        return roles.lost_tail(acknowledged, self.numbers(host)) if set(acknowledged) - self.numbers(host) else []
