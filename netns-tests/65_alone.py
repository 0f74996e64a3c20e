"""A host that is left alone, and one that left in order: who last had the data goes on by itself once the witness proves that nobody else
was promoted since, and a word said before the end spares a fence."""
import time

import pytest

from lib import roles
from lib.gate import Gates
from lib.proc import wait_until
from lib.redis_pair import VIP, RedisPair, calm_pair, writable


def fences(baton):
    return [entry for entry in baton.events() if entry.get("verb") == "fence"]


def stands_alone(scene):
    """db1 serves; db2 is gone with its server."""
    pair = calm_pair(scene, peers=True).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    pair.daemons["db2"].stop()
    pair.servers["db2"].kill()
    writer.wait_more(50)
    return pair, writer, sampler


@pytest.mark.limit(120)
def test_the_last_holder_goes_on_alone_after_an_orderly_restart_of_baton(scene):
    pair, writer, sampler = stands_alone(scene)
    one = pair.daemons["db1"]
    one.stop()
    wait_until(lambda: not writable(pair.servers["db1"]) and scene.owners.holders(VIP) == [], 5, "nobody serves")
    began = time.monotonic()
    one.start()
    pair.serving("db1", 30)
    took = time.monotonic() - began
    assert roles.data_of(one.wait_ready())["generation"] == 2
    writer.wait_more(50)
    pair.nothing_lost(writer, sampler, "db1")
    print("measure: alone, it serves again %.2f s after the start of its Baton" % took)


@pytest.mark.limit(120)
def test_the_last_holder_goes_on_alone_after_the_witness_was_away_for_longer_than_its_lease(scene):
    pair, writer, sampler = stands_alone(scene)
    member = pair.witness.members[0]
    member.freeze()
    wait_until(lambda: not writable(pair.servers["db1"]) and scene.owners.holders(VIP) == [], 20, "db1 gives up")
    member.thaw()
    pair.serving("db1", 40)
    writer.wait_more(50)
    pair.nothing_lost(writer, sampler, "db1")


@pytest.mark.limit(120)
def test_alone_it_does_not_go_on_with_what_another_host_was_granted_since(scene):
    """db2 was promoted meanwhile and is gone again: db1's data is not the newest any more."""
    pair = calm_pair(scene, peers=True).start()
    writer = pair.writer()
    writer.wait_more(100)
    one, two = pair.daemons["db1"], pair.daemons["db2"]
    one.stop()
    pair.servers["db1"].stop()  # it does not follow
    pair.serving("db2", 40)
    writer.wait_more(50)
    two.stop()
    pair.servers["db2"].kill()
    pair.servers["db1"].start()
    one.start()
    wait_until(lambda: any(entry.get("reason") in ("promote_refused", "needs_rejoin", "no_grant") for entry in one.wait_ready().events()), 60, "db1 may not")
    assert not writable(pair.servers["db1"]) and scene.owners.holders(VIP) == []
    assert roles.data_of(one)["role"] != "active"


@pytest.mark.limit(120)
def test_who_stops_in_order_is_not_fenced(scene):
    gates = Gates(scene.lab, ("first",))
    pair = RedisPair(scene, promote=("first", "redis"), sections=gates.sections(), lines=("fence = first",), peers=True, interval_ms=300).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    began = time.monotonic()
    pair.daemons["db1"].stop()
    pair.serving("db2", 30)
    took = time.monotonic() - began
    writer.wait_more(50)
    assert fences(pair.daemons["db2"]) == []
    pair.nothing_lost(writer, sampler, "db2")
    print("measure: the holder's Baton is stopped in order; the other host serves %.2f s after" % took)


@pytest.mark.limit(120)
def test_who_is_killed_is_fenced(scene):
    gates = Gates(scene.lab, ("first",))
    pair = RedisPair(scene, promote=("first", "redis"), sections=gates.sections(), lines=("fence = first",), peers=True, interval_ms=300).start()
    pair.lose("db1")
    pair.serving("db2", 30)
    assert [(entry["plugin"], entry["result"]) for entry in fences(pair.daemons["db2"])] == [("first", "ok")]


@pytest.mark.limit(120)
def test_a_live_database_whose_baton_is_dead_is_demoted_by_the_host_that_has_the_grant(scene):
    """grant = witness and no fence: the promotion is refused because the old primary answers; then its own `fence` verb ends that."""
    pair = calm_pair(scene, peers=True).start()
    writer, sampler = pair.writer(), pair.sampler()
    writer.wait_more(100)
    began = time.monotonic()
    pair.daemons["db1"].kill()
    pair.serving("db2", 60)
    took = time.monotonic() - began
    writer.wait_more(50)
    assert not writable(pair.servers["db1"])
    assert [(entry["plugin"], entry["result"]) for entry in fences(pair.daemons["db2"])] == [("redis", "ok")]
    pair.nothing_lost(writer, sampler, "db2")
    print("measure: witness, no fence, the holder's Baton dies and its database lives: %.2f s" % took)
