"""The watchdog: fed while the writable one holds its grant, and not by a host that hangs or has lost it. A file stands for the
device and records each feeding; `1` is food, `V` the magic close."""
import os
import signal
import time

import pytest

from lib import roles
from lib.proc import wait_until
from lib.redis_pair import RedisPair, writable

TIMEOUT = 2  # s; an engine that stands still is fed for one more


class Dog:
    """What a watchdog device would have seen on one host."""

    def __init__(self, scene, host):
        self.path = os.path.join(scene.lab.directory, host + ".watchdog")
        open(self.path, "w", encoding="ascii").close()

    def seen(self):
        with open(self.path, encoding="ascii") as file:
            return file.read()

    def fed(self, deadline=3.0):
        """Waits for the next meal; how long that took."""
        before, start = len(self.seen()), time.monotonic()
        wait_until(lambda: len(self.seen()) > before, deadline, "fed again")
        return time.monotonic() - start

    def starves(self, deadline):
        """Waits until it has not been fed for longer than its timeout: then the host would have been reset."""
        state = {"size": len(self.seen()), "since": time.monotonic()}

        def hungry():
            size = len(self.seen())
            if size != state["size"]:
                state.update(size=size, since=time.monotonic())
            return time.monotonic() - state["since"] > TIMEOUT
        wait_until(hungry, deadline, "the host is reset")

    def fed_last(self):
        """When, as the time of day."""
        return os.stat(self.path).st_mtime


def watched_pair(scene):
    """A Redis pair whose hosts each have a watchdog."""
    pair = RedisPair(scene)
    dogs = {host: Dog(scene, host) for host in pair.daemons}
    for host, baton in pair.daemons.items():
        baton.sections = ["lease = 6s" if line.startswith("lease =") else line for line in baton.sections]
        baton.daemon_keys = (*baton.daemon_keys, "watchdog = " + dogs[host].path, "watchdog_timeout = %ds" % TIMEOUT)
    return pair, dogs


def test_it_is_fed_while_the_grant_holds_and_closed_when_all_is_given_up_in_order(scene):
    pair, dogs = watched_pair(scene)
    pair.start()
    for _ in range(4):
        assert max(dog.fed() for dog in dogs.values()) < TIMEOUT
    assert pair.daemons["db1"].stop(20) == 0
    assert pair.servers["db1"].role() == "slave"
    assert dogs["db1"].seen().endswith("1V"), dogs["db1"].seen()
    assert "V" not in dogs["db2"].seen()


@pytest.mark.limit(120)
def test_a_host_whose_engine_stands_still_is_reset_if_it_has_the_writable_one(scene):
    pair, dogs = watched_pair(scene)
    pair.start()
    # The whole of Baton but the guardian: it would start a new engine in place of one that alone stands still.
    os.kill(pair.daemons["db1"].process_of("engine"), signal.SIGSTOP)
    wait_until(lambda: "adopted=yes" in pair.daemons["db1"].log(), 10, "a new engine continues")
    assert dogs["db1"].fed() < TIMEOUT, "a new engine continues, and so does the feeding"
    pair.daemons["db1"].pause()
    dogs["db1"].starves(10)
    pair.daemons["db1"].resume()


@pytest.mark.limit(120)
def test_a_host_that_has_lost_its_grant_and_cannot_demote_is_reset_before_another_may_be_granted(scene):
    pair, dogs = watched_pair(scene)
    pair.start()
    two, server = pair.daemons["db2"], pair.servers["db2"]
    sampler = pair.until_the_end(roles.Sampler({"db2": lambda: writable(server)}))
    wait_until(lambda: sampler.samples, 5, "db2 is looked at from the beginning")
    pair.servers["db1"].freeze()  # whatever is asked of it, it does not answer: it may be writable
    scene.faults.unplug("db1")
    cut = time.time()
    dogs["db1"].starves(12)
    reset = dogs["db1"].fed_last() + TIMEOUT
    assert "watchdog_unfed" in pair.daemons["db1"].log()
    assert dogs["db2"].fed() < TIMEOUT, "the standby lives on"
    pair.serving("db2", 40)
    wait_until(lambda: any(hosts for _, hosts in list(sampler.samples)), 10, "db2 takes writes")
    sampler.stop()
    granted, promoted = [next(roles.told_at(entry) for entry in two.events() if entry.get("verb") == verb and entry["result"] == "ok") for verb in ("acquire", "promote")]
    took_writes = next(at for at, hosts in sampler.samples if hosts)
    print("watchdog: after the cut: reset %.2f s, db2 granted %.2f s, promoted %.2f s, seen writable %.2f s" % tuple(at - cut for at in (reset, granted, promoted, took_writes)))
    assert cut < reset < granted, "another was granted %.2f s before db1 would have been reset" % (reset - granted)
    assert reset < promoted and reset < took_writes
    pair.servers["db1"].thaw()
    wait_until(lambda: pair.servers["db1"].role() == "slave", 30, "db1 is demoted")
    assert dogs["db1"].fed(5) < 5, "and may live on"


@pytest.mark.limit(120)
def test_nothing_is_promoted_before_the_watchdog_is_armed(scene):
    pair, dogs = watched_pair(scene)
    os.unlink(dogs["db1"].path)
    one = pair.daemons["db1"].start().wait_ready()
    one.alarmed("watchdog", 10)
    wait_until(lambda: "watchdog" in one.control("explain").stdout, 5, "explain names the watchdog")
    assert roles.data_of(one)["role"] == "standby"
    assert one.log().count("watchdog_failed") == 1, "told once, though it is tried again"
    open(dogs["db1"].path, "w", encoding="ascii").close()
    pair.serving("db1", 20)
    assert "watchdog" not in one.alarms()
