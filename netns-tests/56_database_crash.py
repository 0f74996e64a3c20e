"""The crash table of a database's transaction: all of Baton dies at each line of a promotion and of a demotion. What follows is
decided by the record and by the data: never two writable, and no acknowledged write lost that the other host had."""
import os
import signal
import time

import pytest

from lib import proc, roles
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

    def __init__(self, scene, section=()):
        self.gates = Gates(scene.lab, ("first", "last"))
        # These tests promote more often than anybody should.
        super().__init__(scene, promote=("first", "redis", "last"), sections=self.gates.sections(), section=section,
                         lines=("fence = first", "promotion_budget = 100 per 1h"))
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


@pytest.mark.limit(150)
def test_killed_before_the_point_of_no_return_nothing_was_done_and_the_generation_is_burned(scene):
    """A claim that is on disk (all lines but the first) is never made again."""
    pair = CrashedPair(scene)
    two, server = pair.daemons["db2"], pair.servers["db2"]
    began, expected = time.monotonic(), 1
    for line in ("claiming", "granting", "waiting", ("first", "fence"), ("first", "can_promote"), "deciding"):
        pair.stop_at("db2", line)
        if line == "claiming":
            pair.lose_db1()
        pair.wait_at("db2", line)
        two.kill()
        pair.without_address("db2")
        assert server.role() == "slave", line
        on_disk = record(two)
        if line == "claiming":
            assert (on_disk["role"], on_disk["generation"], on_disk["dirty"]) == ("standby", "1", "no")
        else:
            expected += 1
            assert (on_disk["role"], int(on_disk["generation"]), on_disk["dirty"]) == ("claiming", expected, "no"), line
        pair.let_go()
        two.start()
    lost = pair.ended("db2")
    data = roles.data_of(two)
    assert (data["role"], data["generation"]) == ("active", expected + 1)
    assert len(lost) <= 20, lost
    print("measure: six deaths of Baton in one takeover: %.1f s, acknowledged %d, lost %d" % (time.monotonic() - began, len(pair.clients.acknowledged), len(lost)))


@pytest.mark.limit(150)
def test_killed_after_the_point_of_no_return_the_promotion_is_taken_up_again(scene):
    """Before the database was promoted, after it, and before it was verified. db1 has given the role away and has been told to stay out."""
    pair = CrashedPair(scene)
    two, server = pair.daemons["db2"], pair.servers["db2"]
    began = None
    for line, role in ((("first", "promote"), "slave"), (("last", "promote"), "master"), (("last", "verify"), "master")):
        pair.stop_at("db2", line)
        if began is None:
            began = time.monotonic()
            roles.move_away(pair.daemons["db1"])
        pair.wait_at("db2", line)
        shown = roles.data_of(two)
        assert (shown["role"], shown["step"]) == ("promoting", "verifying" if line[1] == "verify" else "promoting")
        two.kill()
        pair.without_address("db2")
        assert server.role() == role, line
        assert (record(two)["role"], record(two)["dirty"]) == ("promoting", "yes"), line
        pair.let_go()
        two.start()
    lost = pair.ended("db2")
    assert lost == []
    roles.measure("three deaths of Baton in one planned move", pair.clients, began, len(lost))


