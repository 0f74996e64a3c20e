"""A promotion that is called off after the database has become writable: it is demoted before the grant ends, loses nothing, and whoever
can serve does so when the witness is back."""
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import roles
from lib.gate import Gates
from lib.proc import wait_until
from lib.redis_pair import VIP, RedisPair, writable


def gated_pair(scene):
    """A second section stands behind Redis in the row: its `promote` is where the promotion is held, Redis being the primary already."""
    gates = Gates(scene.lab, ("gate",))
    pair = RedisPair(scene, promote=("redis", "gate"), sections=gates.sections(), lines=("promotion_budget = 10 per 1h",), peers=True, interval_ms=300)
    return gates, pair.start()


def called_off(baton):
    return [entry for entry in baton.events() if entry.get("verb") == "promote" and "called off" in entry.get("text", "")]


@pytest.mark.limit(120)
def test_the_survivor_of_a_dead_host_demotes_in_time_and_serves_when_the_witness_is_back(scene):
    gates, pair = gated_pair(scene)
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    gates.stop("db2", "gate", "promote")
    pair.lose("db1")
    gates.wait("db2", "gate", "promote")
    assert writable(pair.servers["db2"])
    pair.witness.members[0].freeze()
    frozen = time.monotonic()
    wait_until(lambda: not writable(pair.servers["db2"]), 10, "db2 is demoted")
    assert time.monotonic() - frozen < 3.0, "its lease of three seconds was renewed before the freeze at the latest"
    wait_until(lambda: called_off(pair.daemons["db2"]), 5, "it says so")
    gates.open()
    pair.witness.members[0].thaw()
    pair.serving("db2", 60)
    writer.wait_more(50)
    pair.nothing_lost(writer, sampler, "db2")


@pytest.mark.limit(120)
def test_a_planned_move_that_is_called_off_leaves_the_pair_as_it_was(scene):
    gates, pair = gated_pair(scene)
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    one, two = pair.daemons["db1"], pair.daemons["db2"]
    gates.stop("db2", "gate", "promote")
    wait_until(lambda: one.control("switchover", "svc", "--dry-run").returncode == 0, 20, "it could be moved")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(one.control, "switchover", "svc", timeout=100)
        gates.wait("db2", "gate", "promote")
        assert pair.servers["db2"].role() == "master"
        pair.witness.members[0].freeze()
        wait_until(lambda: called_off(two), 10, "the promotion is called off")
        gates.open()
        pair.witness.members[0].thaw()
        done = asked.result()
    assert done.returncode != 0 and "given up" in done.stdout + done.stderr
    pair.serving("db1", 30)
    wait_until(lambda: roles.data_of(two).get("role") == "standby" and pair.servers["db2"].linked(), 30, "db2 follows again")
    writer.wait_more(50)
    pair.nothing_lost(writer, sampler, "db1")


@pytest.mark.limit(120)
def test_a_host_that_is_stopped_in_the_middle_of_its_promotion_leaves_nothing_writable_behind(scene):
    gates, pair = gated_pair(scene)
    gates.stop("db2", "gate", "promote")
    pair.lose("db1")
    gates.wait("db2", "gate", "promote")
    assert writable(pair.servers["db2"])
    pair.daemons["db2"].stop(15)
    assert not writable(pair.servers["db2"]) and scene.owners.holders(VIP) == []
    assert "release_incomplete" not in pair.daemons["db2"].log()
